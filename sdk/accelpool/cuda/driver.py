"""The names of `pycuda.driver`, over the pool's devices.

`docs/sdk-cuda.md` says what differs. Names of PyCUDA that are not here need what a pool has not, as `missing`
says of each.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from accelpool.cuda.allocations import (
    DeviceAllocation,
    PointerHolderBase,
    mem_alloc,
    mem_alloc_like,
    mem_alloc_pitch,
    mem_get_address_range,
    mem_get_info,
)
from accelpool.cuda.arguments import ArgumentHandler, In, InOut, Out
from accelpool.cuda.constants import (
    TR_DEFAULT,
    TRSA_OVERRIDE_FORMAT,
    TRSF_NORMALIZED_COORDINATES,
    TRSF_READ_AS_INTEGER,
    array_format,
    compute_mode,
    ctx_flags,
    event_flags,
    func_cache,
    function_attribute,
    host_alloc_flags,
    jit_fallback,
    jit_input_type,
    jit_option,
    jit_target,
    limit,
    mem_host_register_flags,
    memory_type,
    pointer_attribute,
    shared_config,
)
from accelpool.cuda.contexts import Context, current, driver_version
from accelpool.cuda.copies import (
    memcpy_dtod,
    memcpy_dtod_async,
    memcpy_dtoh,
    memcpy_dtoh_async,
    memcpy_htod,
    memcpy_htod_async,
    memset_d2d8,
    memset_d2d8_async,
    memset_d2d16,
    memset_d2d16_async,
    memset_d2d32,
    memset_d2d32_async,
    memset_d8,
    memset_d8_async,
    memset_d16,
    memset_d16_async,
    memset_d32,
    memset_d32_async,
    to_device,
)
from accelpool.cuda.curand import (
    _get_direction_vectors,
    _get_scramble_constants32,
    _get_scramble_constants64,
    direction_vector_set,
    get_curand_version,
)
from accelpool.cuda.device_attributes import device_attribute
from accelpool.cuda.devices import Device
from accelpool.cuda.errors import CompileError, Error, LaunchError, LogicError, MemoryError, RuntimeError
from accelpool.cuda.functions import Function
from accelpool.cuda.host_memory import (
    AlignedHostAllocation,
    HostAllocation,
    HostPointer,
    PagelockedHostAllocation,
    RegisteredHostMemory,
    aligned_empty,
    aligned_empty_like,
    aligned_zeros,
    aligned_zeros_like,
    managed_empty,
    pagelocked_empty,
    pagelocked_empty_like,
    pagelocked_zeros,
    pagelocked_zeros_like,
    register_host_memory,
)
from accelpool.cuda.memory_pools import (
    DeviceMemoryPool,
    PageLockedAllocator,
    PageLockedMemoryPool,
    PooledDeviceAllocation,
    PooledHostAllocation,
    bitlog2,
)
from accelpool.cuda.missing import why_missing
from accelpool.cuda.modules import Linker, Module, module_from_buffer, module_from_file
from accelpool.cuda.peer_copies import Memcpy3DPeer, memcpy_peer, memcpy_peer_async
from accelpool.cuda.rectangle_copies import Memcpy2D, Memcpy3D
from accelpool.cuda.streams import Event, Stream

if not TYPE_CHECKING:  # to a type checker any name would be there

    def __getattr__(name: str) -> object:
        """Say of PyCUDA's other names why they are not here.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(why_missing(name), name=name, obj=sys.modules[__name__])


CUDA_DEBUGGING = False
INTERFACE = (12, 0, 0)
"""The version of CUDA whose interface this is."""

ARRAY_FORMATS: dict[np.dtype[Any], array_format] = {
    np.dtype(np.uint8): array_format.UNSIGNED_INT8,
    np.dtype(np.uint16): array_format.UNSIGNED_INT16,
    np.dtype(np.uint32): array_format.UNSIGNED_INT32,
    np.dtype(np.int8): array_format.SIGNED_INT8,
    np.dtype(np.int16): array_format.SIGNED_INT16,
    np.dtype(np.int32): array_format.SIGNED_INT32,
    np.dtype(np.float32): array_format.FLOAT,
}


def init(flags: int = 0) -> None:
    """Do nothing: there is no driver here; a pool is asked when a device is."""


def get_version() -> tuple[int, int, int]:
    """Return the version of CUDA whose interface this is."""
    return INTERFACE


def get_driver_version() -> int:
    """Return the version of CUDA that the driver of the current context's node has, such as 12040."""
    return driver_version(current("cuDriverGetVersion"))


def have_gl_ext() -> bool:
    """Return False: OpenGL's objects are in the memory of another machine."""
    return False


def set_debugging(flag: bool = True) -> None:
    """Do nothing: there is no debugger to attach to a node's device."""


def start_profiler() -> None:
    """Do nothing: there is no profiler attached to a node's device."""


stop_profiler = start_profiler


def from_device(devptr: Any, shape: Any, dtype: Any, order: Literal["C", "F"] = "C") -> np.ndarray[Any, Any]:
    """Return a new array with the content of device memory: one round trip."""
    made: np.ndarray[Any, Any] = np.empty(shape, dtype, order)
    memcpy_dtoh(made, devptr)
    return made


def from_device_like(devptr: Any, other_ary: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """As `from_device`, of the shape, type and order of another array."""
    made: np.ndarray[Any, Any] = np.empty_like(other_ary)
    memcpy_dtoh(made, devptr)
    return made


def dtype_to_array_format(dtype: Any) -> array_format:
    """Return what an array of a NumPy type is called.

    Raises:
        TypeError: There is no name for it.
    """
    try:
        return ARRAY_FORMATS[np.dtype(dtype)]
    except KeyError:
        raise TypeError(f"cannot convert dtype '{dtype}' to array format") from None


__all__ = [
    "CUDA_DEBUGGING",
    "TRSA_OVERRIDE_FORMAT",
    "TRSF_NORMALIZED_COORDINATES",
    "TRSF_READ_AS_INTEGER",
    "TR_DEFAULT",
    "AlignedHostAllocation",
    "ArgumentHandler",
    "CompileError",
    "Context",
    "Device",
    "DeviceAllocation",
    "DeviceMemoryPool",
    "Error",
    "Event",
    "Function",
    "HostAllocation",
    "HostPointer",
    "In",
    "InOut",
    "LaunchError",
    "Linker",
    "LogicError",
    "Memcpy2D",
    "Memcpy3D",
    "Memcpy3DPeer",
    "MemoryError",
    "Module",
    "Out",
    "PageLockedAllocator",
    "PageLockedMemoryPool",
    "PagelockedHostAllocation",
    "PointerHolderBase",
    "PooledDeviceAllocation",
    "PooledHostAllocation",
    "RegisteredHostMemory",
    "RuntimeError",
    "Stream",
    "_get_direction_vectors",
    "_get_scramble_constants32",
    "_get_scramble_constants64",
    "aligned_empty",
    "aligned_empty_like",
    "aligned_zeros",
    "aligned_zeros_like",
    "array_format",
    "bitlog2",
    "compute_mode",
    "ctx_flags",
    "device_attribute",
    "direction_vector_set",
    "dtype_to_array_format",
    "event_flags",
    "from_device",
    "from_device_like",
    "func_cache",
    "function_attribute",
    "get_curand_version",
    "get_driver_version",
    "get_version",
    "have_gl_ext",
    "host_alloc_flags",
    "init",
    "jit_fallback",
    "jit_input_type",
    "jit_option",
    "jit_target",
    "limit",
    "managed_empty",
    "mem_alloc",
    "mem_alloc_like",
    "mem_alloc_pitch",
    "mem_get_address_range",
    "mem_get_info",
    "mem_host_register_flags",
    "memcpy_dtod",
    "memcpy_dtod_async",
    "memcpy_dtoh",
    "memcpy_dtoh_async",
    "memcpy_htod",
    "memcpy_htod_async",
    "memcpy_peer",
    "memcpy_peer_async",
    "memory_type",
    "memset_d2d8",
    "memset_d2d8_async",
    "memset_d2d16",
    "memset_d2d16_async",
    "memset_d2d32",
    "memset_d2d32_async",
    "memset_d8",
    "memset_d8_async",
    "memset_d16",
    "memset_d16_async",
    "memset_d32",
    "memset_d32_async",
    "module_from_buffer",
    "module_from_file",
    "pagelocked_empty",
    "pagelocked_empty_like",
    "pagelocked_zeros",
    "pagelocked_zeros_like",
    "pointer_attribute",
    "register_host_memory",
    "set_debugging",
    "shared_config",
    "start_profiler",
    "stop_profiler",
    "to_device",
]
