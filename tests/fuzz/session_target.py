"""A worker's session on null devices, in this process, with whatever a client may send it.

Bytes become messages (see `made_messages`), these become frames, some of which are spoilt, and the frames
arrive in pieces at a worker's own service. Whatever they are:

- nothing is raised, and nothing but OpenCL's errors comes up on the way;
- the session never holds more than its limits and its devices' shares;
- each synchronous command is answered once;
- once all is released and whatever was waited for has come, nothing is held or under way.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import msgspec

from accelpool_node.backends.null import NullBackend
from accelpool_node.worker.arrivals import Arrivals
from accelpool_node.worker.objects import Share
from accelpool_node.worker.peer_line import Patience
from accelpool_node.worker.service import Service
from accelpool_node.worker.session import Session
from accelpool_wire import messages as m
from accelpool_wire.conversation import FEATURES, VERSION, State
from accelpool_wire.errors import LocalProtocolError, ReadError
from accelpool_wire.frames import PREFIX

from .chooser import Chooser
from .made_messages import message, payload_size

LIMITS = m.Limits(
    body_bytes=1 << 16, payload_bytes=1 << 18, handles=20, wait_list=6, kernel_args=4, pending=16,
    pattern_bytes=128, staged_bytes=1 << 16,
)  # fmt: skip
DEVICES = 2
SHARE_BYTES = 1 << 20
MOST_MESSAGES = 64
SPOILT_FROM = 254  # of the 256 values of a byte
MOST_ARRIVALS = 2000
PATIENCE_S = 8.0
NOWHERE = "127.0.0.1:1"  # nobody listens there
HELLO = msgspec.msgpack.encode(m.Hello([VERSION], list(FEATURES), "token"))
SETUP = (
    m.CreateContext(1, [0]),
    m.CreateCommandQueue(1, 1, 0),
    m.CreateCommandQueue(2, 1, 0, 1),
    m.CreateBuffer(1, 1, 1, 4096),
    m.CreateBuffer(2, 1, 1, 100_000),
    m.CreateProgramWithSource(1, 1, "kernel void k() {}\nkernel void m(global int *a, int n) {}"),
    m.BuildProgram(1, [0]),
    m.CreateKernel(1, 1, "k"),
    m.CreateKernel(2, 1, "m"),
    m.CreateContext(2, [0, 1]),
    m.CreateImage(1, 1, 1, 0x10F1, m.ImageFormat(0x10B5, 0x10D2), [8, 8, 1]),
    m.CreateProgramWithSource(2, 1, "kernel void n() {}"),
)


def run(content: bytes) -> None:
    """Have a session live through what the bytes say; raises if it does what it must not."""
    chooser = Chooser(content)
    step = (1 << 20, 1, 7, 1000)[chooser.below(4)]
    played = Play(b"".join(_frame(each) for each in SETUP) + b"".join(_frames(chooser)), step)
    with played.watching():
        played.live()
        played.end()


def _frames(chooser: Chooser) -> Iterator[bytes]:
    """Yield frames, of which one may be spoilt."""
    for _ in range(MOST_MESSAGES):
        if chooser.is_spent:
            return
        made = message(chooser)
        size = payload_size(chooser, made)
        frame = _frame(made, bytes(size))
        how = chooser.byte()
        yield frame if how < SPOILT_FROM else _spoilt(frame, chooser)


def _frame(made: m.Message, payload: bytes = b"") -> bytes:
    body = msgspec.msgpack.encode(made)
    return PREFIX.pack(len(body), len(payload)) + body + payload


def _spoilt(frame: bytes, chooser: Chooser) -> bytes:
    """Return a frame that says more or less than it has, or has a byte changed."""
    how, place = chooser.below(4), chooser.byte() % len(frame)
    if how < 2:
        return frame[:place] + bytes([chooser.byte()]) + frame[place + 1 :]
    return frame[:place] if how == 2 else frame + chooser.bytes(16)


class Stream:
    """A connection of which everything that the client ever sends is known.

    Attributes:
        bytes_sent: By the worker.
        bytes_received: By the worker.
    """

    def __init__(self, service: Service, content: bytes, step: int) -> None:
        self.reader = service._channel.reader
        self.bytes_sent = self.bytes_received = 0
        self._rest = memoryview(content)
        self._step = max(step, len(content) // MOST_ARRIVALS)

    def receive(self, timeout_s: float | None = None) -> None:
        """Have the next bytes arrive."""
        if not self._rest:
            raise ReadError("the other side closed the connection")
        target = self.reader.buffer()
        count = min(len(target), len(self._rest), self._step)
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.bytes_received += count
        self.reader.received(count)

    def send(self, parts: Any) -> None:
        """Take what is sent."""
        self.bytes_sent += sum(memoryview(part).nbytes for part in parts)

    def shut_down(self) -> None:
        """End."""
        self._rest = self._rest[:0]


class Play:
    """One session's life.

    Args:
        content: All that its client sends.
        step: How many bytes arrive at once, if that does not take too long.
    """

    def __init__(self, content: bytes, step: int) -> None:
        self.wrong: list[str] = []
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._service = Service(theirs, PREFIX.pack(len(HELLO), 0) + HELLO, "S1", LIMITS)
        self._service._channel = Stream(self._service, content, step)
        self._conversation = self._service._conversation
        self._say, self._conversation.send = self._conversation.send, self._send
        self._backend = NullBackend(DEVICES)
        self._shares = [Share(device=device, memory_bytes=SHARE_BYTES) for device in self._backend.devices()]
        self._session = Session(
            self._backend,
            self._shares,
            LIMITS,
            self._service.reply,
            addresses=(NOWHERE,),
            patience=Patience(),
        )
        self._execute, self._session.execute = self._session.execute, self._execute_and_look

    # ---- what must not be --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note what comes up meanwhile that is no error of OpenCL's, and raise at the end if anything has."""

        def note(error: BaseException | None = None) -> None:
            error = error or sys.exception()
            assert error is not None
            self.wrong.append(f"{error!r}\n{''.join(traceback.format_tb(error.__traceback__))}")

        with (
            mock.patch.object(traceback, "print_exception", note),
            mock.patch.object(traceback, "print_exc", note),
            mock.patch.object(Arrivals, "_wind_up", return_value=None),  # `end` is the clock
        ):
            yield
        assert not self.wrong, "\n".join(self.wrong)

    def _send(self, answer: m.Message, payload_bytes: int = 0) -> bytes:
        try:
            return self._say(answer, payload_bytes)
        except LocalProtocolError as error:
            if self._conversation.state is not State.CLOSED:
                self.wrong.append(f"the worker says what it must not: {error}")
            raise

    def _execute_and_look(self, made: m.Message, command: int) -> None:
        self._execute(made, command)
        for share in self._shares:
            assert 0 <= share.used_bytes <= SHARE_BYTES, f"{share.used_bytes} of {SHARE_BYTES} bytes are used"
        for table in self._tables():
            held = len(table.items) + len(table._failed)
            assert held <= LIMITS.handles, f"{held} handles of one kind"

    def _tables(self) -> list[Any]:
        holdings = self._session.holdings
        return [
            holdings.contexts, holdings.queues, holdings.buffers, holdings.images, holdings.samplers,
            holdings.programs, holdings.kernels, holdings.events,
        ]  # fmt: skip

    # ---- life and end ------------------------------------------------------------------------------------

    def live(self) -> None:
        """Serve until the client is gone, or has broken the rules."""
        self._service.welcome([])
        self._service.run(self._session)

    def end(self) -> None:
        """Release everything, let come or give up what is awaited, and see that nothing is left."""
        session = self._session
        handles = sorted({handle for table in self._tables() for handle in (*table.items, *table._failed)})
        for _ in range(len(self._tables())):  # one handle may name objects of several kinds
            self._execute(m.Release(handles), 1 << 20)
        arrivals, regions = session.peers._arrivals, session.peers._regions
        for reception in arrivals._receptions.values():
            arrivals._give_up(reception.region, "the end")
        arrivals._receptions.clear()
        self._await("transfers", lambda: not regions._pending)
        with session._turn:  # the last one has ended
            pass
        self._await("waits", lambda: not session.completion._started)
        for pool in (session.completion._answers, session.completion._watches):
            pool.shutdown()
        for pool in (session.peers._senders, session.peers._receivers, *session.peers._offerers.values()):
            pool.shutdown()
        session.holdings.ledger.sweep()
        session._transfers.drop_written()
        self._look_at_what_is_left()

    def _await(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"{what} are under way for ever"
            time.sleep(0.0002)

    def _look_at_what_is_left(self) -> None:
        session = self._session
        left = {
            "bytes": [share.used_bytes for share in self._shares if share.used_bytes],
            "objects": [table.items for table in self._tables() if table.items or table._failed],
            "user events": session._user_events.unset,
            "staged writes": session._transfers._writes._bytes,
            "staged reads": len(session._transfers._reads._staged),
            "answers": self._conversation.pending if self._conversation.state is State.OPEN else {},
        }
        left = {what: found for what, found in left.items() if found}
        assert not left, f"left: {left}"
