"""The device authorization flow (RFC 8628): somebody logs in with any browser, here is an ID token.

    begin  ── client id, scope ──▶ issuer       a code, and where to enter it
    wait   ── device code ──▶ issuer            authorization_pending, slow_down, ... until it is entered

    authorization_pending      asked again after the issuer's interval
    slow_down                  likewise, and the interval is longer from now on (section 3.5)
    no answer                  likewise
    anything else, or the code's time is over    LoginFailed

No secret is kept here: the issuer knows the client as a public one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from accelpool.cli.failures import LoginFailed
from accelpool.errors import RemoteProtocolError, TransportError
from accelpool_wire.issuer import IssuerAnswer

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL_S, SHORTEST_S, LONGEST_S, SLOWER_S = 5.0, 1.0, 60.0, 5.0
LONGEST_WAIT_S = 1800.0
LONGEST_TEXT, LONGEST_TOKEN = 255, 16 << 10
WHY = {
    "access_denied": "it was refused in the browser",
    "expired_token": "nobody entered the code in time",
    "unauthorized_client": "the issuer lets this client not log in by a device",
}


class Issuer(Protocol):
    """What is needed of an issuer; see `accelpool_wire.issuer.IssuerClient`."""

    def discover(self, issuer: str) -> dict[str, Any]:
        """Return what an issuer says of itself."""
        ...

    def post(self, url: str, form: dict[str, str]) -> IssuerAnswer:
        """Return the answer to a form."""
        ...


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What to show to who logs in.

    Attributes:
        url: Where to enter the code.
        code: The code.
        whole_url: Where it is entered already, "" if there is no such place.
    """

    url: str
    code: str
    whole_url: str


class DeviceLogin:
    """One login.

    Args:
        issuer: The issuer's URL.
        client_id: As whom to ask.
        scope: What the issuer shall tell.
        client: Asks it.
        sleep: Called between questions, with seconds.
        clock: Seconds from any start, never going back.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        scope: str,
        *,
        client: Issuer,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._client_id, self._scope = issuer, client_id, scope
        self._client, self._sleep, self._clock = client, sleep, clock
        self._token_url = self._device_code = ""
        self._interval_s = INTERVAL_S
        self._until = 0.0

    def begin(self) -> Prompt:
        """Ask for a code.

        Raises:
            Invalid, RemoteProtocolError: The issuer answers with nonsense.
            LoginFailed: It refuses.
            TransportError: It does not answer.
        """
        found = self._client.discover(self._issuer)
        self._token_url = _text(found, "token_endpoint")
        if "device_authorization_endpoint" not in found:
            raise LoginFailed(f"{self._issuer} lets nobody log in by a device (RFC 8628)")
        answer = self._client.post(
            _text(found, "device_authorization_endpoint"),
            {"client_id": self._client_id, "scope": self._scope},
        )
        if answer.status != 200:
            raise LoginFailed(f"{self._issuer} gives no code: {_why(answer)}")
        self._device_code = _text(answer.body, "device_code", LONGEST_TOKEN)
        self._interval_s = min(LONGEST_S, max(SHORTEST_S, _seconds(answer.body, "interval", INTERVAL_S)))
        self._until = self._clock() + min(LONGEST_WAIT_S, _seconds(answer.body, "expires_in", LONGEST_WAIT_S))
        has_whole = isinstance(answer.body.get("verification_uri_complete"), str)
        return Prompt(
            url=_text(answer.body, "verification_uri"),
            code=_text(answer.body, "user_code"),
            whole_url=_text(answer.body, "verification_uri_complete", 1024) if has_whole else "",
        )

    def wait(self) -> str:
        """Return the ID token, once the code was entered.

        Raises:
            LoginFailed: It was refused, or the time is over.
            Invalid, RemoteProtocolError: The issuer answers with nonsense.
        """
        form = {"grant_type": GRANT, "device_code": self._device_code, "client_id": self._client_id}
        while self._clock() + self._interval_s <= self._until:
            self._sleep(self._interval_s)
            try:
                answer = self._client.post(self._token_url, form)
            except TransportError:
                continue
            if answer.status == 200:
                return _text(answer.body, "id_token", LONGEST_TOKEN)
            error = answer.body.get("error")
            if error == "slow_down":
                self._interval_s = min(LONGEST_S, self._interval_s + SLOWER_S)
            elif error != "authorization_pending":
                raise LoginFailed(f"{self._issuer} does not let in: {_why(answer)}")
        raise LoginFailed(f"{self._issuer} does not let in: {WHY['expired_token']}")


def _text(body: dict[str, Any], name: str, longest: int = LONGEST_TEXT) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise RemoteProtocolError(f"the issuer's answer has no {name!r}, or none that is a short text")
    return value


def _seconds(body: dict[str, Any], name: str, usual: float) -> float:
    value = body.get(name, usual)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1e9 else usual


def _why(answer: IssuerAnswer) -> str:
    error = answer.body.get("error")
    if not isinstance(error, str):
        return f"its answer is {answer.status}"
    told = answer.body.get("error_description")
    return (
        WHY.get(error) or f"{error}: {told}"[:LONGEST_TEXT]
        if isinstance(told, str)
        else WHY.get(error, error)
    )
