"""Null devices that look like CUDA's to a session: the path of CUDA programs without a GPU.

Memory is host memory at its own address, and so are the variables of a program; a launch takes all its
parameters in one piece and does nothing. Each is at the place of the null device with its number: where a
node has both, they are faces of the same hardware.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from accelpool_node.backends.base.types import BackendDevice, LocalSize
from accelpool_node.backends.null import NullBackend
from accelpool_node.backends.null.devices import INFO, place
from accelpool_node.backends.null.objects import (
    MAX_GROUP,
    NullBuffer,
    NullEvent,
    NullKernel,
    NullProgram,
    NullQueue,
    refused,
)
from accelpool_wire.codes import ErrorCode
from accelpool_wire.messages import InfoValue, KernelInfo, WorkGroupInfo

KERNEL = re.compile(r"\b__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)")
VARIABLE = re.compile(r"\b__(?:device|constant)__\s+(char|int|float|double)\s+(\w+)\s*(?:\[(\d+)\])?\s*[;=]")
SIZES = {"char": 1, "int": 4, "float": 4, "double": 8}
MAX_NUMBERS = 1 << 20
ATTRIBUTES = 0x20000
# CUDA's numbers of device attributes that clients ask for, and these devices' answers.
TOLD: dict[int, InfoValue] = {
    1: MAX_GROUP,  # MAX_THREADS_PER_BLOCK
    2: MAX_GROUP,  # MAX_BLOCK_DIM_X
    8: 49152,  # MAX_SHARED_MEMORY_PER_BLOCK
    10: 32,  # WARP_SIZE
    12: 65536,  # MAX_REGISTERS_PER_BLOCK
    16: 1,  # MULTIPROCESSOR_COUNT
    75: 7,  # COMPUTE_CAPABILITY_MAJOR
    76: 5,  # COMPUTE_CAPABILITY_MINOR
    97: 65536,  # MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
}
# What can be set of a function, and to what.
SETTABLE = {
    ATTRIBUTES + 8: range(65537),  # MAX_DYNAMIC_SHARED_SIZE_BYTES
    ATTRIBUTES + 9: range(-1, 101),  # PREFERRED_SHARED_MEMORY_CARVEOUT, in percent
    ATTRIBUTES + 0x100: range(4),  # which cache it prefers
}
PLATFORM: dict[int, InfoValue] = {0x0901: "CUDA 12.4", 0x0902: "NVIDIA CUDA", 0x0903: "accelpool"}


class NullCudaBackend(NullBackend):
    """CUDA devices that compute nothing; see `base.Backend` for the methods.

    Args:
        count: How many devices there are.
    """

    name = "null-cuda"

    def devices(self) -> list[BackendDevice]:
        """Return as many devices as asked for."""
        told = {ATTRIBUTES + number: value for number, value in TOLD.items()}
        capability: dict[int, InfoValue] = {0x4000: 7, 0x4001: 5}
        return [
            BackendDevice(
                name=f"null-cuda-{index}",
                platform=dict(PLATFORM),
                info={
                    **INFO,
                    **told,
                    **capability,
                    **place(index),
                    0x102B: f"null-cuda-{index}",
                    0x102F: "CUDA 7.5 null",
                },
                kind="custom",
                api="cuda",
            )
            for index in range(self._count)
        ]

    def build_program(self, program: NullProgram, devices: Sequence[BackendDevice], options: str) -> None:
        """Find the kernels; a source with neither one nor a variable does not build."""
        found = {name: _count(parameters) for name, parameters in KERNEL.findall(program.source)}
        if not found and not VARIABLE.search(program.source):
            what = "kernel.cu: error: no kernel in the source"
            raise refused("clBuildProgram", ErrorCode.BUILD_PROGRAM_FAILURE, what)
        program.kernels = found

    def program_kernels(self, program: NullProgram) -> list[KernelInfo]:
        """Return names and parameter counts."""
        group = WorkGroupInfo(MAX_GROUP, [0, 0, 0], 0, 32, 0)
        return [KernelInfo(name, count, "", [], [group]) for name, count in program.kernels.items()]

    def program_variable(self, program: NullProgram, name: str) -> tuple[NullBuffer, int]:
        """Return zeroed memory as large as the variable."""
        for kind, found, count in VARIABLE.findall(program.source):
            if found == name:
                size = SIZES[kind] * min(int(count or 1), MAX_NUMBERS)
                return NullBuffer(content=memoryview(bytearray(size))), size
        what = f"CUDA_ERROR_NOT_FOUND: no variable {name}"
        raise refused("cuModuleGetGlobal", ErrorCode.INVALID_VALUE, what)

    def set_kernel_arg(
        self, kernel: NullKernel, index: int, value: NullBuffer | bytes | LocalSize | None
    ) -> None:
        """Remember the argument: all parameters in one piece, or one, or the shared memory behind them."""
        kernel.args[index] = value

    def set_kernel_attribute(self, kernel: NullKernel, name: int, value: int) -> None:
        """Remember one that can be set, if it is of a possible value."""
        if value not in SETTABLE.get(name, ()):
            what = f"CUDA_ERROR_INVALID_VALUE: {value} for attribute {name - ATTRIBUTES:#x}"
            raise refused("clSetKernelExecInfo", ErrorCode.INVALID_VALUE, what)
        kernel.attributes[name] = value

    def enqueue_nd_range_kernel(
        self,
        queue: NullQueue,
        kernel: NullKernel,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Check the sizes, and do nothing; that all parameters are set, the worker knows."""
        nothing = NullKernel(count=0)
        return super().enqueue_nd_range_kernel(queue, nothing, global_size, local_size, offset, wait_for)

    def work_group_info(self, kernel: NullKernel, device: BackendDevice, name: int) -> InfoValue:
        """Return a function's attributes: the most threads, what was set, else 0."""
        if name < ATTRIBUTES:
            return super().work_group_info(kernel, device, name)
        return MAX_GROUP if name == ATTRIBUTES else kernel.attributes.get(name, 0)


def _count(parameters: str) -> int:
    return 0 if parameters.strip() in ("", "void") else parameters.count(",") + 1
