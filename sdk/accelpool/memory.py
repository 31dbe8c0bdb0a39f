"""Memory objects: buffers, and regions of them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from accelpool.constants import device_info, mem_flags, mem_info, mem_object_type
from accelpool.context import Context
from accelpool.errors import LogicError, RuntimeError
from accelpool.host import array_over, flat_bytes
from accelpool.info import Info
from accelpool.memory_flags import HOST_PTR, first_content, require_whole, sent_flags
from accelpool.objects import SessionObject
from accelpool.svm_mirror import is_shared
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode


class MemoryObjectHolder(SessionObject):
    """What can be asked of a memory object; all of it is known without asking the worker."""

    _is_image: ClassVar[bool] = False

    __slots__ = (
        "__array_interface__",
        "_context",
        "_flags",
        "_host_memory",
        "_map_count",
        "_origin",
        "_parent",
        "_size",
    )

    _context: Context
    _flags: int
    _host_memory: np.ndarray[Any, np.dtype[np.uint8]] | None
    _map_count: int
    _origin: int
    _parent: MemoryObjectHolder | None
    _size: int

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `mem_info` number.

        Raises:
            LogicError: INVALID_VALUE: there is no such info here.
        """
        if arg == mem_info.SIZE:
            return self._size
        if arg == mem_info.FLAGS:
            return self._flags
        if arg == mem_info.TYPE:
            return mem_object_type.BUFFER
        if arg == mem_info.CONTEXT:
            return self._context
        if arg == mem_info.OFFSET:
            return self._origin
        if arg == mem_info.ASSOCIATED_MEMOBJECT:
            return self._parent
        if arg == mem_info.MAP_COUNT:
            return self._map_count
        if arg == mem_info.USES_SVM_POINTER:
            return int(is_shared(getattr(self._parent or self, "_hostbuf", None)))
        if arg == mem_info.REFERENCE_COUNT:
            return 1
        if arg == mem_info.PROPERTIES:
            return []
        if arg == mem_info.HOST_PTR:
            what = "Use MemoryObject.get_host_array to get host pointer."
        else:
            what = f"a buffer has no {mem_info.to_string(arg, '%d')} here"
        raise LogicError("MemoryObject.get_info", ErrorCode.INVALID_VALUE, what)

    def get_host_array(
        self, shape: int | tuple[int, ...], dtype: Any, order: Literal["C", "F"] = "C"
    ) -> np.ndarray[Any, Any]:
        """Return the host memory of an object made with USE_HOST_PTR as an array, without copying it.

        Host memory and device memory agree where `accelpool.enqueue_map_buffer` makes them, and nowhere else.

        Raises:
            LogicError: INVALID_VALUE: it has no host memory, or less than that.
        """
        routine, hostbuf = "MemoryObject.get_host_array", getattr(self, "_hostbuf", None)
        if hostbuf is None:
            what = "Only MemoryObject with USE_HOST_PTR is supported."
            raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
        content = np.frombuffer(flat_bytes(hostbuf, writable=True)[: self._size], np.uint8)
        try:
            return array_over(self, content, shape, np.dtype(dtype), order)
        except TypeError as error:
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"{self!r}: {error}") from error

    type: Info[int] = Info(mem_info.TYPE)
    flags: Info[int] = Info(mem_info.FLAGS)
    size: Info[int] = Info(mem_info.SIZE)
    map_count: Info[int] = Info(mem_info.MAP_COUNT)
    reference_count: Info[int] = Info(mem_info.REFERENCE_COUNT)
    context: Info[Context] = Info(mem_info.CONTEXT)
    associated_memobject: Info[MemoryObjectHolder | None] = Info(mem_info.ASSOCIATED_MEMOBJECT)
    offset: Info[int] = Info(mem_info.OFFSET)
    uses_svm_pointer: Info[int] = Info(mem_info.USES_SVM_POINTER)
    properties: Info[list[int]] = Info(mem_info.PROPERTIES)

    def _use(self, routine: str) -> int:
        """Return the handle.

        Raises:
            LogicError: INVALID_MEM_OBJECT: the memory object is released.
        """
        if not self._handle:
            raise LogicError(routine, ErrorCode.INVALID_MEM_OBJECT, f"{self!r} is released")
        return self._handle


class MemoryObject(MemoryObjectHolder):
    """A memory object that can be released."""

    __slots__ = ("_hostbuf",)

    _hostbuf: object

    @property
    def hostbuf(self) -> object:
        """The host memory that the object was made with USE_HOST_PTR from, or None."""
        return self._hostbuf

    def release(self) -> None:
        """Give the memory back. Commands that use it already keep it until they are complete.

        Raises:
            LogicError: INVALID_VALUE: it is released already.
        """
        if not self._handle:
            raise LogicError("MemoryObject.free", ErrorCode.INVALID_VALUE, f"{self!r} is released already")
        self._session.release(self._handle)
        self._handle = 0


class Buffer(MemoryObject):
    """A buffer in device memory. Making one awaits no answer.

    Args:
        context: Where it is used.
        flags: Bits of `mem_flags`; 0 for READ_WRITE.
        size: In bytes; 0 for the size of `hostbuf`.
        hostbuf: With COPY_HOST_PTR: its first content. With USE_HOST_PTR too, and what the buffer is mapped
            to: device memory and `hostbuf` agree after `enqueue_map_buffer` for reading, and after the
            release of a mapping for writing, and nowhere else.

    Raises:
        LogicError: INVALID_BUFFER_SIZE: 0 bytes, or more than any device of the context allocates at once;
            INVALID_HOST_PTR: `hostbuf` without its flag, or the flag without `hostbuf`; INVALID_VALUE: flags
            that exclude each other, or a size beyond `hostbuf`.
        ValueError: `hostbuf` is not contiguous.
    """

    __slots__ = ()

    def __init__(self, context: Context, flags: int, size: int = 0, hostbuf: Any = None) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"Buffer: context is a Context, not {context!r}")
        flags = require_whole(flags, "flags is a number of `mem_flags`")
        content, size = first_content(flags, require_whole(size, "size is in bytes"), hostbuf)
        _check_size(context, size)
        session = context._session
        self._session = session
        self._context = context
        self._flags = flags or mem_flags.READ_WRITE
        self._origin = 0
        self._parent = None
        self._size = size
        self._host_memory = None
        self._map_count = 0
        self._hostbuf = hostbuf if flags & mem_flags.USE_HOST_PTR else None
        handle = session.new_handle()
        session.post(m.CreateBuffer(handle, context._handle, sent_flags(self._flags), size), content)
        self._handle = handle

    def get_sub_region(self, origin: int, size: int, flags: int = 0) -> Buffer:
        """Return a buffer over a region of this one.

        Args:
            origin: Where the region starts, in bytes; a multiple of the device's `mem_base_addr_align` bits.
            size: The region's size in bytes.
            flags: Bits of `mem_flags`; 0 for this buffer's.

        Raises:
            LogicError: INVALID_VALUE: out of bounds; INVALID_BUFFER_SIZE: 0 bytes; INVALID_MEM_OBJECT:
                this is a region itself, or released.
            RuntimeError: MISALIGNED_SUB_BUFFER_OFFSET.
        """
        routine = "clCreateSubBuffer"
        parent = self._use(routine)
        if self._parent is not None:
            raise LogicError(
                routine, ErrorCode.INVALID_MEM_OBJECT, f"{self!r} is a region of a buffer itself"
            )
        if origin < 0 or size < 0:
            raise TypeError(f"{routine}: origin and size are not negative: {origin}, {size}")
        if size == 0:
            raise LogicError(routine, ErrorCode.INVALID_BUFFER_SIZE, "a region of 0 bytes")
        check_region(self, origin, size, routine)
        _check_alignment(self._context, origin)
        handle = self._session.new_handle()
        self._session.post(m.CreateSubBuffer(handle, parent, int(flags), origin, size))
        region = Buffer._made(self._context, handle, size, int(flags) or self._flags & ~HOST_PTR)
        region._origin = origin
        region._parent = self
        return region

    @classmethod
    def _made(cls, context: Context, handle: int, size: int, flags: int) -> Buffer:
        """Return a buffer that the worker has under a handle already."""
        buffer = cls.__new__(cls)
        buffer._session = context._session
        buffer._context = context
        buffer._flags = flags
        buffer._origin = 0
        buffer._parent = None
        buffer._size = size
        buffer._host_memory = None
        buffer._map_count = 0
        buffer._hostbuf = None
        buffer._handle = handle
        return buffer

    def __getitem__(self, arg: slice, /) -> Buffer:
        """Return a buffer over a slice of this one's bytes; the step is 1."""
        routine = "Buffer.__getitem__"
        if not isinstance(arg, slice):
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"a slice of bytes is needed, not {arg!r}")
        start, stop, step = arg.indices(self._size)
        if step != 1:
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"the step of a slice is 1, not {step}")
        if stop <= start:
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"the slice from {start} to {stop} is empty")
        return self.get_sub_region(start, stop - start)

    def __repr__(self) -> str:
        return f"<accelpool.Buffer {self._handle} of {self._size} bytes>"


def check_region(buffer: MemoryObjectHolder, offset: int, size: int, routine: str) -> None:
    """Check that a region is within a buffer.

    Raises:
        LogicError: INVALID_VALUE: it is not.
    """
    if offset < 0 or size < 0:
        raise TypeError(f"{routine}: offset and size are not negative: {offset}, {size}")
    if offset + size > buffer._size:
        what = f"{size} bytes from {offset} are beyond the end of {buffer!r}"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)


def _check_size(context: Context, size: int) -> None:
    largest = context._max_alloc_bytes
    if size == 0 or (largest and size > largest):
        what = f"a buffer of {size} bytes; 1 to {largest} are possible"
        raise LogicError("create_buffer", ErrorCode.INVALID_BUFFER_SIZE, what)


def _check_alignment(context: Context, origin: int) -> None:
    bits = [int(device._info.get(device_info.MEM_BASE_ADDR_ALIGN) or 8) for device in context._devices]
    if all(origin * 8 % align for align in bits):
        what = f"a region starts at a multiple of {min(bits) // 8} bytes, not at {origin}"
        raise RuntimeError("clCreateSubBuffer", ErrorCode.MISALIGNED_SUB_BUFFER_OFFSET, what)
