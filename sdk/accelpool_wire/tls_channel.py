"""A channel whose stream is secured by TLS.

An `SSL` object of OpenSSL is for one thread at a time, and a channel for two: whoever sends or receives has
its turn, for some records, and never waits for the network meanwhile.

Python's TLS looks for signals after it has read: a handler that raises takes the count of bytes with it,
though they have left the stream. So each record is read in two steps, its first byte and the rest. How much
there is of the rest OpenSSL tells before and after: what was read, but not counted, is found from that.
"""

from __future__ import annotations

import errno
import functools
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence

from accelpool_wire.channel import SPIN_S, Channel
from accelpool_wire.frames import FrameReader

RECORD_BYTES = 16 * 1024
TURN_BYTES = 16 * RECORD_BYTES
UNLIKELY = 0xA7  # a byte that is still this where one was to be read has most likely not been read
FIRST_BYTE = -1  # how much is left of a record whose first byte is being read: who knows
WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


def channel_over(stream: socket.socket, reader: FrameReader) -> Channel:
    """Return the channel that belongs to a stream, secured or not."""
    if isinstance(stream, ssl.SSLSocket):
        return TlsChannel(stream, reader)
    return Channel(stream, reader)


class TlsChannel(Channel):
    """A channel over TLS; see `Channel`.

    Args:
        stream: Secured; the channel owns it from now on.
        reader: Cuts what arrives.
        spin_s: How long to spin for more bytes before blocking.
    """

    def __init__(self, stream: ssl.SSLSocket, reader: FrameReader, *, spin_s: float = SPIN_S) -> None:
        super().__init__(stream, reader, spin_s=spin_s)
        stream.setblocking(False)
        self._tls = stream
        self._turn = threading.Lock()
        self._has_ended = False

    def is_readable(self) -> bool:
        """Whether there is something to receive, be it the end; a part of a record counts."""
        return self.has_pending() or super().is_readable()

    def shut_down(self) -> None:
        """End both directions: whoever blocks on the stream returns with an error."""
        try:
            socket.socket.shutdown(self._tls, socket.SHUT_RDWR)  # the stream's own would go on without TLS
        except OSError:
            return  # already gone

    def detach(self) -> socket.socket:
        """Return the stream without TLS; nothing is said to the other side of that."""
        return socket.socket(fileno=self._tls.detach())

    # ---- sending -----------------------------------------------------------------------------------------

    def _send_some(self, parts: Sequence[bytes | bytearray | memoryview]) -> int:
        """Send some records. One that found no room is the first again, with the same content, next time."""
        content = _first_of(parts)
        sent, size = 0, min(content.nbytes, TURN_BYTES)
        with self._turn:
            while sent < size:
                try:
                    sent += self._tls.send(content[sent : sent + RECORD_BYTES])
                except WANTS:
                    if not sent:
                        raise BlockingIOError from None
                    break
                except ssl.SSLEOFError:
                    raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
        return sent

    # ---- receiving ---------------------------------------------------------------------------------------

    def _receive_into(self, buffer: memoryview, counts: list[int], timeout_s: float | None) -> None:
        if not self.reader.payload_missing and self._may_spin() and self._spin(buffer, counts):
            return
        due_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not counts:
            self._await(select.POLLIN, None if due_s is None else due_s - time.monotonic())
            try:
                self._receive_some(buffer, counts)
            except BlockingIOError:
                continue  # a part of a record, or nothing that is ours

    def _receiver(self, buffer: memoryview, counts: list[int]) -> Callable[[], None]:
        return functools.partial(self._receive_some, buffer, counts)

    def _receive_some(self, buffer: memoryview, counts: list[int]) -> None:
        """Receive what is there, or as much as fits, and append its count; 0 is the end.

        Raises:
            BlockingIOError: There is nothing.
        """
        with self._turn:
            steps = [(0, self._tls.pending())]
            try:
                try:
                    self._take(buffer, steps)
                finally:
                    self._count(buffer, steps, counts)
            except BaseException:
                self._count(buffer, steps, counts)  # an interrupt may come while it counts, too
                raise
        if not counts:
            if not self._has_ended:
                raise BlockingIOError
            counts.append(0)

    def _take(self, buffer: memoryview, steps: list[tuple[int, int]]) -> None:
        """Receive step by step, and note after each how many bytes were taken, and are left of the record."""
        tls, size = self._tls, min(buffer.nbytes, TURN_BYTES)
        taken, left = steps[0]
        while taken < size and not self._has_ended:
            if left:
                count = min(left, size - taken)
                tls.recv_into(buffer[taken:], count)
                taken, left = taken + count, left - count
            else:
                buffer[taken] = UNLIKELY
                steps.append((taken, FIRST_BYTE))
                try:
                    self._has_ended = not tls.recv_into(buffer[taken:], 1)
                except WANTS:
                    return
                if self._has_ended:
                    return
                taken, left = taken + 1, tls.pending()
            steps.append((taken, left))

    def _count(self, buffer: memoryview, steps: list[tuple[int, int]], counts: list[int]) -> None:
        """Note how many bytes were taken, those of an interrupted step included. Twice is once."""
        taken, left = steps[-1]
        left_now = self._tls.pending()
        if left != FIRST_BYTE:
            taken += left - left_now
        elif left_now or buffer[taken] != UNLIKELY:
            taken += 1
        if taken:
            counts[:] = [taken]

    def _await(self, events: int, timeout_s: float | None) -> int:
        if events & select.POLLIN and self.has_pending():
            return select.POLLIN
        return super()._await(events, timeout_s)

    def has_pending(self) -> bool:
        """Whether bytes have left the stream that were not received yet."""
        with self._turn:
            return self._tls.pending() > 0


def _first_of(parts: Sequence[bytes | bytearray | memoryview]) -> memoryview:
    """Return what is to be sent first: all parts if they fit into one record, else the first of them."""
    if len(parts) > 1:
        views = [view for part in parts if (view := memoryview(part)).nbytes]
        if sum(view.nbytes for view in views) <= RECORD_BYTES:
            return memoryview(b"".join(views))
        parts = views
    return memoryview(parts[0]).cast("B")
