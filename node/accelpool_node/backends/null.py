"""The null backend: devices that need nothing and compute nothing.

Memory is host memory, so writes, reads, copies and fills are real; a launch checks its arguments and does
nothing; every command is complete when it returns. It stands in for a driver where only the path to it is
under test, and it is the shortest answer to "what must a backend do?".
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from accelpool_node.backends.base import BackendDevice, Bytes, LocalSize
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for
from accelpool_wire.messages import InfoValue, KernelInfo, WorkGroupInfo

MEMORY_BYTES = 1 << 30
MAX_SIZE = (1 << 64) - 1
MAX_GROUP = 1024
PATTERN_BYTES = (1, 2, 4, 8, 16, 32, 64, 128)
PROFILING = 1 << 1
KERNEL = re.compile(r"\b(?:__)?kernel\s+void\s+(\w+)\s*\(([^)]*)\)")

# OpenCL's numbers of the infos that clients check against, and this device's answers.
INFO: dict[int, InfoValue] = {
    0x1000: 1 << 4,  # TYPE: CUSTOM
    0x1002: 1,  # MAX_COMPUTE_UNITS
    0x1003: 3,  # MAX_WORK_ITEM_DIMENSIONS
    0x1004: MAX_GROUP,  # MAX_WORK_GROUP_SIZE
    0x1005: [MAX_GROUP, MAX_GROUP, 64],  # MAX_WORK_ITEM_SIZES
    0x1010: MEMORY_BYTES,  # MAX_MEM_ALLOC_SIZE
    0x1019: 1024,  # MEM_BASE_ADDR_ALIGN, in bits
    0x101F: MEMORY_BYTES,  # GLOBAL_MEM_SIZE
    0x1023: 32768,  # LOCAL_MEM_SIZE
    0x1027: 1,  # AVAILABLE
    0x1028: 1,  # COMPILER_AVAILABLE
    0x102C: "accelpool",  # VENDOR
    0x102D: "0",  # DRIVER_VERSION
    0x102F: "OpenCL 1.2 accelpool null",  # VERSION
    0x1030: "",  # EXTENSIONS
}
PLATFORM: dict[int, InfoValue] = {
    0x0901: "OpenCL 1.2 accelpool null",
    0x0902: "accelpool null",
    0x0903: "accelpool",
}


@dataclass(kw_only=True)
class NullBuffer:
    """Host memory that stands for device memory."""

    content: memoryview


@dataclass(kw_only=True)
class NullProgram:
    """Source, and the kernels found in it once it is built."""

    source: str
    kernels: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class NullKernel:
    """A kernel's argument count and which arguments are set."""

    count: int
    args: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NullEvent:
    """A complete command."""

    times: list[int] | None


class NullBackend:
    """Devices that compute nothing; see `base.Backend` for the methods.

    Args:
        count: How many devices there are.
    """

    name = "null"

    def __init__(self, count: int = 1) -> None:
        self._count = count

    def devices(self) -> list[BackendDevice]:
        """Return as many null devices as asked for."""
        return [
            BackendDevice(
                name=f"null-{index}",
                platform=dict(PLATFORM),
                info={**INFO, 0x102B: f"null-{index}"},
                kind="custom",
                api="null",
            )
            for index in range(self._count)
        ]

    def probe(self, device: BackendDevice) -> str:
        """Find nothing wrong."""
        return ""

    def create_context(self, devices: Sequence[BackendDevice]) -> Any:
        """Return the devices."""
        return tuple(devices)

    def create_command_queue(self, context: Any, device: BackendDevice, properties: int) -> Any:
        """Return the properties."""
        return properties

    def create_buffer(self, context: Any, flags: int, size: int, content: Bytes | None) -> NullBuffer:
        """Return zeroed or filled host memory."""
        if not 0 < size <= MEMORY_BYTES:
            raise _error("clCreateBuffer", ErrorCode.INVALID_BUFFER_SIZE, f"{size} bytes")
        return NullBuffer(content=memoryview(bytearray(size) if content is None else bytearray(content)))

    def create_sub_buffer(self, buffer: NullBuffer, flags: int, origin: int, size: int) -> NullBuffer:
        """Return a view."""
        return NullBuffer(content=_region("clCreateSubBuffer", buffer, origin, size))

    def create_program_with_source(self, context: Any, source: str) -> NullProgram:
        """Return the source."""
        return NullProgram(source=source)

    def create_program_with_binary(
        self, context: Any, devices: Sequence[BackendDevice], binaries: Sequence[bytes]
    ) -> NullProgram:
        """Return the source that the binary is."""
        return NullProgram(source=binaries[0].decode("utf-8", "replace"))

    def build_program(self, program: NullProgram, devices: Sequence[BackendDevice], options: str) -> None:
        """Find the kernels; source without any does not build."""
        found = {name: _count_args(args) for name, args in KERNEL.findall(program.source)}
        if not found:
            raise _error("clBuildProgram", ErrorCode.BUILD_PROGRAM_FAILURE, "no kernel in the source")
        program.kernels = found

    def build_logs(self, program: NullProgram) -> list[str]:
        """Return one empty log."""
        return [""]

    def program_binaries(self, program: NullProgram) -> list[bytes]:
        """Return the source."""
        return [program.source.encode()]

    def program_kernels(self, program: NullProgram) -> list[KernelInfo]:
        """Return names and argument counts."""
        group = WorkGroupInfo(MAX_GROUP, [0, 0, 0], 0, 1, 0)
        return [KernelInfo(name, count, "", [], [group]) for name, count in program.kernels.items()]

    def create_kernel(self, program: NullProgram, name: str) -> NullKernel:
        """Return the kernel's argument count."""
        if name not in program.kernels:
            raise _error("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME, name)
        return NullKernel(count=program.kernels[name])

    def set_kernel_arg(
        self, kernel: NullKernel, index: int, value: NullBuffer | bytes | LocalSize | None
    ) -> None:
        """Remember the argument."""
        if not 0 <= index < kernel.count:
            raise _error("clSetKernelArg", ErrorCode.INVALID_ARG_INDEX, str(index))
        kernel.args[index] = value

    def enqueue_nd_range_kernel(
        self,
        queue: Any,
        kernel: NullKernel,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Check the launch and do nothing."""
        routine = "clEnqueueNDRangeKernel"
        if len(kernel.args) < kernel.count:
            raise _error(routine, ErrorCode.INVALID_KERNEL_ARGS, f"{len(kernel.args)} of {kernel.count} set")
        if not 1 <= len(global_size) <= 3:
            raise _error(routine, ErrorCode.INVALID_WORK_DIMENSION, f"{len(global_size)} dimensions")
        if min(global_size) < 0 or max(global_size) > MAX_SIZE:
            raise _error(routine, ErrorCode.INVALID_GLOBAL_WORK_SIZE, str(global_size))
        if offset and min(offset) < 0:
            raise _error(routine, ErrorCode.INVALID_GLOBAL_OFFSET, str(offset))
        if local_size and not _divides(local_size, global_size):
            raise _error(routine, ErrorCode.INVALID_WORK_GROUP_SIZE, f"{local_size} in {global_size}")
        return _complete(queue)

    def enqueue_write_buffer(
        self,
        queue: Any,
        buffer: NullBuffer,
        content: Bytes,
        offset: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy in."""
        region = _region("clEnqueueWriteBuffer", buffer, offset, len(content))
        region[:] = content
        return _complete(queue)

    def enqueue_read_buffer(
        self, queue: Any, buffer: NullBuffer, target: Bytes, offset: int, wait_for: Sequence[NullEvent] | None
    ) -> NullEvent:
        """Copy out."""
        memoryview(target)[:] = _region("clEnqueueReadBuffer", buffer, offset, len(target))
        return _complete(queue)

    def enqueue_copy_buffer(
        self,
        queue: Any,
        source: NullBuffer,
        target: NullBuffer,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy."""
        routine = "clEnqueueCopyBuffer"
        content = _region(routine, source, source_offset, size)
        region = _region(routine, target, target_offset, size)
        if source is target and abs(source_offset - target_offset) < size:
            raise _error(routine, ErrorCode.MEM_COPY_OVERLAP, f"{size} bytes")
        region[:] = content
        return _complete(queue)

    def enqueue_fill_buffer(
        self,
        queue: Any,
        buffer: NullBuffer,
        pattern: bytes,
        offset: int,
        size: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Repeat the pattern."""
        routine = "clEnqueueFillBuffer"
        if len(pattern) not in PATTERN_BYTES or size % len(pattern) or offset % len(pattern):
            raise _error(routine, ErrorCode.INVALID_VALUE, f"{size} bytes at {offset} by {len(pattern)}")
        _region(routine, buffer, offset, size)[:] = pattern * (size // len(pattern))
        return _complete(queue)

    def enqueue_map_buffer(
        self,
        queue: Any,
        buffer: NullBuffer,
        flags: int,
        offset: int,
        size: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> tuple[NullBuffer, memoryview, NullEvent]:
        """Return the memory itself."""
        return buffer, _region("clEnqueueMapBuffer", buffer, offset, size), _complete(queue)

    def enqueue_unmap(self, queue: Any, mapping: NullBuffer) -> NullEvent:
        """Do nothing."""
        return _complete(queue)

    def enqueue_marker(self, queue: Any, wait_for: Sequence[NullEvent] | None) -> NullEvent:
        """Do nothing."""
        return _complete(queue)

    def enqueue_barrier(self, queue: Any, wait_for: Sequence[NullEvent] | None) -> NullEvent:
        """Do nothing."""
        return _complete(queue)

    def flush(self, queue: Any) -> None:
        """Do nothing."""

    def event_status(self, event: NullEvent) -> int:
        """Return complete."""
        return 0

    def event_times(self, event: NullEvent) -> list[int] | None:
        """Return the moment of the command four times, in a profiling queue."""
        return event.times

    def wait(self, event: NullEvent) -> None:
        """Return at once."""


def _complete(queue: int) -> NullEvent:
    return NullEvent(times=[time.monotonic_ns()] * 4 if queue & PROFILING else None)


def _divides(local_size: Sequence[int], global_size: Sequence[int]) -> bool:
    """Whether work-groups of a size are possible and fill a global size."""
    if math.prod(local_size) > MAX_GROUP or min(local_size) < 1:
        return False
    return not any(whole % part for whole, part in zip(global_size, local_size, strict=True))


def _region(routine: str, buffer: NullBuffer, offset: int, size: int) -> memoryview:
    if offset < 0 or size <= 0 or offset + size > len(buffer.content):
        raise _error(
            routine, ErrorCode.INVALID_VALUE, f"{size} bytes at {offset} of {len(buffer.content)} bytes"
        )
    return buffer.content[offset : offset + size]


def _count_args(args: str) -> int:
    return 0 if args.strip() in ("", "void") else args.count(",") + 1


def _error(routine: str, code: ErrorCode, what: str) -> Error:
    return error_for(routine, code, what)
