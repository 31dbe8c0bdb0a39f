"""Copies of rectangles in buffers; bounds and overlaps are checked here, as not every driver does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.bands import Band, Bulk
from accelpool_node.worker.commands import Commands
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import BufferObject, QueueObject
from accelpool_node.worker.transfers import Intake, Outlet
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for
from accelpool_wire.rectangles import Rectangle, check_overlap, rectangle


class Rectangles:
    """Enqueues for one session; every method raises OpenCL's error if a command cannot be enqueued.

    Args:
        backend: Whose queues these are.
        holdings: The session's objects.
        commands: The session's other commands.
    """

    def __init__(self, backend: Backend, holdings: Holdings, commands: Commands) -> None:
        self._backend = backend
        self._holdings = holdings
        self._commands = commands

    def open_write(self, message: m.EnqueueWriteBufferRect, size: int) -> Intake:
        """Return where the payload of a write goes."""
        queue, buffer, where, wait_for = self._write_target(message, size)

        def enqueue(view: memoryview, band: Band, waits: Sequence[Any] | None) -> Any:
            return self._backend.enqueue_write_buffer_rect(
                queue.handle, buffer.handle, view, _part(where, band), waits
            )

        bulk = Bulk(where.origin, where.region, 1, where.size, enqueue)
        return self._commands.open_bulk_write(message, queue, bulk, wait_for, "clEnqueueWriteBufferRect")

    def enqueue_write_buffer_rect(
        self, message: m.EnqueueWriteBufferRect, intake: Intake | None, command: int
    ) -> None:
        """Enqueue a write whose payload has arrived."""
        queue = self._write_target(message, intake.size if intake else 0)[0]
        if intake is not None:
            self._commands.end(message, queue, intake.close(), command)

    def _write_target(
        self, message: m.EnqueueWriteBufferRect, size: int
    ) -> tuple[QueueObject, BufferObject, Rectangle, list[Any] | None]:
        routine = "clEnqueueWriteBufferRect"
        buffer, where = self._within(message, routine)
        if size != where.size:
            what = f"a payload of {size} bytes for a region of {where.size} bytes"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        queue, wait_for = self._commands.begin(message, routine)
        return queue, buffer, where, wait_for

    def enqueue_read_buffer_rect(self, message: m.EnqueueReadBufferRect, command: int) -> Outlet:
        """Enqueue a read; return where its bytes will be."""
        routine = "clEnqueueReadBufferRect"
        buffer, where = self._within(message, routine)
        queue, wait_for = self._commands.begin(message, routine)

        def enqueue(view: memoryview, band: Band, waits: Sequence[Any] | None) -> Any:
            return self._backend.enqueue_read_buffer_rect(
                queue.handle, buffer.handle, view, _part(where, band), waits
            )

        bulk = Bulk(where.origin, where.region, 1, where.size, enqueue)
        return self._commands.bulk_read(message, queue, bulk, wait_for, routine, command)

    def enqueue_copy_buffer_rect(self, message: m.EnqueueCopyBufferRect, command: int) -> None:
        """Copy between buffers, or within one."""
        routine, buffers = "clEnqueueCopyBufferRect", self._holdings.buffers
        source, target = buffers.get(message.source, routine), buffers.get(message.target, routine)
        region = message.region
        source_where = _where(message.source_origin, region, message.source_pitches, routine)
        target_where = _where(message.target_origin, region, message.target_pitches, routine)
        source_where.check_within(source.size, routine)
        target_where.check_within(target.size, routine)
        if source is target:
            check_overlap(source_where, target_where, routine)
        queue, wait_for = self._commands.begin(message, routine)
        event = self._backend.enqueue_copy_buffer_rect(
            queue.handle, source.handle, target.handle, source_where, target_where, wait_for
        )
        self._commands.end(message, queue, event, command)

    def _within(
        self, message: m.EnqueueWriteBufferRect | m.EnqueueReadBufferRect, routine: str
    ) -> tuple[BufferObject, Rectangle]:
        """Return the buffer of a message and the rectangle, which lies within it."""
        buffer = self._holdings.buffers.get(message.buffer, routine)
        pitches = (message.row_pitch, message.slice_pitch)
        where = _where(message.origin, message.region, pitches, routine)
        where.check_within(buffer.size, routine)
        return buffer, where


def _part(where: Rectangle, band: Band) -> Rectangle:
    (x, y, z), (width, height, depth) = band.origin, band.region
    return dataclasses.replace(where, origin=(x, y, z), region=(width, height, depth))


def _where(origin: Sequence[int], region: Sequence[int], pitches: Sequence[int], routine: str) -> Rectangle:
    if len(pitches) != 2 or min(pitches) < 0:
        what = f"{list(pitches)} are no two pitches"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)
    return rectangle(origin, region, pitches[0], pitches[1], routine)
