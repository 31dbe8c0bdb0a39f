"""Programs and kernels; `program_parts` has compiling, linking and what can be asked of them."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from accelpool_wire.messages.base import Handle, Part, Posted, Reply, Synchronous


class CreateProgramWithSource(Posted, frozen=True, tag=14):
    """Make a program from OpenCL C source."""

    program: Handle
    context: Handle
    source: str


class CreateProgramWithBinary(Posted, frozen=True, tag=15):
    """Make a program from one binary per device; the payload is the binaries one after the other."""

    has_payload: ClassVar[bool] = True

    program: Handle
    context: Handle
    devices: list[int]
    sizes: list[int]


class ArgInfo(Part, frozen=True):
    """What the compiler says of a kernel argument; qualifiers are OpenCL's numbers."""

    name: str
    type_name: str
    address_qualifier: int
    access_qualifier: int
    type_qualifier: int


class WorkGroupInfo(Part, frozen=True):
    """What a device says of a kernel."""

    work_group_size: int
    compile_work_group_size: list[int]
    local_mem_size: int
    preferred_work_group_size_multiple: int
    private_mem_size: int


class KernelInfo(Part, frozen=True):
    """A kernel of a built program; `args` is empty where the compiler keeps no argument info."""

    name: str
    num_args: int
    attributes: str
    args: list[ArgInfo]
    work_groups: list[WorkGroupInfo]


class Built(Reply, frozen=True, tag=63):
    """A program is built: its kernels, and one log per device."""

    kernels: list[KernelInfo]
    logs: list[str]


class BuildProgram(Synchronous, frozen=True, tag=41):
    """Answered by Built, or by Failed with the build logs in its message."""

    answer: ClassVar[type[Reply]] = Built

    program: Handle
    devices: list[int]
    options: str = ""


class Binaries(Reply, frozen=True, tag=64):
    """The payload is a program's binaries, one per device, one after the other."""

    has_payload: ClassVar[bool] = True

    sizes: list[int]


class GetProgramBinaries(Synchronous, frozen=True, tag=42):
    """Answered by Binaries."""

    answer: ClassVar[type[Reply]] = Binaries

    program: Handle


class CreateKernel(Posted, frozen=True, tag=16):
    """Make a kernel of a built program."""

    kernel: Handle
    program: Handle
    name: str


class LocalMemory(Part, frozen=True):
    """A kernel argument that is local memory of a size."""

    size: int


# A buffer, image or sampler by its handle, the bytes of a scalar or struct, local memory, an offset in shared
# virtual memory (by its handle), or a null buffer.
KernelArg: TypeAlias = int | bytes | LocalMemory | dict[int, int] | None


class SetKernelArgs(Posted, frozen=True, tag=17):
    """Set arguments of a kernel from place `first` on; they stay until set again."""

    kernel: Handle
    first: int
    args: list[KernelArg]
