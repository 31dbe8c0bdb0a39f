"""What PyOpenCL's Python layer finds under the names `pyopencl` and `pyopencl._cl`.

All of accelpool's names, and the few small things below.
"""

from __future__ import annotations

import sys
from typing import Any

import accelpool
from accelpool.device import get_cl_header_version
from accelpool.memory_pool import (
    AllocatorBase,
    DeferredAllocator,
    ImmediateAllocator,
    MemoryPool,
    PooledBuffer,
)
from accelpool.svm_pool import PooledSVM, SVMAllocator, SVMPool

# Unless this is set the layer keeps generated kernels as pickles in the user's folder. Here it does not.
_PYOPENCL_NO_CACHE = True
_PYPY = sys.implementation.name == "pypy"


def bitlog2(value: int, /) -> int:
    """Return the place of the highest bit of a number; 0 for 0."""
    return max(value.bit_length() - 1, 0)


def __getattr__(name: str) -> Any:
    return getattr(accelpool, name)


__all__ = [
    "AllocatorBase",
    "DeferredAllocator",
    "ImmediateAllocator",
    "MemoryPool",
    "PooledBuffer",
    "PooledSVM",
    "SVMAllocator",
    "SVMPool",
    "bitlog2",
    "get_cl_header_version",
]
