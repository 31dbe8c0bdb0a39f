"""Programs and kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import pyopencl as cl

from accelpool_node.backends.base.types import BackendDevice, LocalSize
from accelpool_node.backends.opencl.core import raw, translated, what_of
from accelpool_wire.errors import error_for
from accelpool_wire.messages import ArgInfo, KernelInfo, WorkGroupInfo

KEEP_ARG_INFO = "-cl-kernel-arg-info"


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
            raise error_for(error.routine, error.code, logs or what_of(error)) from error

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
        return [_describe_kernel(raw.Kernel(program, name), devices) for name in names.split(";") if name]

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
