"""Programs and kernels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import BackendDevice, LocalSize
from accelpool_node.backends.null.objects import MAX_GROUP, NullBuffer, NullKernel, NullProgram, refused
from accelpool_wire.codes import ErrorCode
from accelpool_wire.messages import KernelInfo, WorkGroupInfo

KERNEL = re.compile(r"\b(?:__)?kernel\s+void\s+(\w+)\s*\(([^)]*)\)")


class Programs:
    """Programs, whose kernels do nothing."""

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
            raise refused("clBuildProgram", ErrorCode.BUILD_PROGRAM_FAILURE, "no kernel in the source")
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
            raise refused("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME, name)
        return NullKernel(count=program.kernels[name])

    def set_kernel_arg(
        self, kernel: NullKernel, index: int, value: NullBuffer | bytes | LocalSize | None
    ) -> None:
        """Remember the argument."""
        if not 0 <= index < kernel.count:
            raise refused("clSetKernelArg", ErrorCode.INVALID_ARG_INDEX, str(index))
        kernel.args[index] = value


def _count_args(args: str) -> int:
    return 0 if args.strip() in ("", "void") else args.count(",") + 1
