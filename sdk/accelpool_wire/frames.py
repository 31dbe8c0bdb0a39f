"""Frames: how messages and bulk bytes follow each other on a stream.

    offset  type    bytes  meaning
    0       u32 LE  4      length of the body, 1 to the body limit
    4       u64 LE  8      length of the payload, 0 to the payload limit
    12      bytes   ...    the body: one msgpack message (see `messages`)
    ...     bytes   ...    the payload: bulk bytes, raw

Rules: nothing lies between frames; a receiver that meets a length over its limit stops reading. No I/O
happens here: `FrameReader` says where the next bytes belong, and is told how many arrived. A payload goes
straight into the memory that its receiver names, once the body says what it is.
"""

from __future__ import annotations

import struct

from accelpool_wire.errors import FrameTooLarge, LocalProtocolError, RemoteProtocolError

PREFIX = struct.Struct("<IQ")
PREFIX_BYTES = PREFIX.size
READ_BUFFER_BYTES = 256 * 1024
FIRST_BODY_BYTES = 80 * 1024  # a connection's first body has no more, nor an agent's answer to it


class FrameReader:
    """Cuts a stream into frames, without copying payloads.

    Give it bytes by `buffer` and `received`, then take frames by `next_body` until it returns None. When a
    body came with a payload (`payload_bytes` > 0), call `payload_into` before anything else; or `part_into`,
    and again whenever the part is whole (`part_missing` is 0) and the payload is not.

    Attributes:
        payload_bytes: The length of the payload that belongs to the body last returned.
        payload_missing: How many bytes of it are still to arrive.
        part_missing: How many bytes are still to arrive before the next part needs a place.
    """

    def __init__(self, *, body_limit: int, payload_limit: int) -> None:
        self.body_limit = body_limit
        self.payload_limit = payload_limit
        self.payload_bytes: int = 0
        self.payload_missing: int = 0
        self.part_missing: int = 0
        self._store = bytearray(READ_BUFFER_BYTES)
        self._view = memoryview(self._store)
        self._start = 0
        self._end = 0
        self._sink: memoryview | None = None
        self._needs_sink = False
        self._is_discarding = False

    def buffer(self) -> memoryview:
        """Return the memory, never empty, for the next bytes of the stream."""
        if self._needs_sink:
            raise LocalProtocolError("payload_into must say where the payload goes before more is read")
        if self._sink is not None:
            missing = self.part_missing
            return self._sink[:missing] if self._is_discarding else self._sink[-missing:]
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == len(self._store):
            self._make_room()
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Take note that `count` bytes were put at the start of `buffer`."""
        if self._sink is None:
            self._end += count
            return
        self.payload_missing -= count
        self.part_missing -= count
        self._await_part(self._sink)

    def next_body(self) -> memoryview | None:
        """Return the next frame's body, valid until the next call of `buffer`, or None if more must arrive.

        Raises:
            FrameTooLarge: The body or the payload is over its limit.
            RemoteProtocolError: The body is empty.
        """
        if self._sink is not None or self._needs_sink or self._end - self._start < PREFIX_BYTES:
            return None
        body_bytes, payload_bytes = PREFIX.unpack_from(self._store, self._start)
        if body_bytes > self.body_limit or payload_bytes > self.payload_limit or not body_bytes:
            self._refuse(body_bytes, payload_bytes)
        body_start = self._start + PREFIX_BYTES
        if self._end < body_start + body_bytes:
            self._grow(PREFIX_BYTES + body_bytes)
            return None
        self._start = body_start + body_bytes
        self.payload_bytes = self.payload_missing = payload_bytes
        self._needs_sink = payload_bytes > 0
        return self._view[body_start : self._start]

    def payload_into(self, sink: memoryview) -> None:
        """Say where the payload of the body last returned goes; what has arrived is copied at once.

        Args:
            sink: Writable bytes, exactly `payload_bytes` of them.
        """
        if not self._needs_sink or sink.nbytes != self.payload_missing:
            raise LocalProtocolError(f"a sink of {self.payload_missing} bytes is due, not of {sink.nbytes}")
        self.part_into(sink)

    def part_into(self, sink: memoryview) -> None:
        """Say where the next part of the payload goes; what has arrived is copied at once.

        Args:
            sink: Writable bytes, 1 to `payload_missing` of them.
        """
        if not self._needs_sink or not 0 < sink.nbytes <= self.payload_missing:
            what = f"a sink of 1 to {self.payload_missing} bytes is due, not of {sink.nbytes}"
            raise LocalProtocolError(what)
        here = self._take(sink.nbytes)
        sink[:here] = self._view[self._start - here : self._start]
        self._await_part(sink)

    def discard_payload(self) -> None:
        """Say that nobody wants what is missing of the payload: it is read and dropped."""
        if not self._needs_sink:
            raise LocalProtocolError("there is no payload to discard")
        self._take(self.payload_missing)
        self._is_discarding = True
        self._await_part(memoryview(bytearray(READ_BUFFER_BYTES)))

    def _take(self, size: int) -> int:
        """Begin a part of a size with what of it has arrived; return how much that is."""
        here = min(size, self._end - self._start)
        self._start += here
        self.payload_missing -= here
        self.part_missing = size - here
        return here

    def _await_part(self, sink: memoryview) -> None:
        """Go on with a part, if it is not whole."""
        self._sink = sink if self.part_missing else None
        self._needs_sink = not self.part_missing and self.payload_missing > 0
        self._is_discarding &= self.part_missing > 0

    def has_leftover(self) -> bool:
        """Whether bytes of an unfinished frame were received: true at a stream's end means it was cut."""
        return self._sink is not None or self._needs_sink or self._end > self._start

    def _refuse(self, body_bytes: int, payload_bytes: int) -> None:
        if not body_bytes:
            raise RemoteProtocolError("a frame's body has 0 bytes; a message has at least 2")
        if body_bytes > self.body_limit:
            raise FrameTooLarge(f"a frame's body has {body_bytes} bytes; the limit is {self.body_limit}")
        raise FrameTooLarge(f"a frame's payload has {payload_bytes} bytes; the limit is {self.payload_limit}")

    def _make_room(self) -> None:
        """Move what is unread to the front."""
        unread = self._end - self._start
        self._view[:unread] = self._view[self._start : self._end]
        self._start, self._end = 0, unread

    def _grow(self, frame_bytes: int) -> None:
        """Have room for a frame of a size, starting at the front."""
        if self._start + frame_bytes <= len(self._store):
            return
        self._make_room()
        if frame_bytes > len(self._store):
            grown = bytearray(frame_bytes)
            grown[: self._end] = self._view[: self._end]
            self._store, self._view = grown, memoryview(grown)
