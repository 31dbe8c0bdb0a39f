"""Kernel arguments: from what the caller passes to what is sent.

For each argument of a kernel there is one *packer*, made once from what the compiler says of the argument:

    global, constant    a Buffer, an SVMPointer, or None for a null pointer
    image, sampler      an Image of the same type, a Sampler
    local               a LocalMemory
    scalar              a Python number, a NumPy scalar or any bytes of its size
    vector, struct      any bytes of its size (of a struct the size is not known here)
    nothing is known    all of these but Python numbers
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from accelpool.argument_place import Place, told
from accelpool.constants import kernel_arg_address_qualifier
from accelpool.errors import LogicError
from accelpool.host import flat_bytes
from accelpool.image import Image
from accelpool.image_arguments import image_packer, image_type_of, pack_object, sampler_packer
from accelpool.memory import Buffer, MemoryObjectHolder
from accelpool.sampler import Sampler
from accelpool.session import Session
from accelpool.svm import SVMPointer
from accelpool.svm_map import find
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

Packer: TypeAlias = Callable[[Any], m.KernelArg]

# OpenCL C scalar types, little-endian as all devices of the pool are. OpenCL C 3.0 specification, 6.3.1.
SCALARS: dict[str, str] = {
    "char": "i1", "uchar": "u1", "unsigned char": "u1",
    "short": "i2", "ushort": "u2", "unsigned short": "u2",
    "int": "i4", "uint": "u4", "unsigned int": "u4",
    "long": "i8", "ulong": "u8", "unsigned long": "u8",
    "half": "f2", "float": "f4", "double": "f8",
}  # fmt: skip
FORMATS = {
    "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
VECTOR = re.compile(r"([a-z]+)(2|3|4|8|16)")


class LocalMemory:
    """A kernel argument that is local memory of each work-group.

    Args:
        size: In bytes.
    """

    __slots__ = ("_message", "_size")

    def __init__(self, size: int) -> None:
        self._size = int(size)
        self._message = m.LocalMemory(self._size)

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    def __repr__(self) -> str:
        return f"LocalMemory({self._size})"


def packer(place: Place, session: Session) -> Packer:
    """Return the packer for an argument, by what the compiler says of it."""
    info = place.info
    if info is None:
        return _any_packer(place, session)
    if info.type_name == "sampler_t":
        return sampler_packer(place, session)
    if (image_type := image_type_of(info)) is not None:
        return image_packer(place, session, image_type)
    if info.address_qualifier == kernel_arg_address_qualifier.LOCAL:
        return _local_packer(place)
    if info.address_qualifier != kernel_arg_address_qualifier.PRIVATE:
        return _buffer_packer(place, session)
    type_name = re.sub(r"\b(const|volatile|restrict)\b", "", info.type_name).strip()
    if type_name in SCALARS:
        return _scalar_packer(place, np.dtype(SCALARS[type_name]))
    vector = VECTOR.fullmatch(type_name)
    if vector and vector[1] in SCALARS:
        count = 4 if vector[2] == "3" else int(vector[2])
        return _bytes_packer(place, count * np.dtype(SCALARS[vector[1]]).itemsize, type_name)
    return _bytes_packer(place, None, type_name)


def typed_packer(place: Place, dtype: Any) -> Packer:
    """Return the packer for an argument that the caller declared to have a NumPy type."""
    declared: np.dtype[Any] = np.dtype(dtype)
    if declared.kind in "iuf" and declared.str[1:] in FORMATS:
        return _converting_packer(place, declared)
    if declared.kind in "cb":
        return lambda value: np.asarray(value, declared).tobytes()
    return _bytes_packer(place, declared.itemsize, str(declared))


def _buffer_packer(place: Place, session: Session) -> Packer:
    def pack(value: Any) -> m.KernelArg:
        if type(value) is Buffer and value._session is session and value._handle:
            return value._handle
        return _pack_memory(place, session, value)

    return pack


def _pack_memory(place: Place, session: Session, value: Any) -> m.KernelArg:
    if value is None:
        return None
    if isinstance(value, MemoryObjectHolder):
        if value._is_image:
            raise place.refuse(ErrorCode.INVALID_MEM_OBJECT, "a Buffer", value)
        if value._session is not session:
            raise place.refuse(ErrorCode.INVALID_MEM_OBJECT, "a buffer of the kernel's context", value)
        return value._use("clSetKernelArg")
    if isinstance(value, SVMPointer):
        return _pack_pointer(place, session, value)
    code = ErrorCode.INVALID_VALUE if isinstance(value, (str, int, float)) else ErrorCode.INVALID_ARG_SIZE
    code = ErrorCode.INVALID_MEM_OBJECT if isinstance(value, Sampler) else code
    raise place.refuse(code, "a Buffer, or None for a null pointer", value)


def _pack_pointer(place: Place, session: Session, value: SVMPointer) -> m.KernelArg:
    if not value.size and not value.svm_ptr:
        return None
    found = find(value, session)
    if found is None:
        raise place.refuse(ErrorCode.INVALID_ARG_VALUE, "shared virtual memory of its context", value)
    memory, offset = found
    return {memory.buffer._handle: offset}


def _local_packer(place: Place) -> Packer:
    def pack(value: Any) -> m.KernelArg:
        if not isinstance(value, LocalMemory):
            raise place.refuse(ErrorCode.INVALID_ARG_VALUE, "a LocalMemory", value)
        if value._size <= 0:
            raise place.refuse(ErrorCode.INVALID_ARG_SIZE, "local memory of 1 byte or more", value)
        return value._message

    return pack


def _scalar_packer(place: Place, dtype: np.dtype[Any]) -> Packer:
    """Pack exact NumPy scalars and Python numbers fast; other bytes if they have the size."""
    scalar, pack_number = dtype.type, struct.Struct("<" + FORMATS[dtype.str[1:]]).pack
    numbers = (int, float, bool) if dtype.kind == "f" else (int, bool)
    pack_bytes = _bytes_packer(place, dtype.itemsize, f"one {dtype.name}")

    def pack(value: Any) -> m.KernelArg:
        kind = type(value)
        if kind is scalar:
            content: bytes = value.tobytes()
            return content
        if kind in numbers:
            try:
                return pack_number(value)
            except (struct.error, OverflowError) as error:
                raise place.refuse(ErrorCode.INVALID_VALUE, f"one {dtype.name}", value) from error
        return pack_bytes(value)

    return pack


def _converting_packer(place: Place, dtype: np.dtype[Any]) -> Packer:
    """Pack every number as the declared type."""
    scalar, pack_number = dtype.type, struct.Struct("<" + FORMATS[dtype.str[1:]]).pack

    def pack(value: Any) -> m.KernelArg:
        if type(value) is scalar:
            content: bytes = value.tobytes()
            return content
        try:
            return pack_number(value)
        except (struct.error, OverflowError, TypeError) as error:
            raise place.refuse(ErrorCode.INVALID_VALUE, f"one {dtype.name}", value) from error

    return pack


def _bytes_packer(place: Place, size: int | None, expected: str) -> Packer:
    """Pack anything with the buffer protocol, of one size or of any."""
    size_told = "any number of" if size is None else str(size)

    def pack(value: Any) -> m.KernelArg:
        if value is None or isinstance(value, (MemoryObjectHolder, SVMPointer, LocalMemory, Sampler)):
            raise place.refuse(ErrorCode.INVALID_ARG_SIZE, f"{expected}, {size_told} bytes", value)
        try:
            content = bytes(flat_bytes(value))
        except (TypeError, ValueError) as error:
            raise place.refuse(ErrorCode.INVALID_VALUE, f"{expected}, {size_told} bytes", value) from error
        if size is not None and len(content) != size:
            got = f"{len(content)} bytes of {told(value)}"
            raise LogicError(
                "clSetKernelArg",
                ErrorCode.INVALID_ARG_SIZE,
                f"{place}: expected {expected}, {size} bytes, got {got}",
            )
        return content

    return pack


def _any_packer(place: Place, session: Session) -> Packer:
    """Pack what says itself what it is."""
    pack_bytes = _bytes_packer(place, None, "a Buffer, LocalMemory, NumPy scalar or bytes")
    pack_local = _local_packer(place)

    def pack(value: Any) -> m.KernelArg:
        if isinstance(value, (Image, Sampler)):
            return pack_object(place, session, value)
        if value is None or isinstance(value, (MemoryObjectHolder, SVMPointer)):
            return _pack_memory(place, session, value)
        if isinstance(value, LocalMemory):
            return pack_local(value)
        if type(value) in (int, float, bool, complex):
            raise place.refuse(
                ErrorCode.INVALID_VALUE,
                "a NumPy scalar (or set_scalar_arg_dtypes), its type is unknown",
                value,
            )
        return pack_bytes(value)

    return pack
