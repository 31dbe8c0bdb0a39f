"""A client against a worker that breaks the rules: the session is lost, with the reason, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import SessionLost
from accelpool_wire.frames import PREFIX
from accelpool_wire.testing import ScriptedWorker, connected, frame

PATIENCE_S = 30.0
STREAM_FILLS = 8_000_000  # bytes that no pair of socket buffers holds
WELCOME = m.Welcome(1, [], "ses_1", m.Limits(), [])


@pytest.fixture
def pair() -> Iterator[tuple[Connection, ScriptedWorker]]:
    connection, worker = connected()
    with connection:
        yield connection, worker
    worker.close()


@pytest.fixture
def connection(pair: tuple[Connection, ScriptedWorker]) -> Connection:
    return pair[0]


@pytest.fixture
def worker(pair: tuple[Connection, ScriptedWorker]) -> ScriptedWorker:
    return pair[1]


READ = m.EnqueueReadBuffer(1, 2, 0, 4)


@pytest.mark.parametrize(
    ("hostile", "text"),
    [
        (PREFIX.pack(0, 0), "body has 0 bytes"),
        (PREFIX.pack(1 << 30, 0), "body has 1073741824 bytes; the limit is"),
        (PREFIX.pack(2, 1 << 50), "payload has 1125899906842624 bytes; the limit is"),
        (PREFIX.pack(3, 0) + b"\xff\xff\xff", "body is no message"),
        (frame(m.Flush(1)), "body is no message"),
        (frame(WELCOME), "Welcome may not come in state open"),
        (frame(m.Done(5)), "which asked for nothing"),
        (frame(m.Done(1)), "which asked for EnqueueReadBuffer"),
        (frame(m.EventDone(1, 0), b"x"), "EventDone has no payload"),
        (frame(m.Data(1)), "a read of 4 bytes was answered with 0 bytes"),
        (frame(m.Data(1), b"12345"), "a read of 4 bytes was answered with 5 bytes"),
        (frame(m.Failed(1, 1, "f", -5, ""), b"1234"), "Failed has no payload"),
    ],
)
def test_worker_that_breaks_the_rules_loses_the_session_only(
    connection: Connection, worker: ScriptedWorker, hostile: bytes, text: str
) -> None:
    place = bytearray(b"....")
    pending = connection.read(READ, memoryview(place))
    worker.stream.sendall(hostile)
    for _ in range(2):
        with pytest.raises(SessionLost, match=text):
            pending.wait(PATIENCE_S)
    assert (place, connection.is_open) == (b"....", False)


@pytest.mark.parametrize(
    ("sizes", "payload_bytes"),
    [([3], 0), ([3], 2), ([3, -1], 2), ([], 2), ([1 << 31], 1 << 31), ([1 << 39], 1 << 39)],
)
def test_binaries_that_do_not_add_up_lose_the_session(
    connection: Connection, worker: ScriptedWorker, sizes: list[int], payload_bytes: int
) -> None:
    content = frame(m.Binaries(1, sizes))
    worker.stream.sendall(PREFIX.pack(len(content) - PREFIX.size, payload_bytes) + content[PREFIX.size :])
    with pytest.raises(SessionLost, match="binaries came with a payload of"):
        connection.fetch_binaries(1)


def test_rules_broken_while_sending_lose_the_session(connection: Connection, worker: ScriptedWorker) -> None:
    worker.stream.sendall(PREFIX.pack(1 << 30, 0))
    connection.post(m.EnqueueWriteBuffer(1, 2, 0), bytes(STREAM_FILLS))
    with pytest.raises(SessionLost, match="body has 1073741824 bytes"):
        connection.post(m.Flush(1))
