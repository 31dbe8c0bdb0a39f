"""Copies of rectangles in buffers.

An origin and a region are three numbers: bytes, rows, slices. A pitch is in bytes, 0 for no gaps;
`accelpool_wire.rectangles` has the formula. The bytes travel without gaps.
"""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Posted, Reply, Synchronous
from accelpool_wire.messages.commands import Data


class EnqueueWriteBufferRect(Posted, frozen=True, tag=88):
    """Write the payload to a rectangle in a buffer."""

    has_payload: ClassVar[bool] = True

    queue: Handle
    buffer: Handle
    origin: list[int]
    region: list[int]
    row_pitch: int = 0
    slice_pitch: int = 0
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueReadBufferRect(Synchronous, frozen=True, tag=89):
    """Read a rectangle in a buffer; answered as EnqueueReadBuffer is."""

    answer: ClassVar[type[Reply]] = Data

    queue: Handle
    buffer: Handle
    origin: list[int]
    region: list[int]
    row_pitch: int = 0
    slice_pitch: int = 0
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueCopyBufferRect(Posted, frozen=True, tag=90):
    """Copy a rectangle between buffers of the session, or within one."""

    queue: Handle
    source: Handle
    target: Handle
    source_origin: list[int]
    target_origin: list[int]
    region: list[int]
    source_pitches: list[int]
    target_pitches: list[int]
    event: Handle = 0
    wait_for: list[Handle] | None = None
