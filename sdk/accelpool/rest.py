"""HTTP to the broker: JSON both ways, failures as typed errors.

What happens to a request that fails:

    nobody listens                 ConnectError; tried again within `retry_s`
    they disagree about TLS        ConnectError, which says how; likewise
    the connection breaks          ReadError; tried again within `retry_s`
    Unavailable, 502, 503, 504     Unavailable; tried again within `retry_s`, after Retry-After if given
    TooManyRequests                likewise, and for ten seconds in any case: nothing was done
    Unauthorized                   at once, with the token that its source has now, if that is another
    any other problem              the typed error of its name, at once
    an answer that is no JSON      RemoteProtocolError, at once

Only requests that may be repeated are given a `retry_s` by their callers. What was one too many was not
carried out, so that it may be repeated whatever it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from accelpool.errors import (
    ConnectError,
    ProblemError,
    ReadError,
    RemoteProtocolError,
    Timeout,
    TooManyRequests,
    TransportError,
    Unauthorized,
    Unavailable,
    problem,
)
from accelpool_wire import traces
from accelpool_wire.broker_tls import mistake
from accelpool_wire.request_id import HEADER, new_request_id

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0
SILENCE_S = 60.0
PAUSE_S = 0.2
PAUSE_MAX_S = 2.0
THROTTLED_S = 10.0
AWAY = frozenset({502, 503, 504})
STANDARD_MEMBERS = frozenset({"type", "title", "status", "detail", "instance"})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A broker's answer.

    Attributes:
        body: Its JSON.
        retry_after_s: How long to leave it alone before asking again, in seconds, if it said so.
        etag: What changes with what was read, as `If-Match` takes it; "" if it said none.
    """

    body: Any
    retry_after_s: float | None
    etag: str = ""


class RestClient:
    """Speaks to one broker over kept-alive connections. Safe to use from several threads.

    Args:
        url: The broker's URL.
        token: The bearer token; "" for calls that need none.
        ca: The file of the authorities that vouch for the broker's certificate; "" for those of the system.
        reread: Returns the token that its source has now, for when this one is refused; "" for none.
        http: A session to use instead of one of its own.
        sleep: Called between attempts, with seconds.
        clock: Seconds from any start, never going back.
    """

    def __init__(
        self,
        url: str,
        token: str,
        ca: str = "",
        *,
        reread: Callable[[], str] = str,
        http: requests.Session | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url: str = url.rstrip("/")
        self.clock = clock
        self.sleep = sleep
        self.reread = reread
        self._http = http or requests.Session()
        self._http.trust_env = False
        self._ca = ca
        if ca:
            self._http.verify = ca
        self._headers = _headers(token)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str | int | float] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
        timeout_s: float = ANSWER_TIMEOUT_S,
        retry_s: float = 0.0,
        is_refusal_final: bool = False,
    ) -> Answer:
        """Return the broker's answer.

        Args:
            method: The HTTP method.
            path: From the slash on.
            json: The body, or None for none.
            form: The body as a form instead.
            params: The query.
            headers: Headers beyond the token and the request's id, which stays the same over all attempts.
            wait_s: How long the broker may hold the answer back.
            timeout_s: How long it may take beyond that, in seconds.
            retry_s: For how long to try again while the broker is away, in seconds.
            is_refusal_final: Not to try again where nobody listens.

        Raises:
            ProblemError: The broker said no.
            TransportError: The broker could not be reached in time.
            RemoteProtocolError: What answered is no broker.
        """
        began_at, pause_s, is_reread, resends = self.clock(), PAUSE_S, False, 0
        headers = {HEADER: new_request_id(), **(headers or {})}
        while True:
            sent = self._headers
            try:
                with traces.part(method, self._told(method, path, resends), is_client=True):
                    traced = {**(headers or {}), **traces.headers()}
                    return self._once(method, path, json, form, params, traced, timeout_s + wait_s)
            except Unauthorized:
                headers_now = {} if is_reread else _headers(self.reread())
                if len(headers_now) < 2 or headers_now == sent:
                    raise
                self._headers, is_reread = headers_now, True
            except (TransportError, Unavailable, TooManyRequests) as error:
                pause = _pause(error, pause_s)
                limit_s = max(retry_s, THROTTLED_S) if isinstance(error, TooManyRequests) else retry_s
                is_final = is_refusal_final and isinstance(error, ConnectError)
                if is_final or self.clock() + pause > began_at + limit_s:
                    raise
                self.sleep(pause)
                pause_s = min(PAUSE_MAX_S, 2 * pause_s)
            resends += 1

    def pages(self, path: str, params: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Return all items of a list, page after page.

        Raises:
            ProblemError, TransportError, RemoteProtocolError: As `request` does.
        """
        items: list[dict[str, Any]] = []
        query = dict(params or {})
        while True:
            page = self.request("GET", path, params=query).body
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise RemoteProtocolError(f"{self.url}{path} answered with no list of items")
            items.extend(page["items"])
            cursor = page.get("next_cursor")
            if not cursor:
                return items
            query["cursor"] = cursor

    @contextmanager
    def lines(
        self,
        path: str,
        *,
        params: Mapping[str, str | int | float] | None = None,
        headers: Mapping[str, str] | None = None,
        silence_s: float = SILENCE_S,
    ) -> Iterator[Iterator[str]]:
        """Lend the lines of an answer that goes on, each as it comes.

        Args:
            path: From the slash on.
            params: The query.
            headers: Headers beyond the token.
            silence_s: After how long without a line the connection counts as broken, in seconds.

        Raises:
            ProblemError, TransportError, RemoteProtocolError: As `request` does; it is not tried again.
                ReadError, Timeout: While they are read: the connection broke, or was silent.
        """
        headers = {HEADER: new_request_id(), **(headers or {})}
        response = self._send("GET", path, None, None, params, headers, silence_s, is_stream=True)
        with response:
            if response.status_code >= 300:
                self._read(response, f"GET {self.url}{path}")
            yield self._lines(response, path)

    def _lines(self, response: requests.Response, path: str) -> Iterator[str]:
        try:
            for line in response.iter_lines(chunk_size=1):
                yield line.decode("utf-8", "replace")
        except requests.exceptions.RequestException as error:
            raise ReadError(f"the connection to {self.url} broke during GET {path}") from error

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._http.close()

    def disown(self) -> None:
        """In a process just forked: share no connection with the other process."""
        self._http.close()  # this process's descriptors only; new connections are made as needed

    def _once(
        self,
        method: str,
        path: str,
        json: Any,
        form: Mapping[str, str] | None,
        params: Mapping[str, str | int | float] | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Answer:
        response = self._send(method, path, json, form, params, headers, timeout_s)
        traces.tell({"http.response.status_code": response.status_code})
        return self._read(response, f"{method} {self.url}{path}")

    def _send(
        self,
        method: str,
        path: str,
        json: Any,
        form: Mapping[str, str] | None,
        params: Mapping[str, str | int | float] | None,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        is_stream: bool = False,
    ) -> requests.Response:
        where = f"the broker at {self.url}"
        try:
            return self._http.request(
                method,
                self.url + path,
                json=json,
                data=form,
                params=params,
                headers={**self._headers, **headers},
                timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
                allow_redirects=False,
                stream=is_stream,
            )
        except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError) as error:
            raise ConnectError(self._misunderstood(error) or f"{where} cannot be reached: {error}") from error
        except requests.exceptions.Timeout as error:
            raise Timeout(f"{where} did not answer {method} {path} in time") from error
        except requests.exceptions.ConnectionError as error:
            if _never_connected(error):
                raise ConnectError(f"nobody answers at {self.url}: is the broker running?") from error
            if misunderstood := self._misunderstood(error):
                raise ConnectError(misunderstood) from error
            raise ReadError(f"the connection to {where} broke during {method} {path}") from error
        except (
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            raise ReadError(f"the answer of {where} to {method} {path} is not whole: {error}") from error
        except (requests.exceptions.RequestException, ValueError, OSError) as error:
            raise ConnectError(self._misunderstood(error) or f"{where} cannot be asked: {error}") from error

    def _told(self, method: str, path: str, resends: int) -> traces.Attributes:
        """Return what a request's span says of it, by the conventions for HTTP."""
        broker = urlsplit(self.url)
        told: traces.Attributes = {
            "http.request.method": method,
            "url.full": self.url + path,
            "server.address": broker.hostname or "",
            "server.port": broker.port or (443 if broker.scheme == "https" else 80),
        }
        return told | ({"http.request.resend_count": resends} if resends else {})

    def _misunderstood(self, error: Exception) -> str:
        """Return what is wrong between client and broker about TLS, "" if nothing is."""
        return str(mistake(error, url=self.url, ca=self._ca, setting="ACCELPOOL_CA") or "")

    def _read(self, response: requests.Response, what: str) -> Answer:
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        if response.status_code == 204:
            return Answer(body=None, retry_after_s=retry_after_s)
        try:
            body = response.json()
        except (ValueError, RecursionError) as error:
            if response.status_code in AWAY:
                raise _away(what, response, retry_after_s) from error
            raise RemoteProtocolError(
                f"{what} was answered {response.status_code} and no JSON: is that a broker's URL?"
            ) from error
        if response.status_code < 300:
            etag = response.headers.get("ETag", "")
            return Answer(body=body, retry_after_s=retry_after_s, etag=etag)
        if not isinstance(body, dict):
            raise RemoteProtocolError(f"{what} was answered {response.status_code} and no problem")
        raise _problem(body, response, what, retry_after_s)


def _headers(token: str) -> dict[str, str]:
    """Return what every request carries."""
    return {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}


def _problem(
    body: dict[str, Any], response: requests.Response, what: str, retry_after_s: float | None
) -> ProblemError:
    """Return the typed error of a problem+json body."""
    members = {key: value for key, value in body.items() if key not in STANDARD_MEMBERS}
    if retry_after_s is not None:
        members["retry_after_s"] = retry_after_s
    detail = str(body.get("detail") or body.get("title") or f"{what} was answered {response.status_code}")
    found = problem(str(body.get("type", "about:blank")), detail, **members)
    if type(found) is ProblemError and response.status_code in AWAY:
        found = Unavailable(detail, **members)
    found.instance = str(body.get("instance") or "")
    found.status = response.status_code
    return found


def _away(what: str, response: requests.Response, retry_after_s: float | None) -> Unavailable:
    members: dict[str, Any] = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
    return Unavailable(f"{what} was answered {response.status_code}", **members)


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the request was never sent: there was nobody to send it to."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError"}


def _pause(error: Exception, pause_s: float) -> float:
    """Return how long to leave the broker alone."""
    asked: float | None = error.members.get("retry_after_s") if isinstance(error, ProblemError) else None
    if isinstance(error, TooManyRequests):
        return max(pause_s, asked or 0.0)
    return pause_s if asked is None else asked


def _seconds(header: str | None) -> float | None:
    """Return Retry-After in seconds; a date, which our broker never sends, counts as none."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
