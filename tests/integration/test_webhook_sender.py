"""One message to a webhook: whom it is sent to over TLS, and how long it may take, whatever is slow."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.services.webhook_sender import Outcome, Rules, send
from accelpool_wire.tls import server_context

from .broker_tls_rig import issued
from .webhook_rig import Receiver, dripping

LIMIT_S = 0.5
LATE = Outcome(status=None, problem="no answer within 0.5 s")
OPEN = Rules(allow_http=True, allow_private=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("authority"))


def secured(authority: Path) -> Receiver:
    cert, key = authority / "127.0.0.1.pem", authority / "127.0.0.1.key"
    return Receiver(server_context(str(cert), str(key)))


def sent(url: str, rules: Rules, timeout_s: float = 30.0) -> Outcome:
    return send(url, {"webhook-id": "one"}, b"{}", rules, timeout_s)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_receiver_is_trusted_for_whom_the_given_authority_vouches(authority: Path, host: str) -> None:
    rules = Rules(allow_private=True, ca=str(authority / "ca.pem"))
    with secured(authority) as receiver:
        assert sent(f"https://{host}:{receiver.port}/", rules) == Outcome(status=204)
    assert [message.body for message in receiver.messages] == [b"{}"]


def test_no_other_receiver_is_sent_anything_over_tls(authority: Path) -> None:
    known = Rules(allow_private=True, ca=str(authority / "ca.pem"))
    with secured(authority) as receiver:
        unknown = sent(receiver.url, Rules(allow_private=True))
        misnamed = sent(f"https://127.0.0.2:{receiver.port}/", known)
    assert "self-signed" in unknown.problem or "CERTIFICATE_VERIFY_FAILED" in unknown.problem
    assert unknown.status is misnamed.status is None
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("begin", "each"),
    [(b"", b"H"), (b"HTTP/1.1 ", b"1"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["nonsense", "status", "continue"],
)
def test_an_answer_that_drips_is_cut_off_in_time(begin: bytes, each: bytes) -> None:
    with dripping(begin, each) as port:
        assert sent(f"http://127.0.0.1:{port}/", OPEN, LIMIT_S) == LATE


def test_a_handshake_that_never_ends_is_cut_off_in_time() -> None:
    with dripping(b"\x16\x03\x03\x40\x00", b"\x00") as port:
        outcome = sent(f"https://127.0.0.1:{port}/", OPEN, LIMIT_S)
    assert outcome.status is None
    assert outcome.problem


def test_headers_without_end_do_not_hold_up_who_has_said_that_he_took_it() -> None:
    with dripping(b"HTTP/1.1 204 No Content\r\nX: ", b"x") as port:
        assert sent(f"http://127.0.0.1:{port}/", OPEN, LIMIT_S).status in (204, None)


def test_a_name_that_nobody_looks_up_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def never(*_: Any, **__: Any) -> Any:
        is_over.wait(30)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    began_at = time.monotonic()
    assert sent("http://receiver.example/", OPEN, LIMIT_S) == LATE
    assert time.monotonic() - began_at < 20
    is_over.set()
