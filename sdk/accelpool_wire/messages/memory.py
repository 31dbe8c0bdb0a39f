"""Contexts, command queues and buffers, and how handles are given back."""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Posted


class CreateContext(Posted, frozen=True, tag=10):
    """Make a context over devices of the session, given by their places in Welcome."""

    context: Handle
    devices: list[int]


class CreateCommandQueue(Posted, frozen=True, tag=11):
    """Make a command queue; `properties` is OpenCL's bit field, `size` an on-device queue's bytes."""

    queue: Handle
    context: Handle
    device: int
    properties: int = 0
    size: int = 0


class CreateBuffer(Posted, frozen=True, tag=12):
    """Make a buffer; a payload, if any, is its first content (COPY_HOST_PTR)."""

    has_payload: ClassVar[bool] = True

    buffer: Handle
    context: Handle
    flags: int
    size: int


class CreateSubBuffer(Posted, frozen=True, tag=13):
    """Make a buffer over a region of another."""

    sub_buffer: Handle
    buffer: Handle
    flags: int
    origin: int
    size: int


class Release(Posted, frozen=True, tag=18):
    """Give back objects and events; what still uses them keeps them alive."""

    handles: list[Handle]
