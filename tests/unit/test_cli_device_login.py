"""The device authorization flow: what is sent, how long is waited, and how it can end."""

from __future__ import annotations

from typing import Any

import pytest

from accelpool.cli.device_login import DeviceLogin, Prompt
from accelpool.cli.failures import LoginFailed
from accelpool.errors import AccelpoolError, RemoteProtocolError, Timeout
from accelpool_wire.issuer import IssuerAnswer

WHO = "https://issuer.example"
DOCUMENT = {
    "issuer": WHO,
    "device_authorization_endpoint": f"{WHO}/device",
    "token_endpoint": f"{WHO}/token",
}
CODE = {
    "device_code": "secret",
    "user_code": "WDJB-MJHT",
    "verification_uri": f"{WHO}/activate",
    "expires_in": 60,
    "interval": 5,
}
PENDING = IssuerAnswer(status=400, body={"error": "authorization_pending"})
SLOWER = IssuerAnswer(status=400, body={"error": "slow_down"})
GRANTED = IssuerAnswer(status=200, body={"id_token": "a.b.c", "access_token": "x"})


class Fake:
    """An issuer that answers from a list, and a clock that only sleeping moves."""

    def __init__(self, *answers: Any, document: Any = DOCUMENT, code: Any = CODE) -> None:
        self.document, self.answers = (
            document,
            [code if isinstance(code, IssuerAnswer) else ok(code), *answers],
        )
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.slept: list[float] = []

    def discover(self, issuer: str) -> dict[str, Any]:
        return dict(self.document)

    def post(self, url: str, form: dict[str, str]) -> IssuerAnswer:
        self.forms.append((url, form))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def clock(self) -> float:
        return 100.0 + sum(self.slept)

    def login(self) -> DeviceLogin:
        return DeviceLogin(WHO, "cli", "openid", client=self, sleep=self.sleep, clock=self.clock)


def ok(body: Any) -> IssuerAnswer:
    return IssuerAnswer(status=200, body=body)


def run(fake: Fake) -> str:
    login = fake.login()
    login.begin()
    return login.wait()


def test_a_code_is_shown_and_once_it_was_entered_there_is_an_id_token() -> None:
    fake = Fake(PENDING, PENDING, GRANTED)
    login = fake.login()
    assert login.begin() == Prompt(url=f"{WHO}/activate", code="WDJB-MJHT", whole_url="")
    assert login.wait() == "a.b.c"
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    asked = {"grant_type": grant, "device_code": "secret", "client_id": "cli"}
    assert fake.forms == [
        (f"{WHO}/device", {"client_id": "cli", "scope": "openid"}),
        *[(f"{WHO}/token", asked)] * 3,
    ]
    assert fake.slept == [5, 5, 5]


def test_who_asks_too_often_asks_less_often_from_then_on() -> None:
    fake = Fake(SLOWER, PENDING, SLOWER, GRANTED)
    run(fake)
    assert fake.slept == [5, 10, 10, 15]


def test_no_answer_is_no_refusal() -> None:
    assert run(Fake(Timeout("slow"), PENDING, GRANTED)) == "a.b.c"


@pytest.mark.parametrize(
    ("interval", "slept"), [(0, 5), (-1, 5), (0.1, 1), (1e6, 60), (None, 5), ("7", 5), (True, 5), (7, 7)]
)
def test_no_issuer_makes_this_side_hammer_it_or_sleep_for_ever(interval: Any, slept: float) -> None:
    fake = Fake(GRANTED, code={**CODE, "interval": interval, "expires_in": 1e9})
    run(fake)
    assert fake.slept == [slept]


@pytest.mark.parametrize(("expires_in", "most"), [(60, 60), (1e12, 1800), (None, 1800)])
def test_nobody_is_waited_for_longer_than_the_code_is_good(expires_in: Any, most: float) -> None:
    fake = Fake(*[PENDING] * 1000, code={**CODE, "expires_in": expires_in})
    with pytest.raises(LoginFailed, match="nobody entered the code in time"):
        run(fake)
    assert most - 5 <= sum(fake.slept) <= most


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": "access_denied"}, "it was refused in the browser"),
        ({"error": "expired_token"}, "nobody entered the code in time"),
        ({"error": "invalid_grant", "error_description": "why"}, "invalid_grant: why"),
        ({"error": "invalid_grant", "error_description": "x" * 9999}, "invalid_grant: xxx"),
        ({"error": ["list"]}, "its answer is 400"),
        ({}, "its answer is 400"),
    ],
)
def test_a_refusal_ends_it(body: Any, told: str) -> None:
    with pytest.raises(LoginFailed, match=told) as caught:
        run(Fake(IssuerAnswer(status=400, body=body)))
    assert len(str(caught.value)) < 400


def test_an_issuer_may_know_no_devices_or_give_no_code() -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "device_authorization_endpoint"}
    with pytest.raises(LoginFailed, match="by a device"):
        run(Fake(document=document))
    with pytest.raises(LoginFailed, match="lets this client not log in"):
        run(Fake(code=IssuerAnswer(status=400, body={"error": "unauthorized_client"})))


@pytest.mark.parametrize(
    "fake",
    [
        Fake(document={"device_authorization_endpoint": f"{WHO}/device"}),
        Fake(document={**DOCUMENT, "token_endpoint": 7}),
        Fake(code={}),
        Fake(code={**CODE, "user_code": "a\x1b[2J"}),
        Fake(code={**CODE, "user_code": "x" * 256}),
        Fake(code={**CODE, "verification_uri": ["x"]}),
        Fake(ok({"access_token": "x"})),
        Fake(ok({"id_token": "x" * (16 << 10) + "x"})),
    ],
)
def test_nonsense_is_a_typed_error(fake: Fake) -> None:
    with pytest.raises(RemoteProtocolError):
        run(fake)
    assert issubclass(RemoteProtocolError, AccelpoolError)
