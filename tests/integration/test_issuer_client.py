"""Asking issuers, whatever they answer: bounded, typed, nowhere else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool.cli.certificate_authority import CertificateAuthority
from accelpool_wire import issuer as asking
from accelpool_wire.errors import (
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


@contextlib.contextmanager
def serving(content: bytes, *, goes_on: bool) -> Iterator[str]:
    """Answer one request with some bytes, again and again until nobody listens any more, or once."""
    listening, is_over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def answer() -> None:
        with listening, listening.accept()[0] as stream, contextlib.suppress(OSError):
            stream.recv(65536)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" if content else b"")
            stream.sendall(content)
            while goes_on and not is_over.wait(0.05):
                stream.sendall(content)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("content", [b"", b" "], ids=["silent", "drop-by-drop"])
def test_an_answer_comes_within_the_time_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(asking, "READ_S", 0.3)
    monkeypatch.setattr(asking, "WHOLE_S", 0.5)
    with serving(content, goes_on=True) as url, pytest.raises(Timeout):
        IssuerClient().discover(url)


def test_an_answer_that_is_cut_short_is_none() -> None:
    with serving(b" ", goes_on=False) as url, pytest.raises(ReadError):
        IssuerClient().discover(url)
