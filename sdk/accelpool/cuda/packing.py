"""Kernel parameters as one block of bytes, laid out as C does it, which is what a launch takes.

    a NumPy number                   itself, at a multiple of its size (complex: of its part's)
    DeviceAllocation, ...            its address, 8 bytes at a multiple of 8
    a GPUArray, and whatever has `__cuda_array_interface__` or `gpudata`     likewise
    In, Out, InOut                   the address of memory made for it
    a NumPy array, a structure       its bytes, where the one before it ended

Formats, as of `Function.prepare`, are those of Python's `struct` in native order, with F and D for complex
numbers of 4 and 8 bytes per part.
"""

from __future__ import annotations

import operator
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from accelpool.cuda.allocations import DeviceAllocation, PointerHolderBase
from accelpool.cuda.arguments import ArgumentHandler
from accelpool.cuda.memory_pools import PooledDeviceAllocation

CODE = re.compile(r"\s*(\d*)([a-zA-Z?])")
PARTS = {"F": "ff", "D": "dd"}
ADDRESSES = (DeviceAllocation, PooledDeviceAllocation, PointerHolderBase)
POINTER = "P"


class Layout:
    """How the values of a format become bytes.

    Args:
        format: One code per parameter, each with a count of bytes or of parameters before it if need be.

    Raises:
        struct.error: There is no such code.
    """

    __slots__ = ("_complex", "_struct", "count")

    def __init__(self, format: str) -> None:
        codes: list[str] = []
        self._complex: list[int] = []
        self.count: int = 0
        end = 0
        for match in CODE.finditer(format):
            if match.start() != end:
                break
            end = match.end()
            number, code = match.groups()
            if code in "spx":
                codes.append(number + code)
                self.count += code != "x"
                continue
            for _ in range(int(number or 1)):
                if code in PARTS:
                    self._complex.append(self.count)
                codes.append(PARTS.get(code, code))
                self.count += 1
        if format[end:].strip():
            raise struct.error(f"bad char in struct format: {format[end:]!r}")
        self._struct = struct.Struct("@" + "".join(codes))

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._struct.size

    def pack(self, values: Sequence[Any]) -> bytes:
        """Return the values as bytes.

        Raises:
            struct.error: There are more or fewer than the format has, or one is of another type.
        """
        if not self._complex:
            return self._struct.pack(*values)
        spread = list(values)
        for place in reversed(self._complex):
            if place < len(spread):
                number = complex(spread[place])
                spread[place : place + 1] = [number.real, number.imag]
        return self._struct.pack(*spread)


@lru_cache(maxsize=1024)
def layout(format: str) -> Layout:
    """Return the layout of a format."""
    return Layout(format)


def format_of(arg_types: Sequence[Any] | str) -> str:
    """Return the format of parameters' types: of NumPy's, of codes; anything else is a pointer."""
    codes: list[str] = []
    for arg_type in arg_types:
        if isinstance(arg_type, type) and issubclass(arg_type, np.number):
            codes.append(np.dtype(arg_type).char)
        elif isinstance(arg_type, np.dtype):
            codes.append(f"{arg_type.itemsize}s" if arg_type.char == "V" else arg_type.char)
        elif isinstance(arg_type, str):
            codes.append(arg_type)
        else:
            codes.append(POINTER)
    return "".join(codes)


def packed(args: Sequence[Any]) -> tuple[list[ArgumentHandler], bytes]:
    """Return what is to be done around a call with these parameters, and their bytes.

    Raises:
        TypeError: Which one is none that a kernel could have.
    """
    handlers: list[ArgumentHandler] = []
    codes: list[str] = []
    values: list[Any] = []
    for place, arg in enumerate(args):
        if isinstance(arg, np.number):
            codes.append(arg.dtype.char)
            values.append(arg)
            continue
        content = _content(arg)
        if content is not None:
            codes.append(f"{len(content)}s")
            values.append(content)
            continue
        if isinstance(arg, ArgumentHandler):
            handlers.append(arg)
        codes.append(POINTER)
        try:
            values.append(address_of(arg))
        except TypeError as error:
            raise TypeError(f"invalid type on parameter #{place} (0-based): {error}") from None
    return handlers, layout("".join(codes)).pack(values)


def _content(arg: Any) -> bytes | None:
    """Return the bytes of what is passed by value, None for anything else."""
    if isinstance(arg, np.ndarray):
        return arg.tobytes()
    return arg.tobytes() if isinstance(arg, np.void) else None


def address_of(arg: Any) -> int:
    """Return the address of device memory, or of what has some.

    Raises:
        TypeError: Which type it is, that has none.
    """
    if isinstance(arg, ADDRESSES):
        return operator.index(arg)
    if isinstance(arg, ArgumentHandler):
        return operator.index(arg.get_device_alloc())
    told = getattr(arg, "__cuda_array_interface__", None)
    if told:
        return operator.index(told["data"][0])
    try:
        return operator.index(arg.gpudata)
    except AttributeError:
        raise TypeError(type(arg).__name__) from None
