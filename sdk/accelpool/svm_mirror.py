"""Memory of this process at an address that another machine chose: what shared virtual memory stands on here.

The address comes from a peer, who must not be able to have anything of this process overwritten: memory is
only mapped where nothing is (MAP_FIXED_NOREPLACE), in whole pages, for as many bytes as were asked for, and
away from where the stack grows. A Linux before 4.17 ignores that flag and maps elsewhere, which is refused.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from accelpool.errors import RemoteProtocolError

IS_POSSIBLE = sys.platform == "linux" and sys.maxsize > 2**32
PAGE_BYTES = mmap.PAGESIZE
LOWEST, HIGHEST = 1 << 16, 1 << 47  # what Linux lets nobody map, and where a process's memory ends
STACK_ROOM_BYTES = 128 << 20  # what Linux leaves below the stack at least
MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE, MAP_FIXED_NOREPLACE = 0x2, 0x20, 0x4000, 0x100000
FAILED = ctypes.c_void_p(-1).value


class AddressTaken(Exception):
    """Something of this process is at the address, or may come to be."""


class Mirror:
    """Zeroed memory at an address while something refers to it: `numpy.asarray` of it is its bytes.

    Args:
        address: Where, at the start of a page.
        size: Bytes; whole pages are mapped.

    Raises:
        AddressTaken: It is not free.
        RemoteProtocolError: No memory could ever be there.
        MemoryError: Python's: this process may have no more memory.
    """

    def __init__(self, address: int, size: int) -> None:
        self._mapped_bytes = 0
        end = address + paged(size)
        if address % PAGE_BYTES or not LOWEST <= address < end <= HIGHEST:
            raise RemoteProtocolError(f"{size} bytes of shared virtual memory are not at {address:#x}")
        bottom, top = _stack()
        if address < top and end > bottom - STACK_ROOM_BYTES:
            raise AddressTaken(f"the stack grows to {address:#x}")
        _map(address, end - address)
        self._mapped_bytes = end - address
        self._unmap = _libc().munmap
        self.address = address
        self.__array_interface__: dict[str, object] = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, False),
        }

    def __del__(self) -> None:
        if self._mapped_bytes:
            self._unmap(self.address, self._mapped_bytes)

    def content(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the memory, which lives as long as this array and its views."""
        return np.asarray(self)


def is_shared(memory: object) -> bool:
    """Return whether memory is a mirror's."""
    return isinstance(memory, np.ndarray) and isinstance(memory.base, Mirror)


def paged(size: int) -> int:
    """Return how many bytes the pages have that so many bytes need."""
    return -(-size // PAGE_BYTES) * PAGE_BYTES


def _map(address: int, size: int) -> None:
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
    found = _libc().mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if found == address:
        return
    if found != FAILED:
        _libc().munmap(found, size)
        raise AddressTaken(f"{address:#x}: this system maps memory elsewhere")
    number = ctypes.get_errno()
    if number in (errno.EEXIST, errno.EINVAL, errno.EPERM):
        raise AddressTaken(f"{address:#x}: {os.strerror(number)}")
    raise MemoryError(f"{size} bytes at {address:#x}: {os.strerror(number)}")


@functools.cache
def _stack() -> tuple[int, int]:
    """Return where the main thread's stack was and ends; the end of all memory if nobody says it."""
    try:
        mapped = Path("/proc/self/maps").read_text()
    except OSError:
        mapped = ""
    found = re.search(r"^([0-9a-f]+)-([0-9a-f]+) .*\[stack\]$", mapped, re.MULTILINE)
    return (int(found[1], 16), int(found[2], 16)) if found else (HIGHEST, HIGHEST)


@functools.cache
def _libc() -> ctypes.CDLL:
    """Return the C library, whose functions know what they take."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    ]  # fmt: skip
    libc.munmap.restype = ctypes.c_int
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc
