"""Host memory under PyCUDA's names: page-locked, aligned, managed.

No memory of this process is page-locked for a device in another machine: what is called so here is ordinary
memory, into which copies may be asynchronous. Managed memory, which host and device share, there is none.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NoReturn

import numpy as np

from accelpool.cuda.errors import LogicError, failed
from accelpool.host import array_over, flat_bytes

Shape = int | tuple[int, ...]
Order = Literal["C", "F"]
AnyArray = np.ndarray[Any, Any]


class HostPointer:
    """Host memory that an array is over: the array's `base`."""

    __slots__ = ("__array_interface__", "__weakref__", "_memory")

    def __init__(self, memory: AnyArray) -> None:
        self._memory = memory

    def get_device_pointer(self) -> NoReturn:
        """Refuse: no device of another machine sees this memory.

        Raises:
            LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
        """
        raise failed("cuMemHostGetDevicePointer", "NOT_SUPPORTED", "no device sees memory of this machine")

    def _over(self, shape: Any, dtype: Any, order: Any) -> AnyArray:
        if order not in ("C", "F"):
            raise LogicError(f"numpy_empty failed: invalid value - unrecognized order specifier {order!r}")
        sizes = shape if isinstance(shape, int) else tuple(int(size) for size in np.atleast_1d(shape))
        return array_over(self, self._memory, sizes, np.dtype(dtype), order)


class PagelockedHostAllocation(HostPointer):
    """Memory that `pagelocked_empty` made."""

    __slots__ = ("_flags",)

    def __init__(self, memory: AnyArray, flags: int = 0) -> None:
        super().__init__(memory)
        self._flags = flags

    def get_flags(self) -> int:
        """Return the `host_alloc_flags` that it was made with."""
        return self._flags

    def free(self) -> None:
        """Do nothing: the memory lives as long as the array."""


HostAllocation = PagelockedHostAllocation


class AlignedHostAllocation(HostPointer):
    """Memory that `aligned_empty` made."""

    __slots__ = ()

    def free(self) -> None:
        """Do nothing: the memory lives as long as the array."""


class RegisteredHostMemory(HostPointer):
    """Memory that `register_host_memory` was given."""

    __slots__ = ()

    def unregister(self) -> None:
        """Do nothing: the memory is as it was."""


def pagelocked_empty(shape: Shape, dtype: Any, order: Order = "C", mem_flags: int = 0) -> AnyArray:
    """Return an array of ordinary memory into which `memcpy_dtoh_async` does not wait.

    Args:
        shape: As of `numpy.empty`, and so are:
        dtype: without Python objects,
        order: "C" or "F".
        mem_flags: `host_alloc_flags`, of no effect here.
    """
    return pagelocked_over(PagelockedHostAllocation, shape, dtype, order, mem_flags)


def pagelocked_over(
    kind: type[PagelockedHostAllocation], shape: Shape, dtype: Any, order: Order, mem_flags: int
) -> AnyArray:
    """As `pagelocked_empty`, over memory of a kind."""
    return kind(np.empty(_bytes_of(shape, dtype), np.uint8), mem_flags)._over(shape, dtype, order)


def pagelocked_zeros(shape: Shape, dtype: Any, order: Order = "C", mem_flags: int = 0) -> AnyArray:
    """As `pagelocked_empty`, of zeros."""
    made = pagelocked_empty(shape, dtype, order, mem_flags)
    made.fill(0)
    return made


def pagelocked_empty_like(array: AnyArray, mem_flags: int = 0) -> AnyArray:
    """As `pagelocked_empty`, of the shape, type and order of another array."""
    return pagelocked_empty(array.shape, array.dtype, _order_of(array), mem_flags)


def pagelocked_zeros_like(array: AnyArray, mem_flags: int = 0) -> AnyArray:
    """As `pagelocked_empty_like`, of zeros."""
    made = pagelocked_empty_like(array, mem_flags)
    made.fill(0)
    return made


def aligned_empty(shape: Shape, dtype: Any, order: Order = "C", alignment: int = 4096) -> AnyArray:
    """Return an array whose first byte is at a multiple of some bytes.

    Args:
        shape: As of `numpy.empty`, and so are:
        dtype: without Python objects,
        order: "C" or "F".
        alignment: The bytes.
    """
    size = _bytes_of(shape, dtype)
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return AlignedHostAllocation(memory[start : start + size])._over(shape, dtype, order)


def aligned_zeros(shape: Shape, dtype: Any, order: Order = "C", alignment: int = 4096) -> AnyArray:
    """As `aligned_empty`, of zeros."""
    made = aligned_empty(shape, dtype, order, alignment)
    made.fill(0)
    return made


def aligned_empty_like(array: AnyArray, alignment: int = 4096) -> AnyArray:
    """As `aligned_empty`, of the shape, type and order of another array."""
    return aligned_empty(array.shape, array.dtype, _order_of(array), alignment)


def aligned_zeros_like(array: AnyArray, alignment: int = 4096) -> AnyArray:
    """As `aligned_empty_like`, of zeros."""
    made = aligned_empty_like(array, alignment)
    made.fill(0)
    return made


def register_host_memory(ary: AnyArray, flags: int = 0) -> AnyArray:  # noqa: ARG001 - of no effect here
    """Return an array over the memory of another one, into which `memcpy_dtoh_async` does not wait.

    Raises:
        LogicError: CUDA_ERROR_INVALID_VALUE: it is no contiguous array.
    """
    if not getattr(ary, "flags", None) or not ary.flags.c_contiguous:
        raise failed("register_host_memory", "INVALID_VALUE", "a contiguous array is needed")
    memory = np.frombuffer(flat_bytes(ary, writable=True), np.uint8)
    return RegisteredHostMemory(memory)._over(ary.shape, ary.dtype, "C")


def managed_empty(shape: Shape, dtype: Any, order: Order = "C", mem_flags: int = 0) -> NoReturn:
    """Refuse: a process and a device in another machine share no memory.

    Raises:
        LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
    """
    what = f"managed memory of {shape!r} {dtype!r} ({order}, {mem_flags}): use mem_alloc, and copies"
    raise failed("cuMemAllocManaged", "NOT_SUPPORTED", what)


def is_pagelocked(memory: object) -> bool:
    """Whether memory is an array, or a view of one, that counts as page-locked here."""
    while isinstance(memory, np.ndarray):
        memory = memory.base
    return isinstance(memory, (PagelockedHostAllocation, RegisteredHostMemory))


def _order_of(array: AnyArray) -> Order:
    if array.flags.c_contiguous:
        return "C"
    if array.flags.f_contiguous:
        return "F"
    raise ValueError("could not detect array order")


def _bytes_of(shape: Any, dtype: Any) -> int:
    item: np.dtype[Any] = np.dtype(dtype)
    sizes: list[int] = np.atleast_1d(shape).tolist()
    return math.prod(sizes) * item.itemsize
