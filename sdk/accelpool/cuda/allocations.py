"""Device memory that programs hold: allocations, whose addresses are the device's own.

An address is learnt when the memory is allocated, which costs a round trip, and tells if there is no room.
Kernels get addresses as they are; copies and fills find the buffer by its address.
"""

from __future__ import annotations

import contextlib
import gc
import operator
from typing import Any, NoReturn

from accelpool.constants import mem_flags
from accelpool.cuda.addresses import Region
from accelpool.cuda.contexts import Context, current, total_memory
from accelpool.cuda.errors import MemoryError, calling, failed
from accelpool.errors import AccelpoolError
from accelpool.memory import Buffer
from accelpool.process_bound import ProcessBound
from accelpool_wire import messages as m

PITCH_BYTES = 512


class DeviceAllocation(ProcessBound):
    """Memory of a device; `int()` of it is its address. `mem_alloc` makes it.

    It is freed when nothing refers to it any more; an address as a number refers to nothing.
    """

    __slots__ = ("__weakref__", "_address", "_buffer", "_context")

    def __init__(self, context: Context, buffer: Buffer, address: int) -> None:
        self._context = context
        self._buffer: Buffer | None = buffer
        self._address = address
        context._addresses.add(Region(address=address, buffer=buffer))
        context._allocated_bytes += buffer._size

    def free(self) -> None:
        """Give the memory back. Commands that use it already are carried out before.

        Raises:
            LogicError: CUDA_ERROR_INVALID_HANDLE: it is freed already.
        """
        buffer = self._buffer
        if buffer is None:
            raise failed("cuMemFree", "INVALID_HANDLE", "the memory is freed already")
        self._buffer = None
        with calling("cuMemFree"):
            _give_back(self._context, buffer, self._address)

    def as_buffer(self, size: int, offset: int = 0) -> memoryview:
        """Refuse: this process cannot see the memory of a device in another machine.

        Raises:
            LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
        """
        return _unseen("DeviceAllocation.as_buffer", size, offset)

    def __int__(self) -> int:
        if self._buffer is None:
            raise failed("DeviceAllocation", "INVALID_HANDLE", "the memory is freed")
        return self._address

    __index__ = __int__

    def __del__(self) -> None:
        buffer = getattr(self, "_buffer", None)
        if buffer is not None:  # before the next command, so that one that allocates finds the room
            self._buffer = None
            context, address = self._context, self._address
            context._lower._session.deferred.append(lambda: _give_back(context, buffer, address))

    def __repr__(self) -> str:
        told = "freed" if self._buffer is None else f"of {self._buffer._size} bytes at {self._address:#x}"
        return f"<accelpool.cuda.DeviceAllocation {told}>"


class PointerHolderBase:
    """The base of what a program passes as device memory: subclasses return an address in `get_pointer`."""

    def get_pointer(self) -> int:
        """Return the address."""
        raise NotImplementedError(f"{type(self).__name__} says no address in get_pointer")

    def as_buffer(self, size: int, offset: int = 0) -> memoryview:
        """Refuse, as `DeviceAllocation.as_buffer`."""
        return _unseen("PointerHolderBase.as_buffer", size, offset)

    def __int__(self) -> int:
        return operator.index(self.get_pointer())

    def __index__(self) -> int:
        return int(self)


def _unseen(routine: str, size: int, offset: int) -> NoReturn:
    what = f"{size} bytes at {offset}: device memory is not seen from here, copy it with memcpy_dtoh"
    raise failed(routine, "NOT_SUPPORTED", what)


def _give_back(context: Context, buffer: Buffer, address: int) -> None:
    """Release a buffer in order with all commands, which a handle that is just dropped is not."""
    context._addresses.remove(address)
    context._allocated_bytes -= buffer._size
    handle, buffer._handle = buffer._handle, 0
    if handle and not context._lower._is_released:
        with contextlib.suppress(AccelpoolError):  # the session is over, and the memory with it
            context._lower._session.connection.post(m.Release([handle]))


def mem_alloc(bytes: int, /) -> DeviceAllocation:
    """Return new memory of the current context's device: one round trip.

    Raises:
        MemoryError: CUDA_ERROR_OUT_OF_MEMORY: the lease has no such memory left.
        LogicError: CUDA_ERROR_INVALID_VALUE: 0 bytes.
    """
    routine, size = "cuMemAlloc", operator.index(bytes)
    context = current(routine)
    if size <= 0:
        raise failed(routine, "INVALID_VALUE", f"{size} bytes")
    try:
        return _allocated(context, size)
    except MemoryError:
        gc.collect()  # what only cycles refer to holds memory, too
        return _allocated(context, size)


def _allocated(context: Context, size: int) -> DeviceAllocation:
    largest = context._lower._max_alloc_bytes
    if largest and size > largest:
        raise failed("cuMemAlloc", "OUT_OF_MEMORY", f"{size} bytes; {largest} are possible at once")
    session = context._lower._session
    with calling("cuMemAlloc"):
        buffer = Buffer(context._lower, mem_flags.READ_WRITE, size)
        told = session.ask(m.GetBufferAddress(buffer._handle), m.Address)
    return DeviceAllocation(context, buffer, told.address)


def mem_alloc_pitch(width: int, height: int, access_size: int) -> tuple[DeviceAllocation, int]:
    """Return memory for rows of some bytes, and how many bytes it is from a row to the next.

    Args:
        width: Bytes of a row.
        height: How many rows.
        access_size: What kernels read at once: 4, 8 or 16 bytes.

    Raises:
        LogicError: CUDA_ERROR_INVALID_VALUE: another `access_size`, or nothing to allocate.
        MemoryError: As `mem_alloc`.
    """
    if access_size not in (4, 8, 16):
        raise failed("cuMemAllocPitch", "INVALID_VALUE", f"an access size of {access_size} bytes")
    pitch = -(-operator.index(width) // PITCH_BYTES) * PITCH_BYTES
    return mem_alloc(pitch * operator.index(height)), pitch


def mem_alloc_like(ary: Any) -> DeviceAllocation:
    """Return new memory as large as an array."""
    return mem_alloc(ary.nbytes)


def mem_get_info() -> tuple[int, int]:
    """Return how many bytes are free, and how many there are: of the lease's share of the device.

    What is free is told from what was allocated here; another session under the same lease may have more.
    """
    context = current("cuMemGetInfo")
    total = total_memory(context)
    return max(0, total - context._allocated_bytes), total


def mem_get_address_range(ptr: Any, /) -> tuple[int, int]:
    """Return the address and the size of the allocation that an address is in.

    Raises:
        LogicError: CUDA_ERROR_NOT_FOUND: it is in none of this context.
    """
    routine, address = "cuMemGetAddressRange", operator.index(ptr)
    region = current(routine)._addresses.at(address)
    if region is None:
        raise failed(routine, "NOT_FOUND", f"nothing of this context is at address {address:#x}")
    return region.address, region.size
