"""Buffers that travel from one node to another, past the client.

The client makes a ticket, posts SendBuffer to the session that has the content and ReceiveBuffer to the one
that wants it. The sender's worker opens a connection of its own to the receiver's node:

    Deliver        ────▶    who it is for; its payload is held back
               ◀────        Awaited: the region is free
    the payload    ────▶
               ◀────        Done: it is in place; or Refused, at any time
"""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import ClientMessage, Handle, Posted, WorkerMessage

MIN_TICKET_BYTES, MAX_TICKET_BYTES = 16, 64


class Deliver(ClientMessage, frozen=True, tag=5):
    """Instead of Hello, from another node: the payload is what a ReceiveBuffer of the session awaits.

    The payload's length is in the frame's prefix at once; its bytes follow when Awaited has come.
    """

    has_payload: ClassVar[bool] = True

    session: str
    ticket: bytes


class Awaited(WorkerMessage, frozen=True, tag=6):
    """Answers Deliver: the payload may come."""


class SendBuffer(Posted, frozen=True, tag=100):
    """Send a region of a buffer to a session on another node, which awaits it with ReceiveBuffer."""

    queue: Handle
    buffer: Handle
    offset: int
    size: int
    host: str
    port: int
    session: str
    ticket: bytes
    event: Handle = 0
    wait_for: list[Handle] | None = None


class ReceiveBuffer(Posted, frozen=True, tag=101):
    """Make what a SendBuffer with the same ticket sends a region's content."""

    queue: Handle
    buffer: Handle
    offset: int
    size: int
    ticket: bytes
    event: Handle = 0
    wait_for: list[Handle] | None = None
