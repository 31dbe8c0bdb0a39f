"""Programs and kernels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import BackendDevice, LocalSize
from accelpool_node.backends.null.objects import (
    MAX_GROUP,
    PAUSE,
    NullBuffer,
    NullKernel,
    NullProgram,
    refused,
)
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.messages import InfoValue, KernelInfo, WorkGroupInfo

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)".*$', re.MULTILINE)
KERNEL = re.compile(r"\b(?:__)?kernel\s+void\s+([\w.]+)\s*\(([^)]*)\)")
OPTIONS, LOG, BINARY_TYPE, EXECUTABLE = 0x1182, 0x1183, 0x1184, 4


class Programs:
    """Programs, whose kernels do nothing; one may take its time."""

    def create_program_with_source(self, context: Any, source: str) -> NullProgram:
        """Return the source."""
        return NullProgram(source=source)

    def create_program_with_binary(
        self, context: Any, devices: Sequence[BackendDevice], binaries: Sequence[bytes]
    ) -> NullProgram:
        """Return the source that the binary is."""
        return NullProgram(source=binaries[0].decode("utf-8", "replace"))

    def create_program_with_il(self, context: Any, il: bytes) -> NullProgram:
        """Refuse: no intermediate language is known."""
        raise refused(
            "clCreateProgramWithIL", ErrorCode.INVALID_OPERATION, "no intermediate language is known"
        )

    def create_program_with_built_in_kernels(
        self, context: Any, devices: Sequence[BackendDevice], names: str
    ) -> NullProgram:
        """Return source of kernels with these names."""
        return NullProgram(source="".join(f"kernel void {name}() {{}}" for name in names.split(";")))

    def set_specialization_constant(self, program: NullProgram, constant: int, value: bytes) -> None:
        """Refuse: no program has one."""
        raise refused("clSetProgramSpecializationConstant", ErrorCode.INVALID_PROGRAM, str(constant))

    def build_program(self, program: NullProgram, devices: Sequence[BackendDevice], options: str) -> None:
        """Find the kernels; source without any does not build."""
        found = {name: _count_args(args) for name, args in KERNEL.findall(program.source)}
        if not found:
            raise refused("clBuildProgram", ErrorCode.BUILD_PROGRAM_FAILURE, "no kernel in the source")
        program.kernels = found

    def compile_program(
        self,
        program: NullProgram,
        devices: Sequence[BackendDevice],
        options: str,
        headers: Sequence[tuple[str, NullProgram]],
    ) -> None:
        """Put the headers in the place of the lines that include them; all must be there."""
        known = dict(headers)
        for name in INCLUDE.findall(program.source):
            if name not in known:
                raise refused("clCompileProgram", ErrorCode.COMPILE_PROGRAM_FAILURE, f"no header {name}")
        program.source = INCLUDE.sub(lambda found: known[found[1]].source, program.source)

    def link_program(
        self, context: Any, programs: Sequence[NullProgram], devices: Sequence[BackendDevice], options: str
    ) -> NullProgram:
        """Return a program of all their kernels; without any it is no executable."""
        linked = NullProgram(source="\n".join(program.source for program in programs))
        if "-create-library" not in options.split():
            try:
                self.build_program(linked, devices, "")
            except Error as error:
                raise refused("clLinkProgram", ErrorCode.LINK_PROGRAM_FAILURE, error.what) from error
        return linked

    def unload_platform_compiler(self, device: BackendDevice) -> None:
        """Do nothing: there is none."""

    def build_logs(self, program: NullProgram) -> list[str]:
        """Return one empty log."""
        return [""]

    def program_binaries(self, program: NullProgram) -> list[bytes]:
        """Return the source."""
        return [program.source.encode()]

    def program_info(self, program: NullProgram, name: int) -> InfoValue:
        """Return 0: no program has constructors."""
        return 0

    def build_info(self, program: NullProgram, device: BackendDevice, name: int) -> InfoValue:
        """Return what little there is: no texts, and no variables."""
        known: dict[int, InfoValue] = {
            OPTIONS: "",
            LOG: "",
            BINARY_TYPE: EXECUTABLE if program.kernels else 0,
        }
        return known.get(name, 0)

    def program_kernels(self, program: NullProgram) -> list[KernelInfo]:
        """Return names and argument counts."""
        group = WorkGroupInfo(MAX_GROUP, [0, 0, 0], 0, 1, 0)
        return [KernelInfo(name, count, "", [], [group]) for name, count in program.kernels.items()]

    def program_variable(self, program: NullProgram, name: str) -> tuple[NullBuffer, int]:
        """Refuse: no program has one."""
        raise refused("clCreateBuffer", ErrorCode.INVALID_OPERATION, name)

    def create_kernel(self, program: NullProgram, name: str) -> NullKernel:
        """Return the kernel's argument count."""
        if name not in program.kernels:
            raise refused("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME, name)
        return NullKernel(count=program.kernels[name], is_pause=name == PAUSE)

    def set_kernel_arg(
        self, kernel: NullKernel, index: int, value: NullBuffer | bytes | LocalSize | None
    ) -> None:
        """Remember the argument."""
        if not 0 <= index < kernel.count:
            raise refused("clSetKernelArg", ErrorCode.INVALID_ARG_INDEX, str(index))
        kernel.args[index] = value

    def set_kernel_attribute(self, kernel: NullKernel, name: int, value: int) -> None:
        """Refuse: kernels have none."""
        raise refused("clSetKernelExecInfo", ErrorCode.INVALID_OPERATION, hex(name))

    def work_group_info(self, kernel: NullKernel, device: BackendDevice, name: int) -> InfoValue:
        """Refuse: only custom kernels have a global size, and these have none."""
        raise refused("clGetKernelWorkGroupInfo", ErrorCode.INVALID_VALUE, hex(name))

    def sub_group_info(
        self, kernel: NullKernel, device: BackendDevice, name: int, given: Sequence[int]
    ) -> InfoValue:
        """Refuse: there are no sub-groups."""
        raise refused("clGetKernelSubGroupInfo", ErrorCode.INVALID_OPERATION, hex(name))


def _count_args(args: str) -> int:
    return 0 if args.strip() in ("", "void") else args.count(",") + 1
