"""Asking issuers, whatever they answer: bounded, typed, nowhere else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool.cli.certificate_authority import CertificateAuthority
from accelpool_wire import issuer as asking
from accelpool_wire.errors import (
    AccelpoolError,
    ConnectError,
    Invalid,
    ReadError,
    RemoteProtocolError,
    Timeout,
)
from accelpool_wire.issuer import DISCOVERY, IssuerClient, check_issuer

from ..issuer_rig import Issuer, running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as found:
        yield found


def test_an_issuer_tells_of_itself(issuer: Issuer) -> None:
    assert IssuerClient().discover(issuer.url)["jwks_uri"] == f"{issuer.url}/jwks"


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://",
        "https:// ",
        "https://a b",
        "https://user@issuer.example",
        "https://user:word@issuer.example",
        "https://issuer.example?a=b",
        "https://issuer.example#a",
        "https://issuer.example:0",
        "https://issuer.example:port",
        "https://[::1",
        "https://issuer.example/\n",
        "https://ïssuer.example",
        "https://issuer.example/" + "a" * 255,
        "",
    ],
)
def test_what_is_no_issuer_is_not_asked(url: str) -> None:
    with pytest.raises(Invalid):
        check_issuer(url)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, b"{}", {}), "another issuer"),
        ((200, b'{"issuer": "https://another.example"}', {}), "another issuer"),
        ((404, b"{}", {}), "answered 404"),
        ((500, b"<html>", {}), "no JSON"),
        ((200, b"[]", {}), "no JSON object"),
        ((200, b"[" * 100_000, {}), "no JSON"),
        ((200, b" " * (asking.MOST_BYTES + 1), {}), "more than"),
        ((302, b"{}", {"Location": "http://127.0.0.1:9/"}), "leads elsewhere"),
        ((307, b"{}", {"Location": "/jwks"}), "leads elsewhere"),
        ((200, b"\x1f\x8b", {"Content-Encoding": "gzip"}), "compressed"),
    ],
)
def test_another_answer_is_none(issuer: Issuer, answer: tuple[int, bytes, dict[str, str]], told: str) -> None:
    issuer.answers[DISCOVERY] = answer
    with pytest.raises(RemoteProtocolError, match=told):
        IssuerClient().discover(issuer.url)
    assert issuer.asked == [DISCOVERY]


def test_documents_are_not_asked_for_where_anybody_could_answer(issuer: Issuer) -> None:
    with pytest.raises(Invalid, match="https"):
        IssuerClient().get("http://keys.example/jwks")


def test_an_issuer_with_a_certificate_of_its_own_is_believed_by_who_was_told(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    authority.create()
    made = authority.issue(["127.0.0.1"])
    with running(certificate=(str(made.cert), str(made.key))) as secured:
        assert secured.url.startswith("https://")
        assert IssuerClient(str(tmp_path / "ca.pem")).discover(secured.url)["issuer"] == secured.url
        with pytest.raises(ConnectError, match="SSLError"):
            IssuerClient().discover(secured.url)


def test_no_file_of_authorities_is_told(issuer: Issuer) -> None:
    with pytest.raises(ConnectError):
        IssuerClient("/nowhere/ca.pem").discover(issuer.url.replace("http:", "https:"))


def test_nobody_there_is_told_at_once() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ConnectError):
            IssuerClient().discover(f"http://127.0.0.1:{bound.getsockname()[1]}")


def serve(content: bytes, pause_s: float, count: int) -> tuple[str, threading.Thread]:
    """Answer one request with some bytes again and again, slowly."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listening, listening.accept()[0] as stream:
            stream.recv(65536)
            try:
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" if content else b"")
                for _ in range(count):
                    stream.sendall(content)
                    time.sleep(pause_s)
            except OSError:
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.mark.parametrize(
    ("content", "pause_s", "count", "error"),
    [
        (b"", 1.0, 1, Timeout),
        (b" ", 0.05, 400, Timeout),
        (b" ", 0.0, 3, ReadError),
    ],
    ids=["silent", "drop-by-drop", "cut-short"],
)
def test_an_answer_comes_within_the_time_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, content: bytes, pause_s: float, count: int, error: type[AccelpoolError]
) -> None:
    monkeypatch.setattr(asking, "READ_S", 0.3)
    monkeypatch.setattr(asking, "WHOLE_S", 0.5)
    url, thread = serve(content, pause_s, count)
    began_at = time.monotonic()
    with pytest.raises(error):
        IssuerClient().discover(url)
    assert time.monotonic() - began_at < 8
    thread.join(10)
