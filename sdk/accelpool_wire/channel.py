"""The wire's sockets: frames out, frames in. `tls_channel` has what is different over TLS.

A `Channel` is one connected stream. It sends frames without copying payloads and receives them straight into
their destinations. It spins briefly before it blocks, because a wake-up costs more than most replies take.
One thread may send while another receives; each direction is for one thread at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from itertools import starmap

from accelpool_wire.errors import ConnectError, ReadError, Timeout, WriteError
from accelpool_wire.frames import FrameReader

SPIN_S = 100e-6
MAX_LOST_SPINS = 6
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 5, 2, 4
DEAD_PEER_S = 10.0
LOOK_EVERY_S = 2.5

# Fields of struct tcp_info (linux/tcp.h): segments unacknowledged; ms since the newest acknowledgement;
# the shortest round trip, in microseconds.
TCP_INFO_BYTES = 104
UNACKED = struct.Struct("=24xI")
LAST_ACK_RECEIVED = struct.Struct("=56xI")
MIN_RTT = struct.Struct("=148xI")
NO_RTT = 0xFFFFFFFF


def connect(address: tuple[str, int], timeout_s: float) -> socket.socket:
    """Return a stream connected to an address, prepared for small messages and dead peers.

    Raises:
        ConnectError: Nobody answers there.
        Timeout: Nobody answered in time.
    """
    try:
        stream = socket.create_connection(address, timeout=timeout_s)
    except TimeoutError as error:
        raise Timeout(f"no answer from {address[0]}:{address[1]} within {timeout_s:g} s") from error
    except OSError as error:
        raise ConnectError(
            f"nobody answers at {address[0]}:{address[1]}: {error.strerror or error}"
        ) from error
    prepare(stream)
    return stream


def read_exactly(stream: socket.socket, count: int, due_s: float) -> bytes:
    """Return so many bytes of a stream, secured or not, and leave what follows them in it.

    Args:
        stream: Its timeout changes.
        count: How many.
        due_s: Until when, by the monotonic clock.

    Raises:
        ReadError: The other side closed before.
        OSError: The connection broke; TimeoutError: they did not come in time.
    """
    content = bytearray()
    while len(content) < count:
        stream.settimeout(max(due_s - time.monotonic(), 0.001))
        part = stream.recv(count - len(content))
        if not part:
            raise ReadError(f"the other side closed after {len(content)} of {count} bytes")
        content += part
    return bytes(content)


def prepare(stream: socket.socket) -> None:
    """Set a stream's options: no delay, and an idle stream's dead peer is noticed within 13 seconds.

    Keepalive covers streams on which nothing is under way; for the others see `silence_s`.
    """
    stream.settimeout(None)
    if stream.family not in (socket.AF_INET, socket.AF_INET6):
        return
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)


def silence_s(stream: socket.socket) -> float:
    """Return for how long the other side has owed an acknowledgement, in seconds; 0 if it owes none.

    A side that lives acknowledges even when it has no room for more: TCP_USER_TIMEOUT would take that for
    death, and break the connection of whoever computes for a while before it reads.
    """
    if stream.family not in (socket.AF_INET, socket.AF_INET6):
        return 0.0
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    (unacked,) = UNACKED.unpack_from(info)
    return LAST_ACK_RECEIVED.unpack_from(info)[0] / 1000 if unacked else 0.0


def shortest_round_trip_s(stream: socket.socket) -> float:
    """Return how long a packet and its acknowledgement took at the least, in seconds; 0 if nobody knows."""
    if stream.family not in (socket.AF_INET, socket.AF_INET6):
        return 0.0
    try:
        info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, MIN_RTT.size)
    except OSError:  # closed
        return 0.0
    if len(info) < MIN_RTT.size:  # an older system
        return 0.0
    (found_us,) = MIN_RTT.unpack(info)
    return 0.0 if found_us == NO_RTT else float(found_us) / 1e6


class Channel:
    """One connected stream, and the reader of its incoming frames.

    Args:
        stream: Connected and blocking; the channel owns it from now on.
        reader: Cuts what arrives.
        spin_s: How long to spin for more bytes before blocking.
    """

    def __init__(self, stream: socket.socket, reader: FrameReader, *, spin_s: float = SPIN_S) -> None:
        self.reader = reader
        self.bytes_sent: int = 0
        self.bytes_received: int = 0
        self._stream = stream
        self._spin_s = spin_s
        self._lost_spins = 0
        self._rests = 0

    def fileno(self) -> int:
        """The stream's descriptor, -1 once closed."""
        return self._stream.fileno()

    def shortest_round_trip_s(self) -> float:
        """Return how long the network's round trip took at the least, in seconds; 0 if nobody knows."""
        return shortest_round_trip_s(self._stream)

    def send(
        self, parts: Sequence[bytes | bytearray | memoryview], while_full: Callable[[], None] | None = None
    ) -> None:
        """Send all bytes of all parts, in order.

        Args:
            parts: Bytes-like objects of contiguous bytes; not copied.
            while_full: Called whenever the stream takes no more but has bytes to read: must read some, lest
                both sides wait for each other. None means to block.

        Raises:
            WriteError: The connection is broken.
        """
        rest = parts
        while rest:
            try:
                try:
                    sent = self._send_some(rest)
                except BlockingIOError:
                    self._await_room(while_full)
                    continue
            except OSError as error:
                raise WriteError(f"the connection broke while sending: {error.strerror or error}") from error
            self.bytes_sent += sent
            rest = _after(rest, sent)

    def _send_some(self, parts: Sequence[bytes | bytearray | memoryview]) -> int:
        if len(parts) == 1:
            return self._stream.send(parts[0], socket.MSG_DONTWAIT)
        return self._stream.sendmsg(parts, (), socket.MSG_DONTWAIT)

    def _await_room(self, while_full: Callable[[], None] | None) -> None:
        happened = self._await(select.POLLIN | select.POLLOUT if while_full else select.POLLOUT, None)
        if while_full and happened & select.POLLIN and not happened & select.POLLOUT:
            while_full()

    def try_send(self, content: bytes | bytearray) -> None:
        """Send what fits at once, as a last word before the end: nothing may be sent after it."""
        with contextlib.suppress(OSError):
            self.bytes_sent += self._send_some([content])

    def is_readable(self) -> bool:
        """Whether there is something to receive, be it the end."""
        return self._is_ready(select.POLLIN)

    def has_room(self) -> bool:
        """Whether something could be sent at once, be it that the connection is broken."""
        return self._is_ready(select.POLLOUT)

    def _is_ready(self, events: int) -> bool:
        poller = select.poll()
        poller.register(self._stream, events)
        return bool(poller.poll(0))

    def receive(self, timeout_s: float | None = None) -> None:
        """Receive some bytes into the reader: spin a little, then block.

        An exception that interrupts it, such as KeyboardInterrupt, loses no bytes.

        Raises:
            Timeout: Nothing came in time.
            ReadError: The connection is broken, or the other side closed it.
        """
        counts: list[int] = []
        try:
            self._receive_into(self.reader.buffer(), counts, timeout_s)
        except OSError as error:
            raise ReadError(f"the connection broke while receiving: {error.strerror or error}") from error
        finally:
            if counts and counts[0]:
                self.reader.received(counts[0])
                self.bytes_received += counts[0]
        if not counts[0]:
            cut = " in the middle of a frame" if self.reader.has_leftover() else ""
            raise ReadError(f"the other side closed the connection{cut}")

    def _receive_into(self, buffer: memoryview, counts: list[int], timeout_s: float | None) -> None:
        """Receive once, and append the count of bytes to `counts`.

        A signal handler may raise between any two calls, but not inside `extend`: the bytes that left the
        socket and their count cannot get separated.
        """
        receive = map(self._stream.recv_into, (buffer,))
        if self.reader.payload_missing or not self._may_spin() or not self._spin(buffer, counts):
            self._await(select.POLLIN, timeout_s)
            counts.extend(receive)

    def _spin(self, buffer: memoryview, counts: list[int]) -> bool:
        """Receive as soon as something is there; whether it was within the spin time."""
        receive = self._receiver(buffer, counts)
        deadline = time.perf_counter() + self._spin_s
        while True:
            try:
                receive()
            except BlockingIOError:
                if time.perf_counter() > deadline:
                    break
                os.sched_yield()
            else:
                self._lost_spins = 0
                return True
        self._lost_spins = min(self._lost_spins + 1, MAX_LOST_SPINS)
        self._rests = (1 << self._lost_spins) - 2
        return False

    def _receiver(self, buffer: memoryview, counts: list[int]) -> Callable[[], None]:
        """Return what receives once, without waiting, and appends the count of bytes to `counts`."""
        receive_into, arguments = self._stream.recv_into, ((buffer, 0, socket.MSG_DONTWAIT),)
        return lambda: counts.extend(starmap(receive_into, arguments))

    def _may_spin(self) -> bool:
        """Whether to spin this time: after spins in vain there are rests, twice as many each time.

        Spinning in vain is worse than useless where processors are few: it keeps the one that is waited for
        from running. Yielding does not help if that one is in another scheduling group.
        """
        if self._rests:
            self._rests -= 1
            return False
        return True

    def _await(self, events: int, timeout_s: float | None) -> int:
        """Wait until the stream is ready, looking now and then whether the other side still lives.

        Raises:
            Timeout: It was not ready in time.
            OSError: The other side no longer answers.
        """
        poller = select.poll()
        poller.register(self._stream, events)
        left = float("inf") if timeout_s is None else max(0.0, timeout_s)
        while not (ready := poller.poll(min(left, LOOK_EVERY_S) * 1000)):
            left -= LOOK_EVERY_S
            if left <= 0:
                raise Timeout(f"nothing came from the other side within {timeout_s:g} s")
            if (silence := silence_s(self._stream)) > DEAD_PEER_S:
                raise OSError(errno.ETIMEDOUT, f"the other side has not answered for {silence:.0f} s")
        return ready[0][1]

    def shut_down(self) -> None:
        """End both directions: whoever blocks on the stream returns with an error."""
        with contextlib.suppress(OSError):  # already gone
            self._stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def _after(parts: Sequence[bytes | bytearray | memoryview], sent: int) -> list[memoryview]:
    """Return what is left of some parts once `sent` bytes of them have left."""
    rest = []
    for part in parts:
        view = memoryview(part)
        if sent < view.nbytes:
            rest.append(view.cast("B")[sent:] if sent else view)
            sent = 0
        else:
            sent -= view.nbytes
    return rest
