"""How a client's session begins: the handshake, and what else a node may answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import (
    ConnectError,
    FrameTooLarge,
    ProblemError,
    ReadError,
    RemoteProtocolError,
    StaleEpoch,
    Timeout,
)
from accelpool_wire.frames import PREFIX
from accelpool_wire.testing import frame

from .wire_client_rig import PATIENCE_S, WELCOME, Node


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def node(threads: ThreadPoolExecutor) -> Iterator[Node]:
    node = Node(threads)
    yield node
    node.close()


def test_welcome_opens_the_session(node: Node) -> None:
    heard = node.answer(frame(WELCOME))
    with Connection.open(node.address, "token", client="test") as connection:
        assert heard.result(PATIENCE_S) == m.Hello(
            [1], ["svm", "addresses", "attributes", "context-copies"], "token", "test"
        )
        assert (connection.session, connection.devices, connection.limits) == (
            "ses_1",
            WELCOME.devices,
            WELCOME.limits,
        )
        assert (connection.address, connection.is_open) == (node.address, True)


@pytest.mark.parametrize(
    ("problem", "error"),
    [("unauthorized", ProblemError), ("stale-epoch", StaleEpoch), ("brand-new", ProblemError)],
)
def test_refusal_is_raised(node: Node, problem: str, error: type[ProblemError]) -> None:
    node.answer(frame(m.Refused(problem, "because")))
    with pytest.raises(error, match="because") as caught:
        Connection.open(node.address, "token")
    assert caught.value.type == problem


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ReadError),
        (frame(WELCOME)[:20], ReadError),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", FrameTooLarge),
        (PREFIX.pack(0, 0), RemoteProtocolError),
        (frame(m.Done(0)), RemoteProtocolError),
        (frame(WELCOME, b"payload"), RemoteProtocolError),
        (frame(m.Welcome(2, [], "s", m.Limits(), [])), RemoteProtocolError),
        (frame(m.Welcome(1, ["magic"], "s", m.Limits(), [])), RemoteProtocolError),
    ],
)
def test_wrong_answer_is_a_typed_error(node: Node, answer: bytes, error: type[Exception]) -> None:
    node.answer(answer)
    with pytest.raises(error):
        Connection.open(node.address, "token")


def test_no_answer_is_a_timeout(node: Node) -> None:
    with pytest.raises(Timeout):
        Connection.open(node.address, "token", timeout_s=0.02)


def test_nobody_there_is_a_connect_error(node: Node) -> None:
    node.close()
    with pytest.raises(ConnectError):
        Connection.open(node.address, "token")
