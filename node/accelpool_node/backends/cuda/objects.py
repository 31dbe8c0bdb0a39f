"""What a CUDA context's queues, memory, programs and commands are made of."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from accelpool_node.backends.cuda import driver
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.owners import Owner
from accelpool_node.backends.cuda.streams import Stream

OUT_OF_ORDER, PROFILING = 1 << 0, 1 << 1
COMPLETE, RUNNING, SUBMITTED = 0, 1, 2


@dataclass(kw_only=True, eq=False)
class CudaQueue:
    """A command queue: a stream.

    Attributes:
        context: Its context.
        stream: The stream.
        properties: OpenCL's bit field.
        waiting: Events of its commands that are held back.
        barrier: That of the last barrier that was held back, if any.
    """

    context: CudaContext
    stream: Stream
    properties: int
    waiting: list[CudaEvent] = field(default_factory=list)
    barrier: CudaEvent | None = None

    @property
    def is_profiled(self) -> bool:
        """Whether its events have times."""
        return bool(self.properties & PROFILING)

    def __del__(self) -> None:
        context, stream = self.context, self.stream
        self.context.leave_to(lambda: context.give_stream(stream))


@dataclass(kw_only=True, eq=False, slots=True, weakref_slot=True)
class CudaEvent:
    """The event of a command: in its stream, or held back for user events; or a user event.

    Attributes:
        context: Its context.
        queue: Its command's queue; None for a user event.
        status: OpenCL's execution status as far as it is known; of a command in its stream, `RUNNING`.
        done: The driver's event at the command's end, once it is in its stream.
        started: That at its beginning, with profiling.
        queued_ns: When it was enqueued, with profiling.
        submitted_ns: When it was put into its stream, with profiling.
        blocks: Pinned memory that its copy needs, to be given back.
        arrive: Brings what was read to where it was to be.
        issue: Of a command that is held back: puts it into its stream.
        awaited: How many events it is held back for.
        has_failed: Whether one in its wait list failed.
        followers: What is held back for it, and whether that has it in its wait list.
        over: Set once it is in its stream or failed; None if it was never held back.
    """

    context: CudaContext
    queue: CudaQueue | None = None
    status: int = RUNNING
    done: Any = None
    started: Any = None
    queued_ns: int = 0
    submitted_ns: int = 0
    blocks: list[Any] = field(default_factory=list)
    arrive: Callable[[], None] | None = None
    issue: Callable[[CudaEvent], None] | None = None
    awaited: int = 0
    has_failed: bool = False
    followers: list[tuple[CudaEvent, bool]] = field(default_factory=list)
    over: threading.Event | None = None
    settling: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> None:
        """Take note that the command's end was reached: what it read arrives, what it needed goes."""
        with self.settling:
            if self.status != RUNNING:
                return
            if self.arrive is not None:
                self.arrive()
            self.let_go()
            self.status = COMPLETE

    def let_go(self) -> None:
        """Give the pinned memory back."""
        blocks, self.blocks, self.arrive = self.blocks, [], None
        for block in blocks:
            self.context.pinned.give(block)

    def __del__(self) -> None:
        is_timed = self.queue is not None and self.queue.is_profiled
        for event in (self.done, self.started):
            if event is not None:
                self.context.give_event(event, is_timed=is_timed)


class Allocation(Owner):
    """Device memory, given back with this object once the device does not use it.

    Args:
        context: Its context.
        address: Where it is.
    """

    def __init__(self, context: CudaContext, address: int) -> None:
        super().__init__(context)
        self._address = address

    def __del__(self) -> None:
        self._end(functools.partial(driver.free, self._address))


@dataclass(frozen=True, kw_only=True, eq=False)
class CudaBuffer:
    """Device memory, or a region of it, or a program's variable; `owner` keeps it."""

    context: CudaContext
    address: int
    size: int
    owner: Owner


@dataclass(frozen=True, kw_only=True, eq=False)
class Mapping:
    """A region of a buffer in pinned memory."""

    context: CudaContext
    buffer: CudaBuffer
    flags: int
    offset: int
    size: int
    block: Any


class Module(Owner):
    """A loaded module, given back with this object once the device does not use it.

    Args:
        context: Its context.
        handle: The driver's.
    """

    def __init__(self, context: CudaContext, handle: int) -> None:
        super().__init__(context)
        self.handle = handle

    def __del__(self) -> None:
        self._end(functools.partial(_unload, self.handle))


def _unload(module: int) -> None:
    """Give a module back once all that is under way is over: it may be a kernel of the module's."""
    driver.synchronize()
    driver.unload(module)


@dataclass(kw_only=True, eq=False)
class Function:
    """A kernel of a module: the driver's, which all kernels of that name are launches of.

    Attributes:
        name: Its name.
        handle: The driver's.
        parameters: Where its parameters lie in their block.
        most_threads: Of a block.
        shared: Bytes of shared memory that it has itself.
        allowed: Bytes of dynamic shared memory that launches may have, as the driver was told; 0 before.
    """

    name: str
    handle: int
    parameters: list[driver.Parameter]
    most_threads: int
    shared: int
    allowed: int = 0

    @property
    def block_bytes(self) -> int:
        """Bytes of the block of parameters."""
        return max((parameter.offset + parameter.size for parameter in self.parameters), default=0)


@dataclass(kw_only=True, eq=False)
class CudaProgram:
    """A program: CUDA C++, or what a driver loads; once it is built, its module and its kernels.

    Attributes:
        context: Its context.
        source: CUDA C++; None of a program from a binary.
        binary: A cubin, a fatbin or PTX; of a program from source, what it was compiled to.
        status: OpenCL's build status: 0 built, -1 not yet, -2 in vain.
        options: Those that it was last built with.
        log: What compilers said of it.
    """

    context: CudaContext
    source: str | None = None
    binary: bytes = b""
    status: int = -1
    options: str = ""
    log: str = ""
    module: Module | None = None
    functions: dict[str, Function] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class CudaKernel:
    """A kernel and the arguments set.

    Attributes:
        context: Its context.
        program: Keeps its module.
        module: The module.
        function: What is launched.
        block: The block of its parameters.
        unset: Places of the parameters that are not set.
        shared: Bytes of dynamic shared memory.
        launcher: Launches it.
        sized: The sizes that the last launch asked for, and the grid and the block that they are.
        owners: What keeps the memory of the arguments that are buffers; the kernel does not.
    """

    context: CudaContext
    module: Module
    function: Function
    block: bytearray
    unset: set[int]
    launcher: driver.Launcher
    shared: int = 0
    sized: tuple[object, Any] = (None, None)
    owners: dict[int, weakref.ref[Any]] = field(default_factory=dict)
