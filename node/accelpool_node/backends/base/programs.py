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
from accelpool_wire.messages import InfoValue, KernelInfo


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

    def create_program_with_il(self, context: Context, il: bytes) -> Program:
        """Return a program from an intermediate language, not yet built."""
        ...

    def create_program_with_built_in_kernels(
        self, context: Context, devices: Sequence[BackendDevice], names: str
    ) -> Program:
        """Return a program from built-in kernels; the names are separated by semicolons."""
        ...

    def set_specialization_constant(self, program: Program, constant: int, value: bytes) -> None:
        """Set a specialization constant by its id."""
        ...

    def build_program(self, program: Program, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE, with the build logs in `what`.
        """
        ...

    def compile_program(
        self,
        program: Program,
        devices: Sequence[BackendDevice],
        options: str,
        headers: Sequence[tuple[str, Program]],
    ) -> None:
        """Compile, to be linked; `headers` are programs from source and the names that include them.

        Raises:
            RuntimeError: COMPILE_PROGRAM_FAILURE, with the build logs in `what`.
        """
        ...

    def link_program(
        self, context: Context, programs: Sequence[Program], devices: Sequence[BackendDevice], options: str
    ) -> Program:
        """Return a program linked from compiled ones, executable or a library.

        Raises:
            RuntimeError: LINK_PROGRAM_FAILURE.
        """
        ...

    def unload_platform_compiler(self, device: BackendDevice) -> None:
        """Let the compiler of a device's platform free what it holds."""
        ...

    def build_logs(self, program: Program) -> list[str]:
        """Return one build log per device of the program."""
        ...

    def program_binaries(self, program: Program) -> list[bytes]:
        """Return one binary per device of a built program."""
        ...

    def program_info(self, program: Program, name: int) -> InfoValue:
        """Return the value of an info of a program that is a number or a text."""
        ...

    def build_info(self, program: Program, device: BackendDevice, name: int) -> InfoValue:
        """Return the value of an info of a program's build for a device."""
        ...

    def program_kernels(self, program: Program) -> list[KernelInfo]:
        """Return what the compiler and the devices say of each kernel of a built program."""
        ...

    def program_variable(self, program: Program, name: str) -> tuple[Memory, int]:
        """Return a buffer over a variable that a built program has on the device, and its bytes.

        Raises:
            LogicError: INVALID_VALUE: there is none; INVALID_OPERATION: programs of this backend show none.
        """
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

    def set_kernel_attribute(self, kernel: Kernel, name: int, value: int) -> None:
        """Set an attribute of a kernel by the number of its info.

        Raises:
            LogicError: INVALID_VALUE: there is none, or not of this value; INVALID_OPERATION: kernels of this
                backend have none.
        """
        ...

    def work_group_info(self, kernel: Kernel, device: BackendDevice, name: int) -> InfoValue:
        """Return the value of a work-group info of a kernel on a device."""
        ...

    def sub_group_info(
        self, kernel: Kernel, device: BackendDevice, name: int, given: Sequence[int]
    ) -> InfoValue:
        """Return the value of a sub-group info; `given` is what it is asked for: a local size, a count.

        After a count there may be how many dimensions the local size for so many sub-groups is to have.
        """
        ...
