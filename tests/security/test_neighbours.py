"""What a process that a kernel took over says to its node: nonsense, which those who hear it survive."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from accelpool_node import control
from accelpool_node.builder.messages import decode_answer, decode_build

DEEP_JSON = b"[" * 100_000
DEEP = b"\x91" * 100_000


@pytest.mark.parametrize(
    "packet",
    [
        b'{"type": "alive", "busy_s": 0.0, "more": ' + DEEP_JSON,
        b'{"type": "alive", "busy_s": ' + DEEP_JSON,
        DEEP_JSON,
        b'{"type": "alive", "busy_s": NaN}',
        b'{"type": "alive", "busy_s": 1e999}',
        b'{"type": "loaded", "device": "d", "sha256": "../../x"}',
        b'{"type": "ended", "cause": "bliss"}',
        b'{"type": "serve", "session": "S1"}',
        b"\xff",
        b"\0",
    ],
    ids=lambda packet: packet[:60].decode("utf-8", "replace"),
)
def test_a_worker_that_talks_nonsense_is_told_by_it(packet: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(packet)
        with pytest.raises(ValueError):
            control.receive_at_agent(ours)


@pytest.mark.parametrize("decode", [decode_build, decode_answer])
@pytest.mark.parametrize("kind", ["build", "product", "declined", "ready"])
def test_a_builder_and_a_worker_take_no_deep_message(decode: Callable[[bytes], object], kind: str) -> None:
    head = b"\x82\xa4type" + bytes([0xA0 | len(kind)]) + kind.encode()
    with pytest.raises(ValueError):
        decode(head + b"\xa1x" + DEEP)
