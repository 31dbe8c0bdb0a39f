"""A backend's part of programs and kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelpool_node.backends.base.types import (
    BackendDevice,
    Context,
    Kernel,
    LocalSize,
    Memory,
    Program,
    Sampler,
)
from accelpool_wire.messages import KernelInfo


class Programs(Protocol):
    """Of a backend: programs and kernels."""

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

    def set_kernel_arg(
        self, kernel: Kernel, index: int, value: Memory | Sampler | bytes | LocalSize | None
    ) -> None:
        """Set one argument.

        It is a memory object, a sampler, the bytes of a scalar or struct, local memory, or a null buffer.
        """
        ...
