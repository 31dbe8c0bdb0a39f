"""The broker's endpoints for nodes, as blocking calls."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
import requests
from requests.auth import AuthBase

from accelpool_node.agent.contract import (
    Enrolled,
    Enrolment,
    Registered,
    Registration,
    Report,
    Whoami,
    Work,
)
from accelpool_wire import request_id
from accelpool_wire.broker_tls import mistake
from accelpool_wire.errors import ConnectError, Invalid, ProblemError, ReadError, Unavailable, problem

T = TypeVar("T")

CONNECT_LIMIT_S = 3.0
ANSWER_LIMIT_S = 10.0


class Bearer(AuthBase):
    """Sends the node token, whatever a .netrc says."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Broker:
    """One connection to the broker, for one thread at a time.

    All calls raise `Invalid` where what this agent was started with cannot lead to the broker.

    Args:
        url: Where the broker answers.
        name: The node's name.
        token: The node's token; to enrol it, a join token.
        ca: The file of the authorities that vouch for the broker's certificate; None for those of the system.
    """

    def __init__(self, url: str, name: str, token: str, ca: Path | None = None) -> None:
        self._url, self._ca = url.rstrip("/"), "" if ca is None else str(ca)
        self._whoami = f"{self._url}/whoami"
        self._node = f"{self._url}/nodes/{quote(name, safe='')}"
        self._verify = self._ca or True
        self._http = requests.Session()
        self._http.auth = Bearer(token)

    def register(self, registration: Registration) -> Registered:
        """Tell the broker what the node is.

        Raises:
            ProblemError: The broker refuses.
            TransportError: It does not answer, or with nonsense.
        """
        return self._call("PUT", self._node, registration, Registered, ANSWER_LIMIT_S)

    def reconcile(self, report: Report) -> Work:
        """Tell the broker what runs, and return what should run: once that is news, or the wait is over.

        Raises:
            Conflict, NotFound: The node has to register again.
            ProblemError: The broker refuses.
            TransportError: It does not answer, or with nonsense.
        """
        return self._call("POST", f"{self._node}/reconcile", report, Work, report.wait_s + ANSWER_LIMIT_S)

    def check_token(self) -> None:
        """Ask whether the token is known.

        Raises:
            Unauthorized: It is not.
            TransportError, Unavailable: The broker does not answer, or with nonsense.
        """
        self._call("GET", self._whoami, None, Whoami, ANSWER_LIMIT_S)

    def enrol(self, sha256: str) -> None:
        """Make a secret the node's token, with a join token; it may be repeated.

        Args:
            sha256: The secret's SHA-256, in hexadecimal.

        Raises:
            Forbidden, Unauthorized: The join token does not let this node in.
            ProblemError: The broker refuses.
            TransportError: It does not answer, or with nonsense.
        """
        self._call("POST", f"{self._node}/enrol", Enrolment(sha256=sha256), Enrolled, ANSWER_LIMIT_S)

    def _call(self, method: str, url: str, body: msgspec.Struct | None, type: type[T], limit_s: float) -> T:
        try:
            response = self._http.request(
                method,
                url,
                data=None if body is None else msgspec.json.encode(body),
                headers=_headers(body),
                timeout=(CONNECT_LIMIT_S, limit_s),
                allow_redirects=False,
                verify=self._verify,
            )
        except (requests.RequestException, OSError) as error:  # OSError: there is no such file of authorities
            wrong = mistake(error, url=self._url, ca=self._ca, setting="--ca")
            if wrong is not None:
                raise (Invalid if wrong.is_callers else ConnectError)(str(wrong)) from error
            raise ConnectError(f"the broker does not answer at {url}: {error}") from error
        if not response.ok or response.is_redirect:
            raise refusal(response.status_code, response.content)
        try:
            return msgspec.json.decode(response.content, type=type)
        except (msgspec.MsgspecError, ValueError) as error:
            raise ReadError(f"the broker's answer to {method} {url} is malformed: {error}") from error


def _headers(body: msgspec.Struct | None) -> dict[str, str]:
    asked = {request_id.HEADER: request_id.new_request_id()}
    return asked if body is None else {"Content-Type": "application/json", **asked}


class _Problem(msgspec.Struct):
    type: str = ""
    request_id: str = ""
    title: str = ""
    detail: str = ""


def refusal(status: int, body: bytes) -> ProblemError:
    """Return the error for an answer that is no success; 5xx is always `Unavailable`."""
    try:
        told = msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, ValueError):
        told = _Problem()
    detail = (
        f"the broker answered {status}: {told.detail or told.title or body[:200].decode('utf-8', 'replace')}"
    )
    if status >= 500:
        return Unavailable(detail, request_id=told.request_id)
    by_status = {401: "unauthorized", 403: "forbidden", 404: "not-found", 409: "conflict", 422: "invalid"}
    return problem(by_status.get(status) or told.type or "problem", detail, request_id=told.request_id)
