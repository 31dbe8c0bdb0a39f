"""OpenCL C, as the tests write it, as CUDA C++: for devices whose compiler takes that.

It knows what the tests' kernels are made of, and no more. Local memory that is a parameter becomes the
launch's dynamic shared memory, of which a kernel has one piece, and which takes no parameter's place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from accelpool_wire.messages import InfoValue

COMPUTE_CAPABILITY_MAJOR = 0x20000 + 75  # only CUDA's devices have it
PRELUDE = """
#define uint unsigned int
#define ulong unsigned long
#define CLK_LOCAL_MEM_FENCE 0
#define barrier(fence) __syncthreads()
#define AXIS_OF(place, axis) ((axis) == 0 ? (place).x : (axis) == 1 ? (place).y : (place).z)
#define get_local_id(axis) ((size_t)AXIS_OF(threadIdx, axis))
#define get_local_size(axis) ((size_t)AXIS_OF(blockDim, axis))
#define get_group_id(axis) ((size_t)AXIS_OF(blockIdx, axis))
#define get_num_groups(axis) ((size_t)AXIS_OF(gridDim, axis))
#define get_global_size(axis) (get_num_groups(axis) * get_local_size(axis))
#define get_global_id(axis) (get_group_id(axis) * get_local_size(axis) + get_local_id(axis))
#line 1
"""
KERNEL = re.compile(r"__kernel\s+void\s+(?P<name>\w+)\s*\((?P<parameters>[^)]*)\)\s*{")
LOCAL = re.compile(r"__local\s+(?P<type>\w+)\s*\*\s*(?P<name>\w+)")


def is_cuda(info: Mapping[int, InfoValue]) -> bool:
    """Whether a device's compiler takes CUDA C++."""
    return COMPUTE_CAPABILITY_MAJOR in info


def for_cuda(source: str) -> str:
    """Return a source of kernels in CUDA C++; one without any stays as it is."""
    if not KERNEL.search(source):
        return source
    text = KERNEL.sub(_kernel, source)
    text = re.sub(r"\b__(?:global|private)\b\s*", "", text)
    return PRELUDE + re.sub(r"\b__constant\b", "const", text)


def _kernel(found: re.Match[str]) -> str:
    parameters, shared = [], ""
    for parameter in found["parameters"].split(","):
        local = LOCAL.search(parameter)
        if local is None:
            parameters.append(parameter.strip())
        else:
            shared += f" extern __shared__ {local['type']} {local['name']}[];"
    return f'extern "C" __global__ void {found["name"]}({", ".join(parameters)}) {{{shared}'
