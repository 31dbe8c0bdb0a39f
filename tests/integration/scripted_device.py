"""A session in this process, on a device whose commands end when and how a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from accelpool_node.backends.null import NullBackend
from accelpool_node.backends.null.objects import NullBuffer
from accelpool_node.worker.objects import Share
from accelpool_node.worker.peer_line import Patience
from accelpool_node.worker.prebuilt import Products
from accelpool_node.worker.session import Session
from accelpool_node.worker.transfers import Pieces
from accelpool_wire import messages as m
from accelpool_wire.channel import connect
from accelpool_wire.errors import Error, error_for

from ..conftest import wait_until

SHARE_BYTES = 1 << 24
CONTEXT, QUEUE, BUFFER = 1, 2, 3  # what each device has at first
LARGE = 100_000  # bytes: enough to be mapped


@dataclass
class ScriptedEvent:
    """A command that is under way until a test ends it."""

    status: int = 1
    over: threading.Event = field(default_factory=threading.Event)

    def end(self, status: int = 0) -> None:
        """Complete, or fail with an error code."""
        self.status = status
        self.over.set()


class ScriptedBackend(NullBackend):
    """A null backend with events of the test's making, and methods that fail on demand.

    Attributes:
        is_holding: Whether commands stay under way until a test ends them.
        running: The events of all commands so far.
        raising: What a method raises, by its name.
    """

    def __init__(self, count: int = 1) -> None:
        super().__init__(count)
        self.is_holding = False
        self.running: list[ScriptedEvent] = []
        self.raising: dict[str, BaseException] = {}

    def __getattribute__(self, name: str) -> Any:
        raising = object.__getattribute__(self, "__dict__").get("raising", {})
        if name in raising:
            raise raising[name]
        return object.__getattribute__(self, name)

    def _event(self) -> ScriptedEvent:
        event = ScriptedEvent()
        if not self.is_holding:
            event.end()
        self.running.append(event)
        return event

    def enqueue_nd_range_kernel(self, *args: Any) -> Any:
        super().enqueue_nd_range_kernel(*args)
        return self._event()

    def enqueue_write_buffer(self, *args: Any) -> Any:
        super().enqueue_write_buffer(*args)
        return self._event()

    def enqueue_read_buffer(self, *args: Any) -> Any:
        super().enqueue_read_buffer(*args)
        return self._event()

    def enqueue_write_buffer_rect(self, *args: Any) -> Any:
        super().enqueue_write_buffer_rect(*args)
        return self._event()

    def enqueue_read_buffer_rect(self, *args: Any) -> Any:
        super().enqueue_read_buffer_rect(*args)
        return self._event()

    def enqueue_write_image(self, *args: Any) -> Any:
        super().enqueue_write_image(*args)
        return self._event()

    def enqueue_read_image(self, *args: Any) -> Any:
        super().enqueue_read_image(*args)
        return self._event()

    def enqueue_fill_buffer(self, *args: Any) -> Any:
        super().enqueue_fill_buffer(*args)
        return self._event()

    def enqueue_map_buffer(
        self,
        queue: Any,
        buffer: NullBuffer,
        flags: int,
        offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
    ) -> tuple[NullBuffer, memoryview, Any]:
        mapping, view, _ = super().enqueue_map_buffer(queue, buffer, flags, offset, size, wait_for)
        return mapping, view, self._event()

    def enqueue_unmap(self, queue: Any, mapping: NullBuffer) -> Any:
        return self._event()

    def enqueue_marker(self, queue: Any, wait_for: Sequence[Any] | None) -> Any:
        return self._event()

    def event_status(self, event: Any) -> int:
        return event.status

    def event_times(self, event: Any) -> list[int] | None:
        return None

    def wait(self, event: Any) -> int:
        event.over.wait(30)
        return event.status


def connect_to(address: str, limit_s: float) -> socket.socket:
    """Connect as an agent does for its workers."""
    host, _, port = address.rpartition(":")
    return connect((host, int(port)), limit_s)


class Device:
    """A session on a scripted device, with a context, a queue and a buffer of 200,000 bytes.

    Args:
        addresses: Where it may send buffers to.
        patience: How long its transfers between nodes wait for what.
        products: Where its builds come from.
        count: How many devices it has.
        limits: Other limits than usual.

    Attributes:
        backend: The device.
        shares: The session's devices.
        answers: What the session has said.
        contents: The bytes of the reads answered, by command.
    """

    def __init__(
        self,
        addresses: Sequence[str] = (),
        patience: Patience | None = None,
        products: Products | None = None,
        count: int = 1,
        **limits: int,
    ) -> None:
        self.backend = ScriptedBackend(count)
        self.limits = m.Limits(**limits)
        self.answers: list[m.Message] = []
        self.contents: dict[int, bytes] = {}
        self.refused: dict[type[m.Message], Error | Exception] = {}
        self.shares = [Share(device=known, memory_bytes=SHARE_BYTES) for known in self.backend.devices()]
        self._session = Session(
            self.backend,
            self.shares,
            self.limits,
            self._reply,
            products=products,
            addresses=addresses,
            connect=connect_to,
            patience=patience,
        )
        self._command = 0
        self.say(m.CreateContext(CONTEXT, [0]))
        self.say(m.CreateCommandQueue(QUEUE, CONTEXT, 0))
        self.say(m.CreateBuffer(BUFFER, CONTEXT, 1, 200_000))

    def _reply(self, message: m.Message, payload: Pieces | memoryview | bytes | None = None) -> None:
        if type(message) in self.refused:
            raise self.refused.pop(type(message))
        pieces = payload.views if isinstance(payload, Pieces) else [payload or b""]
        if isinstance(message, m.Data):
            self.contents[message.command] = b"".join(pieces)
        self.answers.append(message)

    @property
    def session(self) -> Session:
        """The session itself, for a connection of the test's."""
        return self._session

    def say(self, message: m.Message, payload: bytes = b"") -> int:
        """Carry out a message as the connection would; return its number."""
        self._command += 1
        rest = payload
        while rest:
            view = self._session.open_payload(message, len(rest), self._command)
            if view is None:
                return self._command
            view[:] = rest[: view.nbytes]
            rest = rest[view.nbytes :]
        self._session.execute(message, self._command)
        return self._command

    def ask(self, message: m.Message) -> m.Message:
        """Carry out a synchronous message that is answered soon; return the answer."""
        return self.answer_to(self.say(message))

    def answer_to(self, command: int) -> m.Message:
        """Wait for the answer to a command."""
        wait_until(lambda: self.find(command))
        answer = self.find(command)
        assert answer is not None
        return answer

    def find(self, command: int) -> m.Message | None:
        """Return the answer to a command, if it is there."""
        return next((answer for answer in self.answers if getattr(answer, "command", -1) == command), None)

    def events_done(self) -> list[int]:
        """Return the events that were told, in order."""
        return [answer.event for answer in self.answers if isinstance(answer, m.EventDone)]

    def end_all(self) -> None:
        """Complete everything that is under way."""
        self.backend.is_holding = False
        for event in self.backend.running:
            if event.status > 0:
                event.end()


def failure(code: int, routine: str = "clScripted") -> Error:
    """Return an error as a backend raises it."""
    return error_for(routine, code, "the test said so")


def fill(event: int = 0, buffer: int = BUFFER, queue: int = QUEUE) -> m.EnqueueFillBuffer:
    """Return a small fill."""
    return m.EnqueueFillBuffer(queue, buffer, b"x", 0, 4, event)


def read(
    size: int = 4, *, is_blocking: bool = False, event: int = 0, queue: int = QUEUE
) -> m.EnqueueReadBuffer:
    """Return a read from the start of the buffer."""
    return m.EnqueueReadBuffer(queue, BUFFER, 0, size, event, is_blocking=is_blocking)
