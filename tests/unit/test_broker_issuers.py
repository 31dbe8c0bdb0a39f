"""When an issuer is asked for its keys, and what is kept of the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from accelpool_broker.services import issuers
from accelpool_broker.services.issuers import ASKED_S, KEPT_S, Issuers, read_keys
from accelpool_wire.errors import ConnectError, RemoteProtocolError, Unavailable

from ..conftest import wait_until
from ..issuer_rig import ec_key, rsa_key

WHO = "https://issuer.example"


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


class Documents:
    """Issuers with some keys, which count how often they are asked."""

    def __init__(self, *keys: Any) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.hung: set[str] = set()
        self.takes_s, self.clock = 0.0, Clock()

    def discover(self, issuer: str) -> dict[str, Any]:
        self.asked += 1
        assert issuer not in self.hung or self.gate.wait(10)
        self.clock.now += self.takes_s
        if self.failure:
            raise self.failure
        return {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}

    def get(self, url: str) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_keys_are_asked_for_once_and_kept_for_an_hour(clock: Clock) -> None:
    documents = Documents(rsa_key("a"), ec_key("b"))
    known = Issuers(documents, clock)
    for _ in range(5):
        assert known.key(WHO, "a") is not None
        assert known.key(WHO, "b") is not None
    assert documents.asked == 1
    clock.now += KEPT_S
    known.key(WHO, "a")
    assert documents.asked == 2


def test_a_key_that_is_new_is_found_and_made_up_ones_cost_a_question_in_ten_seconds(clock: Clock) -> None:
    documents = Documents(rsa_key("a"))
    known = Issuers(documents, clock)
    known.key(WHO, "a")
    documents.keys = [ec_key("new")]
    assert known.key(WHO, "new") is None
    clock.now += ASKED_S
    assert known.key(WHO, "new") is not None
    assert known.key(WHO, "a") is None  # it is gone
    for number in range(100):
        clock.now += 1.0
        known.key(WHO, f"made-up-{number}")
    assert documents.asked <= 2 + 11


def test_who_does_not_answer_is_asked_again_after_ten_seconds_and_keys_that_are_kept_stay(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    documents = Documents(rsa_key("a"))
    known = Issuers(documents, clock)
    known.key(WHO, "a")
    documents.failure = ConnectError("refused")
    clock.now += ASKED_S
    with pytest.raises(Unavailable, match=rf"^the issuer {WHO} does not tell its keys$"):
        known.key(WHO, "new")
    assert f"the issuer {WHO} does not tell its keys: refused" in caplog.text  # which is not for strangers
    assert known.key(WHO, "a") is not None
    with pytest.raises(Unavailable):
        known.key(WHO, "new")
    assert documents.asked == 2
    documents.failure, documents.keys = None, [ec_key("new")]
    clock.now += ASKED_S
    assert known.key(WHO, "new") is not None


def test_keys_that_are_too_old_are_not_used_however_long_the_issuer_is_away(clock: Clock) -> None:
    documents = Documents(rsa_key("a"))
    known = Issuers(documents, clock)
    known.key(WHO, "a")
    documents.failure = ConnectError("refused")
    clock.now += KEPT_S
    for _ in range(3):
        with pytest.raises(Unavailable):
            known.key(WHO, "a")
        clock.now += ASKED_S


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers, "PATIENCE_S", 0.01)
    monkeypatch.setattr(issuers, "TURN_S", 0.01)


@contextmanager
def hanging(known: Issuers, documents: Documents, count: int) -> Iterator[None]:
    """Have some issuers be asked, which do not answer before the end of the block."""
    documents.hung = {f"https://hung-{number}.example" for number in range(count)}
    documents.gate.clear()
    asking = [threading.Thread(target=known.key, args=(name, "a")) for name in documents.hung]
    for thread in asking:
        thread.start()
    wait_until(lambda: documents.asked == count)
    try:
        yield
    finally:
        documents.gate.set()
        for thread in asking:
            thread.join(10)


@pytest.mark.usefixtures("impatient")
def test_who_waits_for_a_hung_issuer_does_not_do_so_for_long_nor_in_anothers_place(clock: Clock) -> None:
    documents = Documents(rsa_key("a"))
    known = Issuers(documents, clock)
    refused: list[Exception] = []

    def wait() -> None:
        try:
            known.key("https://hung-0.example", "a")
        except Unavailable as error:
            refused.append(error)

    with hanging(known, documents, 1):
        waiting = [threading.Thread(target=wait) for _ in range(2 * issuers.MOST_AT_ONCE)]
        for thread in waiting:
            thread.start()
        assert known.key(WHO, "a") is not None
        for thread in waiting:
            thread.join(10)
        assert len(refused) == len(waiting)
        assert "hung-0.example is being asked" in str(refused[0])
    assert known.key("https://hung-0.example", "a") is not None
    assert documents.asked == 2


@pytest.mark.usefixtures("impatient")
def test_so_many_issuers_are_asked_at_once_and_no_more(clock: Clock) -> None:
    documents = Documents(rsa_key("a"))
    known = Issuers(documents, clock)
    refused = pytest.raises(Unavailable, match="as many issuers are being asked as may be")
    with hanging(known, documents, issuers.MOST_AT_ONCE), refused:
        known.key(WHO, "a")
    assert documents.asked == issuers.MOST_AT_ONCE
    assert known.key(WHO, "a") is not None  # who could not be asked is so at the next time


def test_the_ten_seconds_begin_when_an_issuer_has_answered(clock: Clock) -> None:
    documents = Documents(rsa_key("a"))
    documents.takes_s, documents.clock = 2 * ASKED_S, clock
    documents.failure = ConnectError("it took long")
    known = Issuers(documents, clock)
    for _ in range(3):
        with pytest.raises(Unavailable):
            known.key(WHO, "a")
    assert documents.asked == 1


def test_of_many_issuers_only_so_many_are_remembered(clock: Clock) -> None:
    known = Issuers(Documents(rsa_key("a")), clock)
    for number in range(issuers.MOST_ISSUERS + 20):
        known.key(f"https://issuer-{number}.example", "a")
    assert len(known._known) == issuers.MOST_ISSUERS


def test_keys_of_other_sorts_and_weak_ones_are_left_out() -> None:
    good = ec_key("good").as_dict(private=False)
    given = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
        rsa_key("weak", 1024).as_dict(private=False),
        {**good, "kid": "for-other-things", "use": "enc"},
        {**good, "kid": 7},
        {**good, "kid": "off-the-curve", "x": good["y"]},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "AKP", "kid": "of-another-time"},
        "nonsense",
        good,
        {**ec_key("other").as_dict(private=False), "kid": "good"},
    ]
    keys = read_keys({"keys": given})
    assert list(keys) == ["good"]
    assert keys["good"].as_dict(private=False)["x"] == good["x"]  # the first of a name is meant


@pytest.mark.parametrize(
    "document", [{}, {"keys": {}}, {"keys": [{}] * 65}], ids=["none", "no-list", "too-many"]
)
def test_a_set_that_is_none_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        read_keys(document)


@pytest.mark.parametrize(
    "named", [None, 7, "http://127.0.0.1/jwks", "HTTP://127.0.0.1/jwks", "ftp://a.example"]
)
def test_an_issuer_has_to_say_where_its_keys_are_and_not_where_others_could_put_some(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, named: Any
) -> None:
    documents = Documents(rsa_key("a"))
    monkeypatch.setattr(documents, "discover", lambda issuer: {"issuer": issuer, "jwks_uri": named})
    with pytest.raises(Unavailable):
        Issuers(documents, clock).key(WHO, "a")
    assert "jwks_uri" in caplog.text


def test_an_issuer_on_loopback_may_have_its_keys_there(clock: Clock) -> None:
    assert Issuers(Documents(rsa_key("a")), clock).key("http://127.0.0.1:1", "a") is not None
