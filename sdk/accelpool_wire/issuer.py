"""What a broker and the command line ask an OpenID Connect issuer for: JSON documents, within limits.

    URL            https, or http on loopback; no user, query or fragment in an issuer's
    keys           over https, too, unless the issuer itself is http
    redirects      are not followed: nobody answers for somebody else
    an answer      JSON, an object, `MOST_BYTES` at most, not compressed, within `WHOLE_S`

Nothing here trusts a token. Source: OpenID Connect Discovery 1.0, sections 4.1 to 4.3.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from accelpool_wire.errors import ConnectError, Invalid, ReadError, RemoteProtocolError, Timeout
from accelpool_wire.tls import is_loopback

CONNECT_S, READ_S, WHOLE_S = 3.0, 5.0, 10.0
MOST_BYTES = 256 << 10
LONGEST_ISSUER, LONGEST_URL = 255, 2048
PART = 8192
DISCOVERY = "/.well-known/openid-configuration"


def check_url(url: object, what: str) -> str:
    """Return a URL that a request may go to.

    Args:
        url: The URL.
        what: What it is, for the error.

    Raises:
        Invalid: It is none, or what is said there could be read or changed on the way.
    """
    try:
        split = urlsplit(url) if isinstance(url, str) and len(url) <= LONGEST_URL else None
        is_whole = split is not None and bool(split.hostname) and split.port != 0
    except ValueError:
        is_whole, split = False, None
    if (
        split is None
        or not is_whole
        or not str(url).isascii()
        or not str(url).isprintable()
        or " " in str(url)
    ):
        raise Invalid(f"{what} is no URL")
    if split.username is not None or split.password is not None:
        raise Invalid(f"{what} has a user in it: {split.hostname}")
    if split.scheme != "https" and not (split.scheme == "http" and is_loopback(split.hostname or "")):
        raise Invalid(f"{what} does not begin with https://: {url}")
    return str(url)


def check_keys_url(url: object, issuer: str) -> str:
    """Return the URL at which an issuer says that its keys are (`jwks_uri`).

    Raises:
        Invalid: It is none, or others could put keys there more easily than speak for the issuer.
    """
    found = check_url(url, "its `jwks_uri`")
    if urlsplit(found).scheme != "https" and urlsplit(issuer).scheme == "https":
        raise Invalid(f"its `jwks_uri` does not begin with https://: {found}")
    return found


def check_issuer(issuer: str) -> str:
    """Return an issuer's URL.

    Raises:
        Invalid: It is none.
    """
    check_url(issuer, "the issuer")
    if "?" in issuer or "#" in issuer or len(issuer) > LONGEST_ISSUER:
        raise Invalid(
            f"an issuer is a URL without query and fragment, of at most {LONGEST_ISSUER} characters"
        )
    return issuer


@dataclass(frozen=True, kw_only=True)
class IssuerAnswer:
    """What an issuer has answered: the HTTP status, and a JSON object."""

    status: int
    body: dict[str, Any]


class IssuerClient:
    """Asks issuers. Safe to use from several threads.

    Args:
        ca: The file of the authorities that vouch for issuers; "" for those of the system.
        clock: Seconds from any start, never going back.
    """

    def __init__(self, ca: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ca, self._clock = ca, clock

    def discover(self, issuer: str) -> dict[str, Any]:
        """Return what an issuer says of itself.

        Raises:
            Invalid: It is no issuer's URL.
            RemoteProtocolError: It answers with something else.
            TransportError: It does not answer in time.
        """
        url = check_issuer(issuer).rstrip("/") + DISCOVERY
        found = self.get(url)
        if found.get("issuer") != issuer:
            raise RemoteProtocolError(
                f"{url} is of another issuer: {str(found.get('issuer'))[:LONGEST_ISSUER]!r}"
            )
        return found

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return a document.

        Raises:
            Invalid: It is no URL to ask at.
            RemoteProtocolError: It is none.
            TransportError: It does not come in time.
        """
        answer = self._ask("GET", url, headers=headers)
        if answer.status != requests.codes.ok:
            raise RemoteProtocolError(f"{url} was answered {answer.status}")
        return answer.body

    def post(self, url: str, form: Mapping[str, str]) -> IssuerAnswer:
        """Return the answer to a form, whatever its status.

        Raises:
            Invalid, RemoteProtocolError, TransportError: As `get` does.
        """
        return self._ask("POST", url, form=form)

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> IssuerAnswer:
        until = self._clock() + WHOLE_S
        host = urlsplit(check_url(url, "what the issuer names")).hostname
        plain = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            with requests.Session() as http:
                http.trust_env = False
                if self._ca:
                    http.verify = self._ca
                with http.request(
                    method,
                    url,
                    data=form,
                    headers=plain,
                    timeout=(CONNECT_S, READ_S),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    return IssuerAnswer(status=response.status_code, body=self._read(response, url, until))
        except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError) as error:
            raise Timeout(f"the issuer at {host} did not answer in time") from error
        except urllib3.exceptions.HTTPError as error:
            raise ReadError(f"the connection to the issuer at {host} broke") from error
        except (requests.exceptions.RequestException, ValueError, OSError) as error:
            raise ConnectError(f"the issuer at {host} cannot be asked: {type(error).__name__}") from error

    def _read(self, response: requests.Response, url: str, until: float) -> dict[str, Any]:
        """Return the JSON object that an answer has."""
        if response.is_redirect or 300 <= response.status_code < 400:
            raise RemoteProtocolError(f"{url} leads elsewhere, which is not followed")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise RemoteProtocolError(f"{url} was answered compressed, which was not asked for")
        content = b""
        while part := response.raw.read1(PART):
            content += part
            if len(content) > MOST_BYTES:
                raise RemoteProtocolError(f"{url} was answered with more than {MOST_BYTES} bytes")
            if self._clock() > until:
                raise Timeout(f"{url} was not answered within {WHOLE_S:g} s")
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RemoteProtocolError(f"{url} was answered {response.status_code} and no JSON") from error
        if not isinstance(body, dict):
            raise RemoteProtocolError(f"{url} was answered with no JSON object")
        return body
