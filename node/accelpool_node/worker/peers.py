"""Buffers sent to, and received from, sessions on other nodes.

SendBuffer and ReceiveBuffer are commands of their queues. The session's own thread only enqueues them; the
rest is done in threads, one for each transfer under way, at most `MAX_THREADS` each way: more wait for one.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from accelpool_node.worker.arrivals import Arrival, Arrivals
from accelpool_node.worker.peer_line import Patience, PeerLine
from accelpool_node.worker.peer_regions import ROUTINE, PeerRegion, PeerRegions
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import (
    AccelpoolError,
    Error,
    Invalid,
    ProtocolError,
    Timeout,
    TransportError,
    Unavailable,
    error_for,
)

MAX_THREADS = 256
NOTHING_CAME = "the region's content did not come"


class Peers:
    """Moves buffers between a session and those on other nodes.

    Args:
        regions: Opens and closes the regions that are sent, or received.
        addresses: Where the session may send to: "host:port", IPv6 in brackets.
        patience: How long to wait for what.

    Attributes:
        bytes_sent: Bytes of buffers that have left for other nodes.
        bytes_received: Bytes of buffers that have come from there.
    """

    def __init__(self, regions: PeerRegions, addresses: Sequence[str], patience: Patience) -> None:
        self.bytes_sent = 0
        self.bytes_received = 0
        self._counting = threading.Lock()
        self._regions = regions
        self._addresses = frozenset(addresses)
        self._patience = patience
        self._arrivals = Arrivals(patience.match_s, self._start_receiving, self._give_up)
        self._senders = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="send")
        self._receivers = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="receive")

    # ---- commands ----------------------------------------------------------------------------------------

    def send_buffer(self, message: m.SendBuffer, command: int) -> None:
        """Send a region of a buffer to a session on another node.

        Raises:
            LogicError: INVALID_OPERATION for an address that is none of the lease's; INVALID_VALUE for a
                region that is none of the buffer, or a ticket of a wrong length; others of OpenCL's.
        """
        _check_ticket(message.ticket)
        host = f"[{message.host}]" if ":" in message.host else message.host
        address = f"{host}:{message.port}"
        if address not in self._addresses:
            expected = ", ".join(sorted(self._addresses)) or "none"
            what = f"{address[:300]} is no other endpoint of this lease; there are {expected}"
            raise error_for(ROUTINE, ErrorCode.INVALID_OPERATION, what)
        region = self._regions.open(message, command)
        self._senders.submit(self._send, region, message)

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

    def announce(self, stream: socket.socket, frame: bytes) -> None:
        """Take another node's connection, and the head of its Deliver frame."""
        try:
            line, message, size = PeerLine.answer(stream, frame, self._patience)
        except (OSError, ProtocolError):  # gone already; the agent lets nothing else through
            stream.close()
            return
        self._arrivals.announce(message.ticket, size, line)

    # ---- sending: in a thread ----------------------------------------------------------------------------

    def _send(self, region: PeerRegion, message: m.SendBuffer) -> None:
        """Deliver a region."""
        where = f"session {message.session[:64]} at {message.host}:{message.port}"
        deliver = m.Deliver(message.session, message.ticket)
        try:
            line = PeerLine.offer((message.host, message.port), deliver, message.size, self._patience)
            with line:
                self._regions.wait_until_free(region)
                try:
                    line.await_go_ahead()
                    line.send_payload(region.view)
                finally:
                    self._count(sent=line.moved_bytes)
            self._regions.give_back(region)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the command ends
            self._fail(region, f"the region did not get to {where}", error)
        else:
            self._regions.succeed(region)

    # ---- receiving: in a thread --------------------------------------------------------------------------

    def _start_receiving(self, region: PeerRegion, arrival: Arrival) -> None:
        self._receivers.submit(self._receive, region, arrival)

    def _give_up(self, region: PeerRegion) -> None:
        error = Timeout(f"no delivery of its ticket came within {self._patience.match_s:g} s")
        self._receivers.submit(self._fail, region, NOTHING_CAME, error)

    def _receive(self, region: PeerRegion, arrival: Arrival) -> None:
        """Receive a delivery into its region."""
        line = arrival.line
        with line:
            try:
                if arrival.size != region.view.nbytes:
                    raise Invalid(f"{arrival.size} bytes are offered to a region of {region.view.nbytes}")
                self._regions.wait_until_free(region)
                try:
                    line.receive_payload(region.view)
                finally:
                    self._count(received=line.moved_bytes)
                self._regions.give_back(region)
            except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the command ends
                problem = Invalid if isinstance(error, Invalid) else Unavailable
                line.refuse(problem.type, str(error))
                self._fail(region, NOTHING_CAME, error)
                return
            with contextlib.suppress(TransportError):  # the sender fails; the content is here all the same
                line.confirm()
        self._regions.succeed(region)

    # ---- both --------------------------------------------------------------------------------------------

    def _count(self, *, sent: int = 0, received: int = 0) -> None:
        with self._counting:
            self.bytes_sent += sent
            self.bytes_received += received

    def _fail(self, region: PeerRegion, what: str, error: Exception) -> None:
        """End a command with a failure, once its region is the session's own again."""
        if not isinstance(error, AccelpoolError):
            traceback.print_exception(error)
        code = error.code if isinstance(error, Error) else ErrorCode.OUT_OF_RESOURCES
        self._regions.fail(region, code, f"{what}: {error}")


def _check_ticket(ticket: bytes) -> None:
    if not m.MIN_TICKET_BYTES <= len(ticket) <= m.MAX_TICKET_BYTES:
        what = f"a ticket of {len(ticket)} bytes; {m.MIN_TICKET_BYTES} to {m.MAX_TICKET_BYTES} are possible"
        raise error_for(ROUTINE, ErrorCode.INVALID_VALUE, what)
