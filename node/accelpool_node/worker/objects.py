"""What a session has made, by the client's handles, and the failures that stick to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from accelpool_node.backends.base import BackendDevice
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for
from accelpool_wire.messages import KernelInfo, LocalMemory

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A command that failed: its number in the session, and OpenCL's error."""

    command: int
    routine: str
    code: int
    what: str

    def as_error(self) -> EarlierFailure:
        """Return the error of a command that needs what this one failed to make."""
        return EarlierFailure(self.routine, self.code, self)


class EarlierFailure(Error):
    """A command cannot be carried out because an earlier one failed.

    Attributes:
        failure: That of the earlier command.
    """

    def __init__(self, routine: str, code: int, failure: Failure) -> None:
        super().__init__(routine, code, failure.what)
        self.failure = failure


@dataclass(frozen=True, kw_only=True)
class FailedEvent:
    """Stands for the event of a command that never ran."""

    failure: Failure


@dataclass(frozen=True, kw_only=True)
class SpanEvent:
    """The event of a transfer that took two commands: complete with the last, timed from the first."""

    first: Any
    last: Any


@dataclass(kw_only=True, slots=True)
class Share:
    """The memory of one device that the session may allocate, and what it has allocated."""

    device: BackendDevice
    memory_bytes: int
    used_bytes: int = 0


@dataclass(kw_only=True, slots=True)
class ContextObject:
    """A context and the shares of its devices."""

    handle: Any
    shares: list[Share]


@dataclass(kw_only=True, slots=True)
class Pace:
    """How long waiting for a queue's commands takes: as long as the last time, in seconds."""

    expected_s: float = float("inf")


@dataclass(kw_only=True, slots=True)
class QueueObject:
    """A command queue, its newest event, and the first failure since the last report.

    `sending` is set while device memory that a read mapped is being sent: nothing may be enqueued meanwhile.
    """

    handle: Any
    is_in_order: bool
    sending: threading.Event | None = None
    newest: Any = None
    newest_command: int = 0
    failure: Failure | None = None
    pace: Pace = field(default_factory=Pace)


@dataclass(kw_only=True, slots=True, eq=False)
class BufferObject:
    """A buffer, or a region of one; its bytes return to the shares with its last holder.

    `handle` is None once it is released, for those who still know it: a kernel's arguments, a region.
    """

    handle: Any
    size: int
    context: ContextObject
    parent: BufferObject | None = None
    holders: int = 1


@dataclass(kw_only=True, slots=True)
class ProgramObject:
    """A program and, once built, its kernels.

    `source` is None if it was not made from source. `logs` are those of its product if it was made of one:
    its handle is then a program made from binaries.
    """

    handle: Any
    context: ContextObject
    source: str | None = None
    logs: list[str] | None = None
    kernels: dict[str, KernelInfo] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class KernelObject:
    """A kernel, what is known of its arguments, and the arguments set."""

    handle: Any
    info: KernelInfo
    program: ProgramObject | None = None
    args: dict[int, BufferObject | LocalMemory | bytes | None] = field(default_factory=dict)


class Table(Generic[T]):
    """Objects of one kind by handle; a handle whose making failed answers with that failure.

    Args:
        noun: What the objects are called in messages.
        code: OpenCL's code for a handle that is none of them.
        limit: How many there may be.
    """

    def __init__(self, noun: str, code: ErrorCode, limit: int) -> None:
        self.items: dict[int, T] = {}
        self._noun = noun
        self._code = code
        self._limit = limit
        self._failed: dict[int, Failure] = {}

    def get(self, handle: int, routine: str) -> T:
        """Return the object of a handle.

        Raises:
            LogicError: There is none; or the error with which its making failed.
        """
        found = self.items.get(handle)
        if found is not None:
            return found
        failure = self._failed.get(handle)
        if failure is not None:
            raise failure.as_error()
        raise error_for(routine, self._code, f"handle {handle} is no {self._noun} of this session")

    def claim(self, handle: int, routine: str) -> None:
        """Check that a handle may name a new object.

        Raises:
            LogicError: It is in use, or not positive.
            RuntimeError: There are too many objects.
        """
        if handle <= 0 or handle in self.items or handle in self._failed:
            raise error_for(
                routine,
                ErrorCode.INVALID_VALUE,
                f"handle {handle} of a new {self._noun} is in use or not > 0",
            )
        if len(self.items) + len(self._failed) >= self._limit:
            raise error_for(
                routine, ErrorCode.OUT_OF_RESOURCES, f"the session's limit is {self._limit} {self._noun}s"
            )

    def fail(self, handle: int, failure: Failure) -> None:
        """Note that the making of an object failed, unless the handle is a living object's."""
        if handle not in self.items and len(self._failed) < self._limit:
            self._failed[handle] = failure

    def pop(self, handle: int) -> T | None:
        """Forget a handle; return its object, if any."""
        self._failed.pop(handle, None)
        return self.items.pop(handle, None)
