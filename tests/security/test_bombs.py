"""Sizes that are claimed, and little that blows up: refused in words, without the memory they ask for."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_wire import messages as m
from accelpool_wire.errors import Error, ProblemError, Timeout, TransportError
from accelpool_wire.frames import PREFIX

from ..integration.agent_rig import FakeBroker, Node, read
from ..integration.raw_client import RawClient, frame
from ..integration.worker_rig import NULL_TARGET, Worker
from .raw_http import JSON, RawHttp
from .sessions import tenant

MUCH = 40 << 20  # bytes that nothing here may take
MOST = (1 << 64) - 1
SETUP = [m.CreateContext(1, [0]), m.CreateCommandQueue(2, 1, 0), m.CreateBuffer(3, 1, 1, 4096)]


def memory_of(pid: int) -> int:
    """Return the most memory that a process has had, in bytes; 0 once it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peaks = [line for line in lines if line.startswith("VmHWM")]
    return int(peaks[0].split()[1]) * 1024 if peaks else 0


@contextlib.contextmanager
def taking_little(pid: int) -> Iterator[None]:
    """Fail if a process takes much more memory meanwhile."""
    before = memory_of(pid)
    yield
    assert memory_of(pid) - before < MUCH


# ---- the broker ------------------------------------------------------------------------------------------


def bomb(size: int) -> bytes:
    """Return many bytes in few."""
    return gzip.compress(b'{"client": "' + b"x" * size + b'"}', 9)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity"])
def test_a_body_that_unpacks_to_much_is_not_unpacked(null_pool: Any, encoding: str) -> None:
    http, body = RawHttp(null_pool), bomb(64 << 20)
    if encoding == "deflate":
        body = zlib.compress(gzip.decompress(bomb(1 << 20)))
    headers = (JSON, f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}")
    with taking_little(null_pool.broker.process.pid):
        answer = http.say("POST /leases HTTP/1.1", *headers, body=body)
    assert answer.status == 400
    assert b"not JSON" in answer.body


def test_a_buffers_content_is_what_came_however_it_says_to_be_packed(null_pool: Any) -> None:
    body = bomb(1 << 20)
    with tenant(null_pool, "bombs") as one:
        buffer = one.call("POST", "/buffers", json={"size_bytes": len(body)}).json()["id"]
        answer = one.call(
            "PUT", f"/buffers/{buffer}/content", data=body, headers={"Content-Encoding": "gzip"}
        )
        assert answer.json()["written_bytes"] == len(body)
        assert one.call("GET", f"/buffers/{buffer}/content").content == body


@pytest.mark.parametrize("length", [MOST, 1 << 63, 1 << 40, 64 << 20])
def test_a_body_that_claims_to_be_huge_is_not_waited_for(null_pool: Any, length: int) -> None:
    http = RawHttp(null_pool)
    with taking_little(null_pool.broker.process.pid):
        answer = http.say("POST /leases HTTP/1.1", JSON, f"Content-Length: {length}", body=b"{}")
    assert answer.status in (400, 413, 431)


@pytest.mark.parametrize("size", [0, -1, 1 << 62, (1 << 63) - 1, 1 << 63, 1e308, "9" * 4000])
def test_a_buffer_of_an_impossible_size_is_refused(null_pool: Any, size: object) -> None:
    with tenant(null_pool, "bombs") as one:
        assert one.call("POST", "/buffers", json={"size_bytes": size}).status_code in (422, 507)


# ---- the wire --------------------------------------------------------------------------------------------

HUGE_VALUES = {
    "array": b"\xdd\xff\xff\xff\xff",
    "map": b"\xdf\xff\xff\xff\xff",
    "text": b"\xdb\xff\xff\xff\xff",
    "bytes": b"\xc6\xff\xff\xff\xff",
    "extension": b"\xc9\xff\xff\xff\xff\x01",
    "nested": b"\x91" * 70_000,
    "nested-maps": b"\x81" * 70_000,
    "nested-huge": b"\xdd\xff\xff\xff\xff" * 14_000,
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with FakeBroker() as broker, Node(broker, tmp_path_factory.mktemp("agent") / "state") as node:
        yield node


@pytest.mark.parametrize("value", HUGE_VALUES.values(), ids=HUGE_VALUES)
@pytest.mark.parametrize(
    "before", [b"\x94\x00", b"\x94\x00\x91\x01", b"\x94\x00\x91\x01\x90", b"", b"\x96\x00\x90\x90\xa0\xa0"]
)
def test_a_first_frame_with_a_huge_value_is_refused(node: Node, value: bytes, before: bytes) -> None:
    body = before + value
    with taking_little(node.process.pid), node.connect() as stream:
        stream.sendall(PREFIX.pack(len(body), 0) + body)
        refused = read(stream)
    assert refused.problem == "invalid"
    assert len(refused.detail) < 3000


@pytest.fixture
def client() -> Iterator[tuple[RawClient, Worker]]:
    """A session of its own worker."""
    with Worker(NULL_TARGET) as worker, RawClient.open(worker) as client:
        client.say(*SETUP)
        yield client, worker


@pytest.mark.parametrize("value", HUGE_VALUES.values(), ids=HUGE_VALUES)
def test_a_message_with_a_huge_value_ends_its_own_session_in_words(
    client: tuple[RawClient, Worker], value: bytes
) -> None:
    raw, worker = client
    body = b"\x92\x1c" + value  # WatchEvents
    with taking_little(worker.process.pid):
        raw.send(PREFIX.pack(len(body), 0) + body)
        refused, _ = raw.receive()
    assert isinstance(refused, m.Refused)
    assert refused.problem == "invalid"


@pytest.mark.parametrize("size", [(1 << 40) + 1, 1 << 63, MOST])
def test_a_payload_over_the_limit_ends_its_own_session_in_words(
    client: tuple[RawClient, Worker], size: int
) -> None:
    raw, _ = client
    raw.send(frame(m.EnqueueWriteBuffer(2, 3, 0), b"", size))
    refused, _ = raw.receive()
    assert isinstance(refused, m.Refused)
    assert str(size) in refused.detail


HUGE = (1 << 30, 1 << 40, (1 << 63) - 1, 1 << 63, MOST)


def huge_messages(size: int) -> list[m.Message]:
    """Messages that ask for so much, in every way there is."""
    return [
        m.CreateBuffer(50, 1, 1, size),
        m.CreateSubBuffer(51, 3, 1, 0, size),
        m.CreateSubBuffer(51, 3, 1, size, size),
        m.CreateImage(52, 1, 1, 0x10F1, m.ImageFormat(0x10B5, 0x10DE), [size, size, 1]),
        m.CreateImage(52, 1, 1, 0x10F2, m.ImageFormat(0x10B5, 0x10DE), [size, size, size]),
        m.CreateImage(52, 1, 1, 0x10F6, m.ImageFormat(0x10B5, 0x10DE), [size, 1, 1], 3, size),
        m.EnqueueFillBuffer(2, 3, b"x", 0, size),
        m.EnqueueFillBuffer(2, 3, b"x", size, size),
        m.EnqueueCopyBuffer(2, 3, 3, size, 0, size),
        m.EnqueueCopyBufferRect(2, 3, 3, [0, 0, 0], [size, size, 0], [size] * 3, [size, size], [size, 0]),
        m.CreateCommandQueue(53, 1, 0, 5, size),
        m.CreateCommandQueue(53, 1, 0, size),
        m.CreateContext(54, [size]),
    ]  # fmt: skip


def huge_questions(size: int) -> list[m.Message]:
    """The same for what is answered."""
    return [
        m.EnqueueReadBuffer(2, 3, 0, size),
        m.EnqueueReadBuffer(2, 3, size, size, is_blocking=True),
        m.EnqueueReadBufferRect(2, 3, [0, 0, 0], [size, size, size], size, size),
        m.CreateSVM(55, 1, 1, size, 64),
        m.CreateSVM(55, 1, 1, 64, size),
        m.CreateSubDevices(0, [0x1086, size]),
    ]


@pytest.mark.parametrize("size", HUGE[1:], ids=str)
def test_what_asks_for_too_much_is_refused_in_words(client: tuple[RawClient, Worker], size: int) -> None:
    raw, worker = client
    with taking_little(worker.process.pid):
        for message in huge_messages(size):
            raw.say(message, m.Sync())
            answer, _ = raw.receive()
            assert isinstance(answer, m.Failed), message
            while isinstance(answer, m.Failed):
                raw.say(m.Sync())
                answer, _ = raw.receive()
        for question in huge_questions(size):
            raw.say(question)
            answer, _ = raw.receive()
            assert isinstance(answer, m.Failed), question
            assert len(answer.what) < 3000


def test_content_that_does_not_come_is_not_made_room_for(client: tuple[RawClient, Worker]) -> None:
    raw, worker = client
    with taking_little(worker.process.pid):
        for message in (
            m.CreateBuffer(60, 1, 1, 1 << 39),
            m.CreateProgramWithBinary(61, 1, [0], [1 << 39]),
            m.CreateImage(62, 1, 1, 0x10F1, m.ImageFormat(0x10B5, 0x10DE), [1 << 15, 1 << 20, 1]),
            m.CreateProgramWithIL(63, 1),
            m.EnqueueWriteBuffer(2, 3, 0),
        ):
            raw.send(frame(message, b"", 100_000) + bytes(100_000))
            raw.say(m.Sync())
            answer, _ = raw.receive()
            assert isinstance(answer, m.Failed), message


# ---- a device that computes ------------------------------------------------------------------------------

RANGES = ([MOST], [1 << 32] * 3, [(1 << 63) - 1, 2], [0], [1 << 40])


@pytest.mark.opencl
@pytest.mark.parametrize("global_size", RANGES, ids=str)
def test_a_huge_range_costs_its_own_session_at_most(opencl_pool: Any, global_size: list[int]) -> None:
    with tenant(opencl_pool, "greedy", kind="cpu") as greedy:
        client = greedy.client
        context = client.context()
        queue, buffer = client.queue(context), client.buffer(context, 64)
        program = client.program(context, "kernel void k(global int *a) { a[0] = 1; }")
        client.build(program)
        client.launch(queue, client.kernel(program, "k"), global_size, buffer)
        with contextlib.suppress(Error, ProblemError, TransportError, Timeout):
            client.connection.call(m.Finish(queue), 1.0)
    with tenant(opencl_pool, "next", device=greedy.device) as later:
        client = later.client
        context = client.context()
        buffer = client.buffer(context, content=b"mine" * 16)
        assert client.read(client.queue(context), buffer, 64) == b"mine" * 16
