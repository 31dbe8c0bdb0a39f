"""What a session has made, by the client's handles, and the failures that stick to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from accelpool_node.backends.base import BackendDevice
from accelpool_node.sharing.session_slot import SessionSlot
from accelpool_node.worker.gates import Gate, GatedEvent
from accelpool_node.worker.wanted_args import WantedArg
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for
from accelpool_wire.image_layout import ImageLayout
from accelpool_wire.messages import ImageFormat, KernelInfo, LocalMemory

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


@dataclass(kw_only=True, eq=False)
class SpanEvent:
    """The event of a transfer that takes several commands: complete with the last, timed from the first.

    While there are more to come `last` is that of the newest; nobody but the transfer looks at it meanwhile.
    """

    first: Any
    last: Any


OWN_EVENTS = (FailedEvent, GatedEvent, SpanEvent)  # all others are the backend's own


def driver_event(event: Any) -> Any:
    """Return the backend's event whose end is that of a session's event, which is no `FailedEvent`."""
    if isinstance(event, GatedEvent):
        event = event.event
    return event.last if isinstance(event, SpanEvent) else event


def failure_of(event: Any) -> Failure | None:
    """Return what is known, without the driver, of why a session's event has failed."""
    return event.failure if isinstance(event, (FailedEvent, GatedEvent)) else None


@dataclass(kw_only=True, slots=True)
class Share:
    """The memory of one device that the session may allocate, and what it has allocated.

    A sub-device's share is a name for that of the device it is part of: `whole`. With a `slot` in the
    device's ledger it is that of all sessions of the lease together, and may change.
    """

    device: BackendDevice
    memory_bytes: int
    used_bytes: int = 0
    whole: Share | None = None
    slot: SessionSlot | None = None

    @property
    def free_bytes(self) -> int:
        """What is left of it; negative if it was made smaller than what is held."""
        if self.slot is not None:
            return self.slot.memory_bytes - self.slot.used_bytes
        return self.memory_bytes - self.used_bytes

    def take(self, size: int) -> bool:
        """Take bytes if they are left; whether they were."""
        if self.slot is not None:
            return self.slot.take(size)
        if size > self.free_bytes:
            return False
        self.used_bytes += size
        return True

    def give(self, size: int) -> None:
        """Give bytes back."""
        if self.slot is not None:
            self.slot.give(size)
        else:
            self.used_bytes -= size


@dataclass(kw_only=True, slots=True)
class ContextObject:
    """A context, its devices, the shares it takes from, and by device a queue of ours where transfers end."""

    handle: Any
    shares: list[Share]
    devices: list[BackendDevice]
    side_queues: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Pace:
    """How long waiting for a queue's commands takes: as long as the last time, in seconds."""

    expected_s: float = float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class LooseTransfer:
    """A transfer between nodes that what follows it in its in-order queue has yet to be held back for.

    Attributes:
        buffer: Whose region it is; of a region of a buffer, that buffer.
        event: The backend's user event that ends with it.
        gate: Opens with it.
    """

    buffer: BufferObject
    event: Any
    gate: Gate


@dataclass(kw_only=True, slots=True)
class QueueObject:
    """A command queue, its newest event, and the first failure since the last report.

    `sending` is set while device memory that a read mapped is being sent: nothing may be enqueued meanwhile.
    Only kernels enqueue to one that `is_on_device`.
    `gate` is that of all commands so far, `barrier` the part of it that all later ones share: that of the
    barriers, in order that of all but the loose transfers.
    `cause` is that of an in-order queue's transfers between nodes, with which all later commands fail, and
    `loose` those that these have yet to be held back for. `told` is the event last told to have failed, and
    `over` the newest known to be complete or failed.
    `on_read` is told when a read is in flight.
    """

    handle: Any
    is_in_order: bool
    context: ContextObject
    device: BackendDevice
    is_profiled: bool = False
    is_on_device: bool = False
    sending: threading.Event | None = None
    newest: Any = None
    newest_command: int = 0
    failure: Failure | None = None
    pace: Pace = field(default_factory=Pace)
    gate: Gate | None = None
    barrier: Gate | None = None
    cause: Gate | None = None
    loose: list[LooseTransfer] = field(default_factory=list)
    told: Any = None
    over: Any = None
    on_read: Callable[[Any], None] | None = None
    is_released: bool = False


@dataclass(kw_only=True, slots=True, eq=False)
class BufferObject:
    """A buffer, or a region of one; its bytes return to the shares with its last holder.

    `handle` is None once it is released, for those who still know it: a kernel's arguments, a region.
    It takes `padding` bytes beyond its size. An `allocation` must outlive the commands that use it.
    """

    handle: Any
    size: int
    context: ContextObject
    parent: BufferObject | None = None
    holders: int = 1
    padding: int = 0
    allocation: Any = None


@dataclass(kw_only=True, slots=True, eq=False)
class SVMObject(BufferObject):
    """Shared virtual memory: a buffer at an address."""

    address: int


@dataclass(kw_only=True, slots=True, eq=False)
class VariableObject(BufferObject):
    """A buffer over a variable of a program, whose memory it is: it takes none of the shares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SVMPlace:
    """A kernel argument: an offset in shared virtual memory."""

    svm: SVMObject
    offset: int


@dataclass(kw_only=True, slots=True, eq=False)
class ImageObject(BufferObject):
    """An image, which takes memory and is let go as a buffer is; its parent is the buffer that it is over."""

    format: ImageFormat
    layout: ImageLayout
    flags: int


@dataclass(kw_only=True, slots=True, eq=False)
class SamplerObject:
    """A sampler; `handle` is None once it is released, for a kernel's arguments."""

    handle: Any


@dataclass(kw_only=True, slots=True)
class ProgramObject:
    """A program and, once built, its kernels; the `hashes_of` its binaries if it is made from such.

    It `is_linkable` if it is compiled, or may be. `source` is None if it was not made from source. `options`
    and `logs` are those of its product if it is made of one now: its handle is then a program from binaries.
    """

    handle: Any
    context: ContextObject
    source: str | None = None
    options: str = ""
    logs: list[str] | None = None
    kernels: dict[str, KernelInfo] = field(default_factory=dict)
    binary_hashes: dict[str, str] = field(default_factory=dict)
    is_linkable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PartOfWhole:
    """A kernel argument that was set with all others, in one piece."""


Argument: TypeAlias = BufferObject | SVMPlace | SamplerObject | LocalMemory | PartOfWhole | bytes | None


@dataclass(kw_only=True, slots=True)
class KernelObject:
    """A kernel, its program, what its arguments must be where that is known, and the arguments set.

    One that `takes_whole` takes all its parameters in one piece too, and shared memory after them: CUDA's.
    """

    handle: Any
    info: KernelInfo
    wanted: tuple[WantedArg, ...]
    context: ContextObject
    program: ProgramObject
    args: dict[int, Argument] = field(default_factory=dict)
    takes_whole: bool = False


class Table(Generic[T]):
    """Objects of one kind by handle; a handle whose making failed answers with that failure.

    Args:
        noun: What the objects are called in messages.
        code: OpenCL's code for a handle that is none of them.
        limit: How many there may be.
    """

    def __init__(self, noun: str, code: int, limit: int) -> None:
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
