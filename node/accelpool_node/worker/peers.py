"""Buffers sent to, and received from, sessions on other nodes.

SendBuffer and ReceiveBuffer are commands of their queues. The session's own thread only enqueues them; the
rest is done in threads, at most `MAX_THREADS` each way, and `MAX_OFFERED` for each node that is sent to: who
needs one of more waits for it.

A thread waits for a device of ours, and for a peer that is busy with the transfer at hand. It never waits for
other transfers: neither for a region behind a gate, nor for another node to get ready, which may be because
of such a region. So no number of transfers, in whatever order they come, keeps those from going on that they
wait for. A transfer is a generator: what it yields is waited for without a thread.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from accelpool_node.worker.arrivals import Arrival, Arrivals
from accelpool_node.worker.peer_line import Patience, PeerLine
from accelpool_node.worker.peer_regions import ROUTINE, PeerRegion, PeerRegions
from accelpool_node.worker.readiness import Readiness
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import (
    AccelpoolError,
    ConnectError,
    Error,
    Invalid,
    ProtocolError,
    Timeout,
    TransportError,
    Unavailable,
    error_for,
)
from accelpool_wire.lease_token import peer_text, read_peer
from accelpool_wire.tls import Door

MAX_THREADS = 256
MAX_OFFERED = 64  # at once to a node: its agent reads first frames of not many more connections
MAX_CALLED_OFF = 16  # at once: a client can ask in vain as often as it likes
MOMENT_S = 0.01  # a node that is ready says so within
NOTHING_CAME = "the region's content did not come"

Connect: TypeAlias = Callable[[str, float], socket.socket]
Steps: TypeAlias = Generator[Future[Any], None, None]


class Peers:
    """Moves buffers between a session and those on other nodes.

    Args:
        regions: Opens and closes the regions that are sent, or received.
        addresses: Where the session may send to, as a lease token's `peers`.
        patience: How long to wait for what.
        connect: Returns a connection to one of the addresses within so many seconds, or raises a
            `TransportError`.

    Attributes:
        bytes_sent: Bytes of buffers that have left for other nodes.
        bytes_received: Bytes of buffers that have come from there.
    """

    def __init__(
        self, regions: PeerRegions, addresses: Sequence[str], patience: Patience, connect: Connect
    ) -> None:
        self.bytes_sent = 0
        self.bytes_received = 0
        self._counting = threading.Lock()
        self._calling_off = threading.BoundedSemaphore(MAX_CALLED_OFF)
        self._regions = regions
        self._patience = patience
        self._connect = connect
        self._arrivals = Arrivals(
            patience.match_s, self._start_receiving, self._give_up, self._start_turning_away
        )
        self._readiness = Readiness()
        self._pins, self._disputed = _pins_of(addresses)
        self._offerers = {
            address: ThreadPoolExecutor(MAX_OFFERED, thread_name_prefix="offer") for address in self._pins
        }
        self._senders = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="send")
        self._receivers = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="receive")

    # ---- commands ----------------------------------------------------------------------------------------

    def send_buffer(self, message: m.SendBuffer, command: int) -> None:
        """Send a region of a buffer to a session on another node.

        Raises:
            LogicError: INVALID_OPERATION for an address that is none of the lease's, or whose certificate is
                in dispute; INVALID_VALUE for a region that is none of the buffer, or a ticket of a wrong
                length; others of OpenCL's.
        """
        _check_ticket(message.ticket)
        address = peer_text(message.host, message.port)
        if address in self._disputed:
            what = f"{address} is the address of several endpoints of this lease with different certificates"
            raise error_for(ROUTINE, ErrorCode.INVALID_OPERATION, what)
        offerer = self._offerers.get(address)
        if offerer is None:
            expected = ", ".join(sorted(self._offerers)) or "none"
            what = f"{address[:300]} is no other endpoint of this lease; there are {expected}"
            raise error_for(ROUTINE, ErrorCode.INVALID_OPERATION, what)
        try:
            region = self._regions.open(message, command)
        except Error:
            self._call_off(offerer, message)
            raise
        self._senders.submit(_advance, self._senders, self._send(offerer, region, message))

    def receive_buffer(self, message: m.ReceiveBuffer, command: int) -> None:
        """Make what another node sends with a ticket a region's content.

        Raises:
            LogicError: INVALID_VALUE for a region that is none of the buffer, or a ticket that is in use or
                of a wrong length; others of OpenCL's.
        """
        _check_ticket(message.ticket)
        if self._arrivals.is_known(message.ticket):
            raise error_for(ROUTINE, ErrorCode.INVALID_VALUE, "another ReceiveBuffer awaits the same ticket")
        region = self._regions.open(message, command)
        self._arrivals.expect(message.ticket, region)

    def announce(self, stream: socket.socket, frame: bytes, door: Door | None = None) -> None:
        """Take another node's connection, and the head of its Deliver frame.

        Args:
            stream: The connection.
            frame: The head.
            door: Does TLS with it; None to do without.
        """
        try:
            line, message, size = PeerLine.answer(stream, frame, self._patience, door)
        except (OSError, ProtocolError):  # gone already; the agent lets nothing else through
            stream.close()
            return
        self._arrivals.announce(message.ticket, size, line)

    # ---- sending: in threads -----------------------------------------------------------------------------

    def _call_off(self, offerer: ThreadPoolExecutor, message: m.SendBuffer) -> None:
        """Offer what will not come, and hang up, so that the other node need not wait for it.

        Where too much is called off already it has to.
        """
        if 0 < message.size <= m.Limits().payload_bytes and self._calling_off.acquire(blocking=False):
            offerer.submit(self._offer_nothing, message)

    def _offer_nothing(self, message: m.SendBuffer) -> None:
        try:
            with contextlib.suppress(AccelpoolError):
                self._offer(message).stream.close()
        finally:
            self._calling_off.release()

    def _offer(self, message: m.SendBuffer) -> PeerLine:
        deliver = m.Deliver(message.session, message.ticket)
        address = peer_text(message.host, message.port)
        stream = self._connect(address, self._patience.connect_s)
        return PeerLine.offer(stream, deliver, message.size, self._patience, self._pins[address])

    def _send(self, offerer: ThreadPoolExecutor, region: PeerRegion, message: m.SendBuffer) -> Steps:
        """Deliver a region."""
        where = f"session {message.session[:64]} at {message.host}:{message.port}"
        try:
            offered = offerer.submit(self._offer, message)
            yield offered
            with offered.result() as line:
                yield region.ungated
                self._regions.wait_until_free(region)
                yield from self._until_heard(line, "said")
                try:
                    line.await_go_ahead()
                    line.send_payload(region.view)
                finally:
                    self._count(sent=line.moved_bytes)
            self._regions.give_back(region)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the command ends
            yield from self._fail(region, f"the region did not get to {where}", error)
        else:
            self._regions.succeed(region)

    # ---- receiving: in threads ---------------------------------------------------------------------------

    def _start_receiving(self, region: PeerRegion, arrival: Arrival) -> None:
        self._receivers.submit(_advance, self._receivers, self._receive(region, arrival))

    def _start_turning_away(self, arrival: Arrival) -> None:
        self._receivers.submit(arrival.turn_away)

    def _give_up(self, region: PeerRegion, why: str) -> None:
        self._receivers.submit(_advance, self._receivers, self._fail(region, NOTHING_CAME, Timeout(why)))

    def _receive(self, region: PeerRegion, arrival: Arrival) -> Steps:
        """Receive a delivery into its region."""
        try:
            with arrival.line as line:
                try:
                    yield from self._take(region, arrival)
                except Exception as error:
                    problem = Invalid if isinstance(error, Invalid) else Unavailable
                    line.refuse(problem.type, str(error))
                    raise
                with contextlib.suppress(
                    TransportError
                ):  # the sender fails; the content is here all the same
                    line.confirm()
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the command ends
            yield from self._fail(region, NOTHING_CAME, error)
        else:
            self._regions.succeed(region)

    def _take(self, region: PeerRegion, arrival: Arrival) -> Steps:
        """Ask for a delivery and bring it to its place."""
        line = arrival.line
        if arrival.size != region.view.nbytes:
            raise Invalid(f"{arrival.size} bytes are offered to a region of {region.view.nbytes}")
        yield region.ungated
        self._regions.wait_until_free(region)
        while not line.comes_in():
            yield from self._until_heard(line, "said")
        line.ask()
        yield from self._until_heard(line, "gave")
        try:
            line.receive_payload(region.view)
        finally:
            self._count(received=line.moved_bytes)
        self._regions.give_back(region)

    # ---- both --------------------------------------------------------------------------------------------

    def _until_heard(self, line: PeerLine, did: str) -> Steps:
        """Let the other side get ready; if that takes a moment only, this thread goes on."""
        if line.is_readable(MOMENT_S):
            return
        limit_s = self._patience.start_s
        heard = self._readiness.when_readable(line.stream, limit_s)
        yield heard
        if not heard.result():
            raise line.stuck(did, limit_s)

    def _count(self, *, sent: int = 0, received: int = 0) -> None:
        with self._counting:
            self.bytes_sent += sent
            self.bytes_received += received

    def _fail(self, region: PeerRegion, what: str, error: Exception) -> Steps:
        """End a command with a failure, once its region is the session's own again."""
        if not isinstance(error, AccelpoolError):
            traceback.print_exception(error)
        yield region.ungated
        code = error.code if isinstance(error, Error) else ErrorCode.OUT_OF_RESOURCES
        self._regions.fail(region, code, f"{what}: {error}")


def _advance(pool: ThreadPoolExecutor, steps: Steps) -> None:
    """Go on with a transfer until it waits for something that needs no thread; then in another one."""
    for awaited in steps:
        if not awaited.done():
            awaited.add_done_callback(lambda _: pool.submit(_advance, pool, steps))
            return


def connect_nowhere(address: str, _limit_s: float) -> socket.socket:
    """Have no connection to other nodes.

    Raises:
        ConnectError: Always.
    """
    raise ConnectError(f"nobody connects to {address} from here")


def _pins_of(addresses: Sequence[str]) -> tuple[dict[str, str], set[str]]:
    """Return the addresses' pins, and the addresses that have more than one: a node may claim another's."""
    named = set(map(read_peer, addresses))
    counts = Counter(address for address, _ in named)
    disputed = {address for address, count in counts.items() if count > 1}
    return {address: pin for address, pin in named if address not in disputed}, disputed


def _check_ticket(ticket: bytes) -> None:
    if not m.MIN_TICKET_BYTES <= len(ticket) <= m.MAX_TICKET_BYTES:
        what = f"a ticket of {len(ticket)} bytes; {m.MIN_TICKET_BYTES} to {m.MAX_TICKET_BYTES} are possible"
        raise error_for(ROUTINE, ErrorCode.INVALID_VALUE, what)
