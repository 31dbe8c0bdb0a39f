"""The backend: one small interface in OpenCL's words, implemented by `opencl.py`, `null.py` (and `cuda.py`).

Objects are the backend's own, opaque to callers; a `None` wait list means none. Every failure is raised as
`accelpool_wire.errors.Error` with OpenCL's code, whatever the driver calls it. Methods stand in the same
order in every implementation.

Source of the meanings: OpenCL 3.0 API specification, the function of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from accelpool_wire.messages import InfoValue, KernelInfo

Context: TypeAlias = Any
Queue: TypeAlias = Any
Memory: TypeAlias = Any
Program: TypeAlias = Any
Kernel: TypeAlias = Any
Event: TypeAlias = Any
Bytes: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, kw_only=True)
class BackendDevice:
    """A device that a backend found.

    Attributes:
        name: Its name on the node: stable across restarts, unique on the node within a driver environment.
        platform: OpenCL's platform info: number of the name to value.
        info: OpenCL's device info: number of the name to value.
        kind: "gpu", "cpu", "accelerator" or "custom".
        api: "opencl", "cuda" or "null".
        fault: Why the device cannot be used, or "" (its compiler failed on an empty kernel, say).
        handle: The backend's own object.
    """

    name: str
    platform: dict[int, InfoValue]
    info: dict[int, InfoValue]
    kind: str
    api: str
    fault: str = ""
    handle: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalSize:
    """A kernel argument that is local memory of so many bytes."""

    size: int


class Backend(Protocol):
    """A driver API behind OpenCL's words."""

    name: str

    def devices(self) -> list[BackendDevice]:
        """Return what the driver has, in a stable order."""
        ...

    def probe(self, device: BackendDevice) -> str:
        """Build and run a small kernel on a device; return what went wrong, or ""."""
        ...

    def create_context(self, devices: Sequence[BackendDevice]) -> Context:
        """Return a context over devices of one platform."""
        ...

    def create_command_queue(self, context: Context, device: BackendDevice, properties: int) -> Queue:
        """Return a command queue; `properties` is OpenCL's bit field."""
        ...

    def create_buffer(self, context: Context, flags: int, size: int, content: Bytes | None) -> Memory:
        """Return a buffer of `size` bytes, holding `content` at first if given (same size)."""
        ...

    def create_sub_buffer(self, buffer: Memory, flags: int, origin: int, size: int) -> Memory:
        """Return a buffer over a region of another."""
        ...

    def create_program_with_source(self, context: Context, source: str) -> Program:
        """Return a program, not yet built."""
        ...

    def create_program_with_binary(
        self, context: Context, devices: Sequence[BackendDevice], binaries: Sequence[bytes]
    ) -> Program:
        """Return a program from one binary per device, not yet built."""
        ...

    def build_program(self, program: Program, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE, with the build logs in `what`.
        """
        ...

    def build_logs(self, program: Program) -> list[str]:
        """Return one build log per device of the program."""
        ...

    def program_binaries(self, program: Program) -> list[bytes]:
        """Return one binary per device of a built program."""
        ...

    def program_kernels(self, program: Program) -> list[KernelInfo]:
        """Return what the compiler and the devices say of each kernel of a built program."""
        ...

    def create_kernel(self, program: Program, name: str) -> Kernel:
        """Return a kernel of a built program."""
        ...

    def set_kernel_arg(self, kernel: Kernel, index: int, value: Memory | bytes | LocalSize | None) -> None:
        """Set one argument: a buffer, the bytes of a scalar or struct, local memory, or a null buffer."""
        ...

    def enqueue_nd_range_kernel(
        self,
        queue: Queue,
        kernel: Kernel,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Launch a kernel with the arguments set."""
        ...

    def enqueue_write_buffer(
        self, queue: Queue, buffer: Memory, content: Bytes, offset: int, wait_for: Sequence[Event] | None
    ) -> Event:
        """Write; `content` stays untouched by the caller until the event is complete."""
        ...

    def enqueue_read_buffer(
        self, queue: Queue, buffer: Memory, target: Bytes, offset: int, wait_for: Sequence[Event] | None
    ) -> Event:
        """Read as many bytes as `target` has, into it, by the time the event is complete."""
        ...

    def enqueue_copy_buffer(
        self,
        queue: Queue,
        source: Memory,
        target: Memory,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Copy between buffers of a context."""
        ...

    def enqueue_fill_buffer(
        self,
        queue: Queue,
        buffer: Memory,
        pattern: bytes,
        offset: int,
        size: int,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Fill a region with a repeated pattern."""
        ...

    def enqueue_map_buffer(
        self,
        queue: Queue,
        buffer: Memory,
        flags: int,
        offset: int,
        size: int,
        wait_for: Sequence[Event] | None,
    ) -> tuple[Memory, memoryview, Event]:
        """Map a region into host memory: the mapping, its bytes, the event after which they are valid.

        Fast where host and device share memory; elsewhere the driver's pinned staging.
        """
        ...

    def enqueue_unmap(self, queue: Queue, mapping: Memory) -> Event:
        """End a mapping."""
        ...

    def enqueue_marker(self, queue: Queue, wait_for: Sequence[Event] | None) -> Event:
        """Return an event complete when the given ones are, or all before it."""
        ...

    def enqueue_barrier(self, queue: Queue, wait_for: Sequence[Event] | None) -> Event:
        """As `enqueue_marker`, and later commands of the queue wait for it."""
        ...

    def flush(self, queue: Queue) -> None:
        """Submit what is enqueued."""
        ...

    def event_status(self, event: Event) -> int:
        """Return OpenCL's execution status, negative for an error. Never blocks."""
        ...

    def event_times(self, event: Event) -> list[int] | None:
        """Return [queued, submit, start, end] in ns of a complete event, or None without profiling."""
        ...

    def wait(self, event: Event) -> None:
        """Block until the event is complete or failed; a failure is not raised here."""
        ...
