"""Programs and kernels."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import pyopencl as cl

from accelpool_node.backends.base.types import BackendDevice, LocalSize
from accelpool_node.backends.opencl.core import raw, translated, what_of
from accelpool_wire.errors import Error, error_for
from accelpool_wire.messages import ArgInfo, InfoValue, KernelInfo, WorkGroupInfo

KEEP_ARG_INFO = "-cl-kernel-arg-info"
MAX_DIMENSIONS = 3
BUILD_NONE = -1  # CL_BUILD_NONE
PROGRAM_INFOS = (cl.program_info.SCOPE_GLOBAL_CTORS_PRESENT, cl.program_info.SCOPE_GLOBAL_DTORS_PRESENT)


class Programs:
    """Programs and kernels."""

    @translated("clCreateProgramWithSource")
    def create_program_with_source(self, context: Any, source: str) -> Any:
        """Return a core program."""
        return raw._Program(context, source)

    @translated("clCreateProgramWithBinary")
    def create_program_with_binary(
        self, context: Any, devices: Sequence[BackendDevice], binaries: Sequence[bytes]
    ) -> Any:
        """Return a core program."""
        return raw._Program(context, [device.handle for device in devices], list(binaries))

    @translated("clCreateProgramWithIL")
    def create_program_with_il(self, context: Any, il: bytes) -> Any:
        """Return a core program."""
        return raw._create_program_with_il(context, il)

    @translated("clCreateProgramWithBuiltInKernels")
    def create_program_with_built_in_kernels(
        self, context: Any, devices: Sequence[BackendDevice], names: str
    ) -> Any:
        """Return a core program."""
        handles = [device.handle for device in devices]
        return raw._Program.create_with_built_in_kernels(context, handles, names)

    @translated("clSetProgramSpecializationConstant")
    def set_specialization_constant(self, program: Any, constant: int, value: bytes) -> None:
        """Set it, of a program from SPIR-V: some drivers end their process over others."""
        if program.kind() != cl.program_kind.IL:
            routine, what = "clSetProgramSpecializationConstant", "the program is not from SPIR-V"
            raise error_for(routine, cl.status_code.INVALID_PROGRAM, what)
        program.set_specialization_constant(constant, value)

    @translated("clBuildProgram")
    def build_program(self, program: Any, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link, asking the compiler to keep the argument info.

        NVIDIA's makes PTX of a kernel without arguments then that its assembler does not take.
        """
        handles = [device.handle for device in devices]
        with self._telling(program):
            try:
                program._build(_encoded(program, options), handles)
            except cl.Error:
                if not any("ptxas fatal" in log for log in self.build_logs(program)):
                    raise
                program._build(options.encode(), handles)

    @translated("clCompileProgram")
    def compile_program(
        self,
        program: Any,
        devices: Sequence[BackendDevice],
        options: str,
        headers: Sequence[tuple[str, Any]],
    ) -> None:
        """Compile, asking the compiler to keep the argument info."""
        with self._telling(program):
            handles = [device.handle for device in devices]
            program.compile(_encoded(program, options), handles, list(headers))

    @translated("clLinkProgram")
    def link_program(
        self, context: Any, programs: Sequence[Any], devices: Sequence[BackendDevice], options: str
    ) -> Any:
        """Return a core program.

        PyOpenCL's error holds the program of a failed link, and releases it when the error goes; Intel's
        runtime does not survive that. So the error stays, past the interpreter's end.
        """
        for program in programs:
            _check_compiled(program, devices)
        try:
            handles = [device.handle for device in devices]
            return raw._Program.link(context, list(programs), options.encode(), handles)
        except cl.Error as error:
            for record in error.args:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(record))
            raise

    @translated("clUnloadPlatformCompiler")
    def unload_platform_compiler(self, device: BackendDevice) -> None:
        """Tell the driver."""
        raw.unload_platform_compiler(device.handle.platform)

    @contextlib.contextmanager
    def _telling(self, program: Any) -> Iterator[None]:
        """Have a failure to compile tell what the compiler said."""
        try:
            yield
        except cl.Error as error:
            logs = "\n".join(log for log in self.build_logs(program) if log.strip())
            raise error_for(error.routine, error.code, logs or what_of(error)) from error

    @translated("clGetProgramBuildInfo")
    def build_logs(self, program: Any) -> list[str]:
        """Return one log per device."""
        return [_build_log(program, device) for device in program.get_info(cl.program_info.DEVICES)]

    @translated("clGetProgramInfo")
    def program_binaries(self, program: Any) -> list[bytes]:
        """Return one binary per device."""
        return [bytes(binary) for binary in program.get_info(cl.program_info.BINARIES)]

    @translated("clGetProgramInfo")
    def program_info(self, program: Any, name: int) -> InfoValue:
        """Ask the driver."""
        if name not in PROGRAM_INFOS:
            raise _unknown("clGetProgramInfo", name)
        return int(program.get_info(name))

    @translated("clGetProgramBuildInfo")
    def build_info(self, program: Any, device: BackendDevice, name: int) -> InfoValue:
        """Ask the driver."""
        if name == cl.program_build_info.GLOBAL_VARIABLE_TOTAL_SIZE:
            return _global_variable_total_size(program, device.handle)
        value = program.get_build_info(device.handle, name)
        return value if isinstance(value, str) else int(value)

    @translated("clGetKernelInfo")
    def program_kernels(self, program: Any) -> list[KernelInfo]:
        """Ask the driver about each kernel."""
        if not program.get_info(cl.program_info.NUM_KERNELS):
            return []  # NVIDIA's driver ends the process over the names of none
        devices = program.get_info(cl.program_info.DEVICES)
        names = program.get_info(cl.program_info.KERNEL_NAMES)  # `all_kernels` would never free them
        return [_describe_kernel(raw.Kernel(program, name), devices) for name in names.split(";") if name]

    def program_variable(self, program: Any, name: str) -> tuple[Any, int]:  # noqa: ARG002 - whichever it is
        """Refuse: a program of OpenCL shows no variables."""
        what = "a program of OpenCL shows no variables"
        raise error_for("clCreateBuffer", cl.status_code.INVALID_OPERATION, what)

    @translated("clCreateKernel")
    def create_kernel(self, program: Any, name: str) -> Any:
        """Return a core kernel."""
        return raw.Kernel(program, name)

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

    def set_kernel_attribute(self, kernel: Any, name: int, value: int) -> None:  # noqa: ARG002 - whichever
        """Refuse: kernels of OpenCL have none to set."""
        what = f"kernels of OpenCL have no attribute {name:#x} to set"
        raise error_for("clSetKernelExecInfo", cl.status_code.INVALID_OPERATION, what)

    @translated("clGetKernelWorkGroupInfo")
    def work_group_info(self, kernel: Any, device: BackendDevice, name: int) -> InfoValue:
        """Ask the driver."""
        return _number_or_numbers(kernel.get_work_group_info(name, device.handle))

    @translated("clGetKernelSubGroupInfo")
    def sub_group_info(
        self, kernel: Any, device: BackendDevice, name: int, given: Sequence[int]
    ) -> InfoValue:
        """Ask the driver."""
        info = cl.kernel_sub_group_info
        needed: Any = None
        if name in (info.MAX_SUB_GROUP_SIZE_FOR_NDRANGE, info.SUB_GROUP_COUNT_FOR_NDRANGE):
            needed = list(given)
        elif name == info.LOCAL_SIZE_FOR_SUB_GROUP_COUNT and len(given) == 2:
            return _local_size(kernel, device.handle, *given)
        elif name == info.LOCAL_SIZE_FOR_SUB_GROUP_COUNT:
            (needed,) = given
        return _number_or_numbers(kernel.get_sub_group_info(device.handle, name, needed))


def _check_compiled(program: Any, devices: Sequence[BackendDevice]) -> None:
    """Refuse to link a source that was compiled for none of the devices; not every driver does."""
    if program.kind() != cl.program_kind.SOURCE:
        return
    asked = cl.program_build_info.STATUS
    if all(program.get_build_info(device.handle, asked) == BUILD_NONE for device in devices):
        raise error_for("clLinkProgram", cl.status_code.INVALID_OPERATION, "a program is not compiled")


def _global_variable_total_size(program: Any, device: cl.Device) -> int:
    """Return the bytes of a program's global variables.

    NVIDIA's driver writes four of the eight bytes that it is given, so the others have to be 0 before.
    """
    routine, name = "clGetProgramBuildInfo", cl.program_build_info.GLOBAL_VARIABLE_TOTAL_SIZE
    size = ctypes.c_size_t(0)
    ask = getattr(ctypes.CDLL(raw.__file__), routine)
    ask.argtypes = (
        *[ctypes.c_void_p] * 2,
        ctypes.c_uint32,
        ctypes.c_size_t,
        *[ctypes.c_void_p] * 2,
    )
    code = ask(program.int_ptr, device.int_ptr, name, ctypes.sizeof(size), ctypes.byref(size), None)
    if code:
        raise error_for(routine, code, "the driver does not tell how large its global variables are")
    return size.value


def _local_size(kernel: Any, device: cl.Device, count: int, dimensions: int) -> InfoValue:
    """Return the local size, of so many dimensions, that makes so many sub-groups.

    It is asked for through the loader that PyOpenCL is linked with, which does not say how many it has room
    for.
    """
    routine = "clGetKernelSubGroupInfo"
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        what = f"a local size of {dimensions} dimensions; 1 to {MAX_DIMENSIONS} are possible"
        raise error_for(routine, cl.status_code.INVALID_VALUE, what)
    needed, sizes = ctypes.c_size_t(count), (ctypes.c_size_t * dimensions)()
    ask = getattr(ctypes.CDLL(raw.__file__), routine)
    ask.argtypes = (
        *[ctypes.c_void_p] * 2,
        ctypes.c_uint32,
        *[ctypes.c_size_t, ctypes.c_void_p] * 2,
        ctypes.c_void_p,
    )
    name = cl.kernel_sub_group_info.LOCAL_SIZE_FOR_SUB_GROUP_COUNT
    asked = (ctypes.sizeof(needed), ctypes.byref(needed), ctypes.sizeof(sizes), sizes)
    code = ask(kernel.int_ptr, device.int_ptr, name, *asked, None)
    if code:
        raise error_for(routine, code, f"there is no local size for {count} sub-groups")
    return list(sizes)


def _unknown(routine: str, name: int) -> Error:
    return error_for(routine, cl.status_code.INVALID_VALUE, f"there is no info {name:#x} to ask for")


def _number_or_numbers(value: Any) -> InfoValue:
    return [int(part) for part in value] if isinstance(value, (list, tuple)) else int(value)


def _encoded(program: Any, options: str) -> bytes:
    """Return options for a compiler, that of a source being asked to keep the argument info."""
    if program.kind() == cl.program_kind.SOURCE and KEEP_ARG_INFO not in options.split():
        options = f"{options} {KEEP_ARG_INFO}".strip()
    return options.encode()


def _build_log(program: Any, device: cl.Device) -> str:
    try:
        return program.get_build_info(device, cl.program_build_info.LOG) or ""
    except cl.Error:
        return ""  # PoCL has none of a program that it never compiled
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
        [_work_group_on(kernel, device) for device in devices],
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


def _work_group_on(kernel: Any, device: cl.Device) -> WorkGroupInfo:
    try:
        return _describe_work_group(kernel, device)
    except cl.Error:
        return WorkGroupInfo(0, [0, 0, 0], 0, 0, 0)  # not built for this device


def _describe_work_group(kernel: Any, device: cl.Device) -> WorkGroupInfo:
    ask, info = kernel.get_work_group_info, cl.kernel_work_group_info
    return WorkGroupInfo(
        ask(info.WORK_GROUP_SIZE, device),
        [int(size) for size in ask(info.COMPILE_WORK_GROUP_SIZE, device)],
        ask(info.LOCAL_MEM_SIZE, device),
        ask(info.PREFERRED_WORK_GROUP_SIZE_MULTIPLE, device),
        ask(info.PRIVATE_MEM_SIZE, device),
    )
