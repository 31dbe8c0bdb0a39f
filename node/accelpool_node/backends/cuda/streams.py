"""Streams, events, pinned memory and copies, asked of the driver itself.

PyCUDA's own objects want its stack of contexts, which each call would push to and pop from. These want the
context to be the thread's current one, once for all. Every call lets other threads run.

Source: CUDA Driver API reference, the function of the same name.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from accelpool_node.backends.cuda.driver import DriverError, library

NOT_READY = 600
POINTER, SIZE, WORD = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint
ADDRESS = ctypes.c_uint64
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "cuCtxSetCurrent": (POINTER,),
    "cuStreamCreate": (POINTER, WORD),
    "cuStreamDestroy_v2": (POINTER,),
    "cuStreamQuery": (POINTER,),
    "cuStreamSynchronize": (POINTER,),
    "cuStreamWaitEvent": (POINTER, POINTER, WORD),
    "cuEventCreate": (POINTER, WORD),
    "cuEventDestroy_v2": (POINTER,),
    "cuEventRecord": (POINTER, POINTER),
    "cuEventQuery": (POINTER,),
    "cuEventSynchronize": (POINTER,),
    "cuEventElapsedTime": (POINTER, POINTER, POINTER),
    "cuMemHostAlloc": (POINTER, SIZE, WORD),
    "cuMemFreeHost": (POINTER,),
    "cuMemcpyHtoDAsync_v2": (ADDRESS, POINTER, SIZE, POINTER),
    "cuMemcpyDtoHAsync_v2": (POINTER, ADDRESS, SIZE, POINTER),
    "cuMemcpyDtoDAsync_v2": (ADDRESS, ADDRESS, SIZE, POINTER),
    "cuMemcpyPeerAsync": (ADDRESS, POINTER, ADDRESS, POINTER, SIZE, POINTER),
    "cuMemcpy2DAsync_v2": (POINTER, POINTER),
    "cuMemsetD8Async": (ADDRESS, ctypes.c_ubyte, SIZE, POINTER),
    "cuMemsetD16Async": (ADDRESS, ctypes.c_ushort, SIZE, POINTER),
    "cuMemsetD32Async": (ADDRESS, WORD, SIZE, POINTER),
}
ON_HOST, ON_DEVICE = 1, 2  # CUmemorytype


@functools.cache
def routine(name: str) -> Callable[..., int]:
    """Return a function of the driver's, which returns an error code."""
    function = ctypes.CDLL.__getitem__(library(), name)  # one of its own, not that which others ask for
    function.argtypes = ARGUMENTS[name]
    return function


def call(name: str, *args: object) -> None:
    """Call a function.

    Raises:
        DriverError: It refuses.
    """
    code = routine(name)(*args)
    if code:
        raise DriverError(name, code)


def make_current(context: int) -> None:
    """Make a context this thread's current one."""
    call("cuCtxSetCurrent", context)


class Stream:
    """A stream.

    Args:
        flags: CUstream_flags.

    Attributes:
        handle: The driver's.
    """

    __slots__ = ("handle",)

    def __init__(self, flags: int) -> None:
        made = ctypes.c_void_p()
        self.handle = 0
        call("cuStreamCreate", ctypes.byref(made), flags)
        self.handle = made.value or 0

    def is_done(self) -> bool:
        """Whether nothing is in it."""
        return _is_over("cuStreamQuery", self.handle)

    def synchronize(self) -> None:
        """Wait for all that is in it."""
        call("cuStreamSynchronize", self.handle)

    def wait_for_event(self, event: Event) -> None:
        """Have what comes wait for an event as it was recorded last."""
        call("cuStreamWaitEvent", self.handle, event.handle, 0)

    def __del__(self) -> None:
        if self.handle:
            routine("cuStreamDestroy_v2")(self.handle)


class Event:
    """An event.

    Args:
        flags: CUevent_flags.

    Attributes:
        handle: The driver's.
    """

    __slots__ = ("handle",)

    def __init__(self, flags: int) -> None:
        made = ctypes.c_void_p()
        self.handle = 0
        call("cuEventCreate", ctypes.byref(made), flags)
        self.handle = made.value or 0

    def record(self, stream: Stream) -> None:
        """Put it into a stream."""
        call("cuEventRecord", self.handle, stream.handle)

    def query(self) -> bool:
        """Whether it was reached."""
        return _is_over("cuEventQuery", self.handle)

    def synchronize(self) -> None:
        """Wait until it is reached."""
        call("cuEventSynchronize", self.handle)

    def time_since(self, earlier: Event) -> float:
        """Return how long after another one it was reached, in ms."""
        took_ms = ctypes.c_float()
        call("cuEventElapsedTime", ctypes.byref(took_ms), earlier.handle, self.handle)
        return took_ms.value

    def __del__(self) -> None:
        if self.handle:
            routine("cuEventDestroy_v2")(self.handle)


def _is_over(name: str, handle: int) -> bool:
    code = routine(name)(handle)
    if code not in (0, NOT_READY):
        raise DriverError(name, code)
    return code == 0


# ---- memory ----------------------------------------------------------------------------------------------


def pinned(size: int) -> Any:
    """Return an array of so many bytes of pinned host memory, given back with its last view."""
    made = ctypes.c_void_p()
    call("cuMemHostAlloc", ctypes.byref(made), size, 0)
    assert made.value is not None, "it is there"
    block = (ctypes.c_ubyte * size).from_address(made.value)
    weakref.finalize(block, routine("cuMemFreeHost"), made.value).atexit = False
    return np.frombuffer(memoryview(block), np.uint8)


def to_device(address: int, block: Any, stream: Stream) -> None:
    """Put a copy of an array of pinned bytes to the device into a stream."""
    call("cuMemcpyHtoDAsync_v2", address, block.ctypes.data, block.nbytes, stream.handle)


def to_host(block: Any, address: int, stream: Stream) -> None:
    """Put a copy from the device to an array of pinned bytes into a stream."""
    call("cuMemcpyDtoHAsync_v2", block.ctypes.data, address, block.nbytes, stream.handle)


def on_device(target: int, source: int, size: int, stream: Stream) -> None:
    """Put a copy within the device into a stream."""
    call("cuMemcpyDtoDAsync_v2", target, source, size, stream.handle)


def between_devices(
    target: int, target_context: int, source: int, source_context: int, size: int, stream: Stream
) -> None:
    """Put a copy from one context's memory to another's into a stream of either."""
    call("cuMemcpyPeerAsync", target, target_context, source, source_context, size, stream.handle)


def set_words(address: int, word: bytes, count: int, stream: Stream) -> None:
    """Put the filling with so many words of 1, 2 or 4 bytes into a stream."""
    name = f"cuMemsetD{8 * len(word)}Async"
    call(name, address, int.from_bytes(word, "little"), count, stream.handle)


class Copy2D(ctypes.Structure):
    """A copy of rows: CUDA_MEMCPY2D_v2."""

    _fields_ = (
        ("src_x", SIZE),
        ("src_y", SIZE),
        ("src_type", ctypes.c_int),
        ("src_host", POINTER),
        ("src_device", ADDRESS),
        ("src_array", POINTER),
        ("src_pitch", SIZE),
        ("dst_x", SIZE),
        ("dst_y", SIZE),
        ("dst_type", ctypes.c_int),
        ("dst_host", POINTER),
        ("dst_device", ADDRESS),
        ("dst_array", POINTER),
        ("dst_pitch", SIZE),
        ("width_in_bytes", SIZE),
        ("height", SIZE),
    )

    def put(self, stream: Stream) -> None:
        """Put it into a stream."""
        call("cuMemcpy2DAsync_v2", ctypes.byref(self), stream.handle)
