"""Copies of rectangles and boxes, as `cuMemcpy2D` and `cuMemcpy3D` make them: between host and device memory.

    byte of (x, y, z) = x + y * pitch + z * pitch * height, from where the memory begins

There are no arrays in the sense of CUDA's textures.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, SupportsIndex, overload

import numpy as np

from accelpool.cuda.constants import memory_type
from accelpool.cuda.contexts import Context, current
from accelpool.cuda.errors import LogicError, calling, failed
from accelpool.cuda.host_memory import AnyArray, is_pagelocked
from accelpool.cuda.lanes import Lane
from accelpool.cuda.streams import Stream
from accelpool.host import flat_bytes, packed, unpack
from accelpool.memory import Buffer
from accelpool_wire import messages as m
from accelpool_wire.rectangles import Rectangle, rectangle


@dataclass(kw_only=True)
class Side:
    """One side of a copy: memory, and where the box lies in it.

    Attributes:
        x, y, z: Where it begins: bytes, rows, slices.
        pitch: Bytes from a row to the next; 0 for no gaps.
        height: Rows from a slice to the next; 0 for no gaps.
        kind: Where the memory is.
        address: That of device memory.
        host: Host memory.
    """

    x: int = 0
    y: int = 0
    z: int = 0
    pitch: int = 0
    height: int = 0
    kind: memory_type = memory_type.HOST
    address: int = 0
    host: Any = field(default=None, repr=False)

    def box(self, region: tuple[int, int, int], routine: str) -> Rectangle:
        """Return the box from where the memory begins.

        Raises:
            accelpool.LogicError: INVALID_VALUE: pitches that fold it onto itself, or an empty box.
        """
        rows = self.pitch or region[0]
        slices = rows * (self.height or region[1])
        return rectangle((self.x, self.y, self.z), region, rows, slices, routine)


class OfSide:
    """A property that is a number of one side; anything with `__index__` sets it."""

    __slots__ = ("_name", "_side")

    def __init__(self, side: str, name: str) -> None:
        self._side = side
        self._name = name

    @overload
    def __get__(self, copy: None, kind: type[Any] | None = None) -> OfSide: ...

    @overload
    def __get__(self, copy: Memcpy2D, kind: type[Any] | None = None) -> int: ...

    def __get__(self, copy: Memcpy2D | None, kind: type[Any] | None = None) -> OfSide | int:
        """Return the number, or the property itself when asked of the class."""
        if copy is None:
            return self
        number: int = getattr(getattr(copy, self._side), self._name)
        return number

    def __set__(self, copy: Memcpy2D, value: SupportsIndex) -> None:
        """Set the number."""
        setattr(getattr(copy, self._side), self._name, operator.index(value))


class Memcpy2D:
    """A copy of a rectangle; set where from, where to and how much, and call it.

    Attributes:
        width_in_bytes: Bytes of a row.
        height: How many rows.
    """

    routine = "cuMemcpy2D"
    width_in_bytes = 0
    height = 0
    depth = 1

    def __init__(self) -> None:
        self._source, self._target = Side(), Side()

    src_x_in_bytes: OfSide = OfSide("_source", "x")
    src_y: OfSide = OfSide("_source", "y")
    src_pitch: OfSide = OfSide("_source", "pitch")
    src_device: OfSide = OfSide("_source", "address")
    src_memory_type: OfSide = OfSide("_source", "kind")
    dst_x_in_bytes: OfSide = OfSide("_target", "x")
    dst_y: OfSide = OfSide("_target", "y")
    dst_pitch: OfSide = OfSide("_target", "pitch")
    dst_device: OfSide = OfSide("_target", "address")
    dst_memory_type: OfSide = OfSide("_target", "kind")

    def set_src_host(self, memory: Any, /) -> None:
        """Copy from host memory: an array, or anything contiguous with the buffer protocol."""
        self._source.kind, self._source.host = memory_type.HOST, memory

    def set_dst_host(self, memory: Any, /) -> None:
        """Copy to host memory: an array, or anything contiguous with the buffer protocol."""
        self._target.kind, self._target.host = memory_type.HOST, memory

    def set_src_device(self, address: Any, /) -> None:
        """Copy from device memory."""
        self._source.kind, self._source.address = memory_type.DEVICE, operator.index(address)

    def set_dst_device(self, address: Any, /) -> None:
        """Copy to device memory."""
        self._target.kind, self._target.address = memory_type.DEVICE, operator.index(address)

    def set_src_array(self, array: object, /) -> NoReturn:  # noqa: ARG002 - whatever it is
        """Refuse: there are no arrays in the sense of CUDA's textures.

        Raises:
            LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
        """
        raise failed(self.routine, "NOT_SUPPORTED", "there are no texture arrays: use device memory")

    def set_dst_array(self, array: object, /) -> NoReturn:
        """Refuse, as `set_src_array`."""
        self.set_src_array(array)

    def set_src_unified(self, memory: object, /) -> NoReturn:
        """Refuse, as `set_src_array`: there is no managed memory."""
        self.set_src_array(memory)

    def set_dst_unified(self, memory: object, /) -> NoReturn:
        """Refuse, as `set_src_unified`."""
        self.set_src_array(memory)

    def __call__(
        self,
        stream: Stream | bool | None = None,
        *,
        aligned: bool = True,  # noqa: ARG002 - of no effect here
    ) -> None:
        """Copy.

        Args:
            stream: For an asynchronous copy; as of `memcpy_dtoh_async` it waits all the same for host memory
                that is not page-locked. A truth value, or None, for one that waits.
            aligned: Of no effect here.

        Raises:
            LogicError: CUDA_ERROR_INVALID_VALUE: the box is not in the memory of one side.
        """
        context = current(self.routine)
        given = stream if isinstance(stream, Stream) else None
        lane = context._lane(given, self.routine)
        region = (int(self.width_in_bytes), int(self.height), int(self.depth))
        with calling(self.routine):
            source = self._source.box(region, self.routine)
            target = self._target.box(region, self.routine)
        copy = self._copier(is_async=given is not None)
        copy(context, lane, source, target)

    def _copier(self, is_async: bool) -> Callable[[Context, Lane, Rectangle, Rectangle], None]:
        kinds = (self._source.kind, self._target.kind)
        if kinds == (memory_type.HOST, memory_type.DEVICE):
            return self._write
        if kinds == (memory_type.DEVICE, memory_type.HOST):
            return functools.partial(self._read, is_async and is_pagelocked(self._target.host))
        if kinds == (memory_type.DEVICE, memory_type.DEVICE):
            return self._copy
        raise LogicError(f"{self.routine} failed: invalid value - NumPy copies from host to host")

    def _write(self, context: Context, lane: Lane, source: Rectangle, target: Rectangle) -> None:
        content = _bytes_of(self._source.host)
        with calling(self.routine):
            source.check_within(content.nbytes, self.routine)
            buffer, place = _place(context, self._target.address, target, self.routine)
            with context._lanes.lock:
                waits = context._lanes.before(lane)
                message = m.EnqueueWriteBufferRect(
                    lane.queue._handle, buffer._use(self.routine), *place, 0, waits
                )
                context._lower._session.post(message, packed(content, source))

    def _read(
        self, is_async: bool, context: Context, lane: Lane, source: Rectangle, target: Rectangle
    ) -> None:
        content, session = _bytes_of(self._target.host, writable=True), context._lower._session
        with calling(self.routine):
            target.check_within(content.nbytes, self.routine)
            buffer, (origin, region, rows, slices) = _place(
                context, self._source.address, source, self.routine
            )
            into, then = _into(content, target)
            with context._lanes.lock:
                waits = context._lanes.before(lane)
                event = session.new_handle() if is_async else 0
                handles = (lane.queue._handle, buffer._use(self.routine))
                message = m.EnqueueReadBufferRect(*handles, origin, region, rows, slices, event, waits)
                pending = session.read(message, into, then)
            if event:
                session.release(event)
                return
            session.finish_read(pending)
            context._lanes.finish_reads(lane)

    def _copy(self, context: Context, lane: Lane, source: Rectangle, target: Rectangle) -> None:
        with calling(self.routine):
            from_, (origin, region, rows, slices) = _place(
                context, self._source.address, source, self.routine
            )
            to, (to_origin, _, to_rows, to_slices) = _place(
                context, self._target.address, target, self.routine
            )
            with context._lanes.lock:
                waits = context._lanes.before(lane)
                handles = (lane.queue._handle, from_._use(self.routine), to._use(self.routine))
                pitches = ([rows, slices], [to_rows, to_slices])
                message = m.EnqueueCopyBufferRect(*handles, origin, to_origin, region, *pitches, 0, waits)
                context._lower._session.post(message)


class Memcpy3D(Memcpy2D):
    """A copy of a box; set where from, where to and how much, and call it.

    Attributes:
        depth: How many slices.
        src_lod, dst_lod: 0.
    """

    routine = "cuMemcpy3D"
    src_lod = dst_lod = 0

    src_z: OfSide = OfSide("_source", "z")
    src_height: OfSide = OfSide("_source", "height")
    dst_z: OfSide = OfSide("_target", "z")
    dst_height: OfSide = OfSide("_target", "height")


def _place(
    context: Context, address: int, box: Rectangle, routine: str
) -> tuple[Buffer, tuple[list[int], list[int], int, int]]:
    """Return the buffer that has a box of device memory, and the box as messages name it."""
    buffer, offset = context._addresses.find(address + box.start, box.span, routine)
    slices, rest = divmod(offset, box.slice_pitch) if box.region[2] > 1 else (0, offset)
    rows, column = divmod(rest, box.row_pitch)
    return buffer, ([column, rows, slices], list(box.region), box.row_pitch, box.slice_pitch)


def _into(content: memoryview, target: Rectangle) -> tuple[memoryview, Callable[[], None] | None]:
    """Return where a box is to be read to, and what is to be done then."""
    if target.is_dense:
        return content[target.start : target.start + target.size], None
    dense = memoryview(bytearray(target.size))
    return dense, lambda: unpack(dense, content, target)


def _bytes_of(memory: Any, *, writable: bool = False) -> memoryview:
    """Return host memory as bytes, from its first number to its last; of an array with its gaps."""
    if not isinstance(memory, np.ndarray) or memory.flags.forc:
        return flat_bytes(memory, writable=writable)
    if min(memory.strides) < 0 or not memory.size:
        raise ValueError("an array with a negative stride, or nothing in it: copy it first")
    if writable and not memory.flags.writeable:
        raise BufferError("the array to copy into is read-only")
    span = memory.itemsize
    span += sum((size - 1) * stride for size, stride in zip(memory.shape, memory.strides, strict=True))
    first: AnyArray = memory[(slice(0, 1),) * memory.ndim].reshape(-1).view(np.uint8)
    return np.lib.stride_tricks.as_strided(first, (span,), (1,), writeable=writable).data
