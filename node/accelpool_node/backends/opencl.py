"""The OpenCL backend, through PyOpenCL. The one file that imports it.

PyOpenCL's own layer above its core (program cache, operators, warnings) stays unused: a worker must do what
the client asked for and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pyopencl as cl
from pyopencl import _cl as core

from accelpool_node.backends.base import BackendDevice, Bytes, LocalSize
from accelpool_wire.errors import Error, error_for
from accelpool_wire.messages import ArgInfo, InfoValue, KernelInfo, WorkGroupInfo

_cl: Any = core  # its stubs are narrower than what it takes
P = ParamSpec("P")
T = TypeVar("T")

KINDS = (
    (cl.device_type.GPU, "gpu"),
    (cl.device_type.ACCELERATOR, "accelerator"),
    (cl.device_type.CPU, "cpu"),
    (cl.device_type.CUSTOM, "custom"),
)
KEEP_ARG_INFO = "-cl-kernel-arg-info"
# PoCL writes half of this bit field; in the other half is what was in memory: bits of an address.
KNOWN_BITS = {0x1070: 0x3}  # CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES
PATTERN_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
PROBE_SOURCE = """
__kernel void accelpool_probe(__global const float *x, __global float *y)
{ size_t i = get_global_id(0); y[i] = exp(-x[i]) + rsqrt(x[i]); }
"""
PROBE_SIZE = 64  # the widest vectors that a compiler makes of it have 16 elements
PROBE_TOLERANCE = 1e-4


def translated(routine: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Raise PyOpenCL's errors as the wire's; `routine` is the OpenCL function that a method stands for."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except cl.Error as error:
                raise error_for(_routine(error, routine), error.code, _what(error)) from error
            except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # what it cannot convert
                raise error_for(routine, cl.status_code.INVALID_VALUE, _first_line(error)) from error

        return call

    return decorate


def _routine(error: cl.Error, expected: str) -> str:
    """Return the OpenCL function that failed; PyOpenCL sometimes names its own instead."""
    return error.routine if error.routine.startswith("cl") else expected


def _first_line(error: Exception) -> str:
    """Return what Python says, without the signatures that were possible."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _what(error: cl.Error) -> str:
    """Return what PyOpenCL says beyond the routine and the code."""
    _, _, rest = str(error).partition(" - ")
    return rest


class OpenCLBackend:
    """OpenCL devices of this process's driver environment; see `base.Backend` for the methods."""

    name = "opencl"

    @translated("clGetDeviceIDs")
    def devices(self) -> list[BackendDevice]:
        """Return the devices of all platforms; a platform that fails is left out."""
        found: list[BackendDevice] = []
        names: Counter[str] = Counter()
        try:
            platforms = cl.get_platforms()
        except cl.Error:
            return found  # no driver at all: PLATFORM_NOT_FOUND_KHR
        for platform in platforms:
            try:
                devices = platform.get_devices()
            except cl.Error:
                continue
            for device in devices:
                name = device.name.strip()
                names[name] += 1
                unique = name if names[name] == 1 else f"{name} #{names[name]}"
                found.append(_describe(unique, platform, device))
        return found

    def probe(self, device: BackendDevice) -> str:
        """Build and run a small kernel; drivers were seen whose wide vectors compute nonsense.

        Source: OpenCL C 3.0, relative error as ULPs: `exp` and `rsqrt` within 4 ulp, 5e-7.
        """
        x = np.linspace(0.5, 4.0, PROBE_SIZE, dtype=np.float32)
        y = np.zeros_like(x)
        try:
            self._compute_probe(device, x, y)
        except Error as error:
            return " ".join(str(error).split())[:500]
        expected = np.exp(-x) + 1 / np.sqrt(x)
        if np.allclose(y, expected, rtol=PROBE_TOLERANCE, atol=0):
            return ""
        worst = int(np.argmax(np.nan_to_num(abs(y - expected), nan=np.inf)))
        return f"it computes exp(-x) + rsqrt(x) of {x[worst]:g} as {y[worst]:g}, not {expected[worst]:g}"

    def _compute_probe(self, device: BackendDevice, x: np.ndarray, y: np.ndarray) -> None:
        context = self.create_context([device])
        queue = self.create_command_queue(context, device, 0)
        program = self.create_program_with_source(context, PROBE_SOURCE)
        self.build_program(program, [device], "")
        buffers = [self.create_buffer(context, cl.mem_flags.READ_WRITE, x.nbytes, x.tobytes()) for _ in "xy"]
        kernel = self.create_kernel(program, "accelpool_probe")
        for index, buffer in enumerate(buffers):
            self.set_kernel_arg(kernel, index, buffer)
        self.enqueue_nd_range_kernel(queue, kernel, [PROBE_SIZE], None, None, None)
        self.wait(self.enqueue_read_buffer(queue, buffers[1], y.data.cast("B"), 0, None))

    @translated("clCreateContext")
    def create_context(self, devices: Sequence[BackendDevice]) -> Any:
        """Return a `pyopencl.Context`."""
        return cl.Context([device.handle for device in devices])

    @translated("clCreateCommandQueueWithProperties")
    def create_command_queue(self, context: Any, device: BackendDevice, properties: int) -> Any:
        """Return a `pyopencl.CommandQueue`."""
        return _cl.CommandQueue(context, device.handle, properties)

    @translated("clCreateBuffer")
    def create_buffer(self, context: Any, flags: int, size: int, content: Bytes | None) -> Any:
        """Return a `pyopencl.Buffer`, allocated when this returns where the driver allows to tell."""
        if content is None:
            return _cl.Buffer(context, flags, size)
        flags = flags & ~cl.mem_flags.USE_HOST_PTR | cl.mem_flags.COPY_HOST_PTR
        return _cl.Buffer(context, flags, size, content)

    @translated("clCreateSubBuffer")
    def create_sub_buffer(self, buffer: Any, flags: int, origin: int, size: int) -> Any:
        """Return a `pyopencl.Buffer` over a region."""
        return buffer.get_sub_region(origin, size, flags)

    @translated("clCreateProgramWithSource")
    def create_program_with_source(self, context: Any, source: str) -> Any:
        """Return a core program."""
        return _cl._Program(context, source)

    @translated("clCreateProgramWithBinary")
    def create_program_with_binary(
        self, context: Any, devices: Sequence[BackendDevice], binaries: Sequence[bytes]
    ) -> Any:
        """Return a core program."""
        return _cl._Program(context, [device.handle for device in devices], list(binaries))

    @translated("clBuildProgram")
    def build_program(self, program: Any, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link, asking the compiler to keep the argument info."""
        is_source = program.kind() == cl.program_kind.SOURCE
        if is_source and KEEP_ARG_INFO not in options.split():
            options = f"{options} {KEEP_ARG_INFO}".strip()
        try:
            program._build(options.encode(), [device.handle for device in devices])
        except cl.Error as error:
            logs = "\n".join(log for log in self.build_logs(program) if log.strip())
            raise error_for(error.routine, error.code, logs or _what(error)) from error

    @translated("clGetProgramBuildInfo")
    def build_logs(self, program: Any) -> list[str]:
        """Return one log per device."""
        return [_build_log(program, device) for device in program.get_info(cl.program_info.DEVICES)]

    @translated("clGetProgramInfo")
    def program_binaries(self, program: Any) -> list[bytes]:
        """Return one binary per device."""
        return [bytes(binary) for binary in program.get_info(cl.program_info.BINARIES)]

    @translated("clGetKernelInfo")
    def program_kernels(self, program: Any) -> list[KernelInfo]:
        """Ask the driver about each kernel."""
        devices = program.get_info(cl.program_info.DEVICES)
        names = program.get_info(cl.program_info.KERNEL_NAMES)  # `all_kernels` would never free them
        return [_describe_kernel(_cl.Kernel(program, name), devices) for name in names.split(";") if name]

    @translated("clCreateKernel")
    def create_kernel(self, program: Any, name: str) -> Any:
        """Return a core kernel."""
        return _cl.Kernel(program, name)

    @translated("clSetKernelArg")
    def set_kernel_arg(self, kernel: Any, index: int, value: Any | bytes | LocalSize | None) -> None:
        """Set one argument."""
        if isinstance(value, bytes):
            kernel._set_arg_buf(index, value)
        elif isinstance(value, LocalSize):
            kernel.set_arg(index, cl.LocalMemory(value.size))
        elif value is None:
            kernel._set_arg_null(index)
        else:
            kernel.set_arg(index, value)

    @translated("clEnqueueNDRangeKernel")
    def enqueue_nd_range_kernel(
        self,
        queue: Any,
        kernel: Any,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Launch a kernel."""
        return _cl.enqueue_nd_range_kernel(queue, kernel, global_size, local_size, offset, wait_for)

    @translated("clEnqueueWriteBuffer")
    def enqueue_write_buffer(
        self, queue: Any, buffer: Any, content: Bytes, offset: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Write without blocking; the event keeps the content alive, and its end waits for completion."""
        return _cl._enqueue_write_buffer(queue, buffer, content, offset, wait_for, False)

    @translated("clEnqueueReadBuffer")
    def enqueue_read_buffer(
        self, queue: Any, buffer: Any, target: Bytes, offset: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Read without blocking; the event keeps the target alive, and its end waits for completion."""
        return _cl._enqueue_read_buffer(queue, buffer, target, offset, wait_for, False)

    @translated("clEnqueueCopyBuffer")
    def enqueue_copy_buffer(
        self,
        queue: Any,
        source: Any,
        target: Any,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Copy between buffers."""
        return _cl._enqueue_copy_buffer(queue, source, target, size, source_offset, target_offset, wait_for)

    @translated("clEnqueueFillBuffer")
    def enqueue_fill_buffer(
        self, queue: Any, buffer: Any, pattern: bytes, offset: int, size: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Fill a region; not every driver refuses patterns of other lengths than the specification's."""
        if len(pattern) not in PATTERN_SIZES:
            raise ValueError(f"a pattern of {len(pattern)} bytes; {PATTERN_SIZES} are possible")
        return _cl._enqueue_fill_buffer(queue, buffer, pattern, offset, size, wait_for)

    @translated("clEnqueueMapBuffer")
    def enqueue_map_buffer(
        self, queue: Any, buffer: Any, flags: int, offset: int, size: int, wait_for: Sequence[Any] | None
    ) -> tuple[Any, memoryview, Any]:
        """Map a region without blocking."""
        array, event = _cl.enqueue_map_buffer(
            queue, buffer, flags, offset, (size,), np.dtype(np.uint8), "C", None, wait_for, False
        )
        return array, memoryview(array), event

    @translated("clEnqueueUnmapMemObject")
    def enqueue_unmap(self, queue: Any, mapping: Any) -> Any:
        """End a mapping."""
        return mapping.base.release(queue)

    @translated("clEnqueueMarkerWithWaitList")
    def enqueue_marker(self, queue: Any, wait_for: Sequence[Any] | None) -> Any:
        """Enqueue a marker."""
        return _cl._enqueue_marker_with_wait_list(queue, wait_for)

    @translated("clEnqueueBarrierWithWaitList")
    def enqueue_barrier(self, queue: Any, wait_for: Sequence[Any] | None) -> Any:
        """Enqueue a barrier."""
        return _cl._enqueue_barrier_with_wait_list(queue, wait_for)

    @translated("clFlush")
    def flush(self, queue: Any) -> None:
        """Submit what is enqueued."""
        queue.flush()

    @translated("clGetEventInfo")
    def event_status(self, event: Any) -> int:
        """Ask for the status."""
        return int(event.command_execution_status)

    def event_times(self, event: Any) -> list[int] | None:
        """Ask for the four times."""
        try:
            profile = event.profile
            return [profile.queued, profile.submit, profile.start, profile.end]
        except cl.Error:
            return None

    def wait(self, event: Any) -> None:
        """Block, with the interpreter free for other threads."""
        try:
            event.wait()
        except cl.Error:
            return  # the status tells


def _describe(name: str, platform: cl.Platform, device: cl.Device) -> BackendDevice:
    kind = next((word for bit, word in KINDS if device.type & bit), "custom")
    return BackendDevice(
        name=name,
        platform=_infos(platform, cl.platform_info),
        info=_infos(device, cl.device_info),
        kind=kind,
        api="opencl",
        handle=device,
    )


def _infos(queried: Any, names: type) -> dict[int, InfoValue]:
    """Return every info that the driver answers with a plain value."""
    values: dict[int, InfoValue] = {}
    for name in dir(names):
        number = getattr(names, name)
        if name.startswith("_") or not isinstance(number, int):
            continue
        try:
            value = queried.get_info(number)
        except (cl.Error, ValueError):
            continue  # unknown to this driver
        if isinstance(value, (list, tuple)) and all(isinstance(part, int) for part in value):
            values[number] = [int(part) for part in value]
        elif isinstance(value, int) and number in KNOWN_BITS:
            values[number] = value & KNOWN_BITS[number]
        elif isinstance(value, (bool, int, str)):
            values[number] = value
    return values


def _build_log(program: Any, device: cl.Device) -> str:
    try:
        return program.get_build_info(device, cl.program_build_info.LOG) or ""
    except UnicodeDecodeError:
        return "(the compiler's log is not UTF-8)"


def _describe_kernel(kernel: Any, devices: list[cl.Device]) -> KernelInfo:
    attributes = ""
    with contextlib.suppress(cl.Error):  # not in OpenCL before 1.2
        attributes = kernel.get_info(cl.kernel_info.ATTRIBUTES)
    count = kernel.get_info(cl.kernel_info.NUM_ARGS)
    try:
        args = [_describe_arg(kernel, index) for index in range(count)]
    except cl.Error:
        args = []  # built from a binary without argument info
    return KernelInfo(
        kernel.get_info(cl.kernel_info.FUNCTION_NAME),
        count,
        attributes,
        args,
        [_describe_work_group(kernel, device) for device in devices],
    )


def _describe_arg(kernel: Any, index: int) -> ArgInfo:
    ask, info = kernel.get_arg_info, cl.kernel_arg_info
    return ArgInfo(
        ask(index, info.NAME),
        ask(index, info.TYPE_NAME),
        ask(index, info.ADDRESS_QUALIFIER),
        ask(index, info.ACCESS_QUALIFIER),
        ask(index, info.TYPE_QUALIFIER),
    )


def _describe_work_group(kernel: Any, device: cl.Device) -> WorkGroupInfo:
    ask, info = kernel.get_work_group_info, cl.kernel_work_group_info
    return WorkGroupInfo(
        ask(info.WORK_GROUP_SIZE, device),
        [int(size) for size in ask(info.COMPILE_WORK_GROUP_SIZE, device)],
        ask(info.LOCAL_MEM_SIZE, device),
        ask(info.PREFERRED_WORK_GROUP_SIZE_MULTIPLE, device),
        ask(info.PRIVATE_MEM_SIZE, device),
    )
