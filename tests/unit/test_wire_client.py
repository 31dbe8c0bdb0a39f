"""A client's commands, reads and events against a scripted worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accelpool_wire import client as client_module
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import FrameTooLarge, LocalProtocolError, LogicError, Timeout
from accelpool_wire.testing import ScriptedWorker, connected, frame

PATIENCE_S = 30.0


@pytest.fixture
def limits() -> m.Limits:
    return m.Limits()


@pytest.fixture
def pair(limits: m.Limits) -> Iterator[tuple[Connection, ScriptedWorker]]:
    connection, worker = connected(limits)
    with connection:
        yield connection, worker
    worker.close()


@pytest.fixture
def connection(pair: tuple[Connection, ScriptedWorker]) -> Connection:
    return pair[0]


@pytest.fixture
def worker(pair: tuple[Connection, ScriptedWorker]) -> ScriptedWorker:
    return pair[1]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def without_flusher(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave sending to the posting thread."""
    monkeypatch.setattr(connection._flusher, "arm", lambda: None)


# ---- posting ---------------------------------------------------------------------------------------------


def test_posted_command_is_numbered_and_arrives(connection: Connection, worker: ScriptedWorker) -> None:
    assert [connection.post(m.Flush(queue)) for queue in (5, 6)] == [1, 2]
    assert [worker.receive()[0] for _ in range(2)] == [m.Flush(5), m.Flush(6)]


def test_commands_leave_together(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_flusher(connection, monkeypatch)
    monkeypatch.setattr(client_module, "COALESCE_S", 1e9)
    for queue in range(100):
        connection.post(m.Flush(queue))
    assert connection.stats.bytes_sent == 0
    connection.flush()
    assert connection.stats.bytes_sent == sum(len(frame(m.Flush(queue))) for queue in range(100))
    assert [worker.receive()[0] for _ in range(100)] == [m.Flush(queue) for queue in range(100)]


def test_many_commands_leave_without_being_flushed(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_flusher(connection, monkeypatch)
    monkeypatch.setattr(client_module, "COALESCE_S", 1e9)
    while connection.stats.bytes_sent == 0:
        assert connection.post(m.Flush(1)) < 2000
    assert connection.stats.bytes_sent >= client_module.COALESCE_BYTES


def test_flusher_sends_what_nobody_flushes(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "COALESCE_S", 1e9)
    connection.post(m.Flush(7))
    assert worker.receive()[0] == m.Flush(7)


def test_payload_follows_what_was_gathered(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "COALESCE_S", 1e9)
    write = m.EnqueueWriteBuffer(1, 2, 0)
    payload = memoryview(b"\1\0\0\0\2\0\0\0").cast("I", (1, 2))
    assert [connection.post(m.Flush(1)), connection.post(write, payload), connection.post(m.Flush(2))] == [
        1,
        2,
        3,
    ]
    expected = [(m.Flush(1), b""), (write, b"\1\0\0\0\2\0\0\0"), (m.Flush(2), b"")]
    assert [worker.receive() for _ in range(3)] == expected


def test_empty_payload_is_none(connection: Connection, worker: ScriptedWorker) -> None:
    create = m.CreateBuffer(1, 2, 0, 64)
    connection.post(create, b"")
    assert worker.receive() == (create, b"")


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_payload_of_a_message_that_has_none_is_refused_and_the_session_goes_on(
    connection: Connection, size: int
) -> None:
    with pytest.raises(LocalProtocolError, match="Flush has no payload"):
        connection.post(m.Flush(1), bytes(size))
    assert connection.is_open
    connection.post(m.Flush(1))


def test_payload_that_is_not_contiguous_is_refused_and_nothing_is_sent(
    connection: Connection, worker: ScriptedWorker
) -> None:
    with pytest.raises(TypeError, match="contiguous"):
        connection.post(m.EnqueueWriteBuffer(1, 2, 0), memoryview(bytearray(8))[::2])
    assert connection.post(m.Flush(1)) == 1
    assert worker.receive()[0] == m.Flush(1)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (m.CreateKernel(1, 2, "x" * 100), FrameTooLarge),
        (m.Done(1), LocalProtocolError),
        (m.Welcome(1, [], "s", m.Limits(), []), LocalProtocolError),
        (m.Hello([1], [], "t"), LocalProtocolError),
        (m.Flush(2**64), OverflowError),
        (m.Flush(object()), TypeError),  # type: ignore[arg-type]  # a caller's mistake
    ],
)
@pytest.mark.parametrize("limits", [m.Limits(body_bytes=50)], ids=["50 bytes"])
def test_message_that_may_not_be_sent_costs_nothing(
    connection: Connection, worker: ScriptedWorker, message: m.Message, error: type[Exception]
) -> None:
    for _ in range(2):
        with pytest.raises(error):
            connection.post(message)
    worker.send(m.Done(1))
    assert connection.call(m.Sync()) == m.Done(1)
    assert worker.receive()[0] == m.Sync()


@pytest.mark.parametrize("limits", [m.Limits(payload_bytes=4)], ids=["4 bytes"])
def test_payload_over_the_limit_costs_nothing(connection: Connection, worker: ScriptedWorker) -> None:
    with pytest.raises(FrameTooLarge):
        connection.post(m.EnqueueWriteBuffer(1, 2, 0), bytes(5))
    assert connection.post(m.EnqueueWriteBuffer(1, 2, 0), b"1234") == 1
    assert worker.receive() == (m.EnqueueWriteBuffer(1, 2, 0), b"1234")


@pytest.mark.parametrize("message", [m.Flush(1), m.Data(1)])
def test_payload_that_may_not_be_sent_costs_nothing(
    connection: Connection, worker: ScriptedWorker, message: m.Message
) -> None:
    with pytest.raises(LocalProtocolError):
        connection.post(message, b"bulk")
    assert connection.post(m.Flush(2)) == 1
    assert worker.receive() == (m.Flush(2), b"")


def test_handles_are_never_given_twice(connection: Connection, threads: ThreadPoolExecutor) -> None:
    given = [threads.submit(lambda: [connection.new_handle() for _ in range(1000)]) for _ in range(4)]
    handles = [handle for future in given for handle in future.result(PATIENCE_S)]
    assert sorted(handles) == list(range(1, 4001))


# ---- releasing -------------------------------------------------------------------------------------------


def test_released_handles_leave_together_behind_the_next_command(
    connection: Connection, worker: ScriptedWorker
) -> None:
    for handle in (3, 4, 5):
        connection.release(handle)
    worker.send(m.Done(1))
    connection.call(m.Sync())
    assert [worker.receive()[0] for _ in range(2)] == [m.Sync(), m.Release([3, 4, 5])]


def test_release_of_an_idle_client_leaves_by_itself(connection: Connection, worker: ScriptedWorker) -> None:
    connection.post(m.Flush(1))
    assert worker.receive()[0] == m.Flush(1)
    connection.release(9)
    assert worker.receive()[0] == m.Release([9])


@pytest.mark.parametrize("limits", [m.Limits(body_bytes=1 << 16)], ids=["64 KiB"])
def test_very_many_releases_stay_within_the_frame_limit(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    for handle in range(100_000):
        connection.release(handle)
    flushed = threads.submit(connection.flush)
    released: list[int] = []
    while len(released) < 100_000:
        message = worker.receive()[0]
        assert isinstance(message, m.Release)
        released += message.handles
    flushed.result(PATIENCE_S)
    assert released == list(range(100_000))


# ---- asking ----------------------------------------------------------------------------------------------


def test_answer_is_returned(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.EventState(2, 1))
    connection.post(m.Flush(1))
    assert connection.ask(m.GetEvent(4), m.EventState) == m.EventState(2, 1)
    assert connection.stats.round_trips == 1
    assert connection.stats.waited_s > 0
    assert connection.stats.bytes_received == len(frame(m.EventState(2, 1)))


def test_failure_is_raised_as_opencls(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.Failed(1, 1, "clFinish", -36, "no queue 7"))
    with pytest.raises(LogicError, match="clFinish failed: INVALID_COMMAND_QUEUE - no queue 7"):
        connection.call(m.Finish(7))


def test_late_answer_is_dropped(connection: Connection, worker: ScriptedWorker) -> None:
    with pytest.raises(Timeout, match=r"within 0\.01 s"):
        connection.call(m.Sync(), timeout_s=0.01)
    worker.send(m.Done(1))
    worker.send(m.Done(2))
    assert connection.call(m.Sync()) == m.Done(2)
    assert connection._inbox.answers == {}


def test_late_binaries_are_dropped(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    with pytest.raises(Timeout):
        connection.call(m.GetProgramBinaries(1), timeout_s=0.0)
    late = frame(m.Binaries(1, [1_000_000]), bytes(1_000_000)) + frame(m.Done(2))
    sending = threads.submit(worker.stream.sendall, late)
    assert connection.call(m.Sync(), PATIENCE_S) == m.Done(2)
    sending.result(PATIENCE_S)


def test_late_binaries_of_nothing_are_dropped(connection: Connection, worker: ScriptedWorker) -> None:
    with pytest.raises(Timeout):
        connection.call(m.GetProgramBinaries(1), timeout_s=0.0)
    worker.send(m.Binaries(1, []))
    worker.send(m.Done(2))
    assert connection.call(m.Sync()) == m.Done(2)


@pytest.mark.parametrize("limits", [m.Limits(pending=1)], ids=["1 pending"])
def test_one_question_too_many_costs_nothing(connection: Connection, worker: ScriptedWorker) -> None:
    first = connection.read(m.EnqueueReadBuffer(1, 2, 0, 1), memoryview(bytearray(1)))
    with pytest.raises(FrameTooLarge, match="1 commands await"):
        connection.call(m.Sync())
    worker.send(m.Data(1), b"x")
    first.wait()
    worker.send(m.Done(2))
    assert connection.call(m.Sync()) == m.Done(2)


def test_binaries_are_cut_at_their_sizes(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.Binaries(1, [2, 0, 3]), b"aabbb")
    assert connection.fetch_binaries(6) == [b"aa", b"", b"bbb"]
    worker.send(m.Binaries(2, [0]))
    assert connection.fetch_binaries(6) == [b""]
    assert worker.receive()[0] == m.GetProgramBinaries(6)


# ---- reading ---------------------------------------------------------------------------------------------


def test_read_goes_into_place(connection: Connection, worker: ScriptedWorker) -> None:
    place = memoryview(bytearray(8)).cast("I")
    worker.send(m.Data(1, [1, 2, 3, 4]), b"\1\0\0\0\2\0\0\0")
    pending = connection.read(m.EnqueueReadBuffer(1, 2, 0, 8), place)
    assert not pending.is_done
    assert pending.wait() == m.Data(1, [1, 2, 3, 4])
    assert (pending.is_done, place.tolist()) == (True, [1, 2])
    assert pending.wait() is pending.answer


def test_several_reads_come_in_any_order(connection: Connection, worker: ScriptedWorker) -> None:
    places = [bytearray(4) for _ in range(3)]
    reads = [connection.read(m.EnqueueReadBuffer(1, 2, 0, 4), memoryview(place)) for place in places]
    for number in (3, 1, 2):
        worker.send(m.Data(number), bytes([number] * 4))
    reads[1].wait()
    assert [read.is_done for read in reads] == [True, True, True]
    assert [place[0] for place in places] == [1, 2, 3]


def test_large_read_arrives_in_pieces(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    content = bytes(range(256)) * 20_000
    sending = threads.submit(worker.send, m.Data(1), content)
    place = bytearray(len(content))
    connection.read(m.EnqueueReadBuffer(1, 2, 0, len(content)), memoryview(place)).wait(PATIENCE_S)
    sending.result(PATIENCE_S)
    assert place == content


def test_failed_read_is_raised_and_leaves_its_place_alone(
    connection: Connection, worker: ScriptedWorker
) -> None:
    place = bytearray(b"abcd")
    worker.send(m.Failed(1, 1, "clEnqueueReadBuffer", -38, "no buffer 2"))
    with pytest.raises(LogicError, match="no buffer 2"):
        connection.read(m.EnqueueReadBuffer(1, 2, 0, 4), memoryview(place)).wait()
    assert place == b"abcd"


def test_payload_half_here_is_a_timeout_and_the_rest_still_comes(
    connection: Connection, worker: ScriptedWorker
) -> None:
    content = frame(m.Data(1), b"12345678")
    place = bytearray(8)
    pending = connection.read(m.EnqueueReadBuffer(1, 2, 0, 8), memoryview(place))
    worker.stream.sendall(content[:-4])
    while place != b"1234\0\0\0\0":  # on a busy machine the time may be over before it is read
        with pytest.raises(Timeout):
            pending.wait(0.02)
    assert not pending.is_done
    worker.stream.sendall(content[-4:])
    pending.wait(PATIENCE_S)
    assert place == b"12345678"


def test_read_asked_for_as_a_call_drops_its_bytes(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.Data(1), b"1234")
    assert connection.call(m.EnqueueReadBuffer(1, 2, 0, 4)) == m.Data(1)
    worker.send(m.Done(2))
    connection.call(m.Sync())


def test_empty_read_is_the_workers_to_refuse(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.Failed(1, 1, "clEnqueueReadBuffer", -30, "0 bytes"))
    with pytest.raises(LogicError, match="0 bytes"):
        connection.read(m.EnqueueReadBuffer(1, 2, 0, 0), memoryview(bytearray())).wait()


def test_empty_read_may_be_answered_with_nothing(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.Data(1))
    assert connection.read(m.EnqueueReadBuffer(1, 2, 0, 0), memoryview(bytearray())).wait() == m.Data(1)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (memoryview(bytearray(3)), "4 bytes does not go to 3 writable"),
        (memoryview(b"1234"), "4 bytes does not go to 4 read-only"),
    ],
)
def test_place_that_does_not_fit_is_refused(connection: Connection, place: memoryview, text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text):
        connection.read(m.EnqueueReadBuffer(1, 2, 0, 4), place)
    assert connection.post(m.Flush(1)) == 1
