"""The data plane's socket: takes connections, and of each one frame, exactly.

What follows the frame stays in the socket for the worker that gets it. Clients are not trusted: the frame,
and the TLS handshake before it, are bounded in size and time, and of too many unfinished ones the oldest
goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from accelpool_node.agent.handshake import First, body_bytes, read_first, refusal
from accelpool_node.agent.visitor import Visitor, visitor
from accelpool_node.certificate import Certificate
from accelpool_wire.errors import Invalid, ProblemError, ReadError, Unavailable
from accelpool_wire.frames import PREFIX_BYTES

log = logging.getLogger(__name__)

BACKLOG = 128
MAX_READING = 128
MAX_CONNECTIONS = 512
CROWD = 256  # connections from which on nobody is waited for who is refused
ACCEPT_PAUSE_S = 0.1
FAREWELL_S = 0.5
FAREWELL_BYTES = 64 * 1024

Serve: TypeAlias = Callable[[First, bytes, Visitor], Awaitable[None]]


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a listening socket.

    Raises:
        Unavailable: The address cannot be listened on.
    """
    host, port = address
    try:
        stream = socket.create_server(
            address, family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    stream.setblocking(False)
    return stream


class Listener:
    """Accepts clients.

    Args:
        stream: A listening socket; closed with the context.
        serve: Called with a client's first message, its frame and itself; its connection is closed here after
            the call, so that only a duplicate lives on. A `ProblemError` raised is told to the client.
        limit_s: A client's frame must be here by then.
        certificate: The node's; None to do without TLS.

    Attributes:
        refusals: How many were refused, by the name of the problem that they were told.
    """

    def __init__(
        self, stream: socket.socket, serve: Serve, limit_s: float, certificate: Certificate | None = None
    ) -> None:
        self.refusals: Counter[str] = Counter()
        self._certificate = certificate
        self._stream = stream
        self._serve = serve
        self._limit_s = limit_s
        self._reading: dict[asyncio.Timeout, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept clients, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    client, _ = await loop.sock_accept(self._stream)
                except OSError as error:
                    log.warning("cannot accept a client: %s", error)
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                self._take(client)
                await asyncio.sleep(0)  # accepting does not wait while others do: this one would get no turn
        finally:
            self._stream.close()
            for task in tuple(self._tasks):
                task.cancel()

    def _take(self, client: socket.socket) -> None:
        if len(self._tasks) >= MAX_CONNECTIONS:
            client.close()
            return
        task = asyncio.get_running_loop().create_task(self._handle(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, client: socket.socket) -> None:
        guest = visitor(client, self._certificate)
        with client:
            try:
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                frame = await self._read_frame(guest)
                first = read_first(frame)
                await self._serve(first, frame, guest)
            except ProblemError as error:
                self.refusals[error.type] += 1
                await _refuse(guest, error, FAREWELL_S if len(self._tasks) < CROWD else 0.0)
            except (OSError, ReadError) as error:
                log.debug("a client went away in its handshake: %s", error)
            except Exception:
                log.exception("a client could not be served")

    async def _read_frame(self, guest: Visitor) -> bytes:
        """Return the client's first frame, and nothing of what follows it.

        Raises:
            Forbidden: The client does without TLS where it is needed.
            Invalid: It is not of the right form, or not here in time.
            ReadError: The client went away.
        """
        self._make_room()
        try:
            async with asyncio.timeout(self._limit_s) as timeout:
                self._reading[timeout] = None
                try:
                    await guest.greet()
                    prefix = await guest.read_exactly(PREFIX_BYTES)
                    frame = prefix + await guest.read_exactly(body_bytes(prefix))
                    guest.check_silence()
                    return frame
                finally:
                    self._reading.pop(timeout, None)
        except TimeoutError:
            raise Invalid(
                f"no whole first frame came in time ({self._limit_s:g} s, or less in a crowd)"
            ) from None

    def _make_room(self) -> None:
        """End the oldest unfinished handshake if there are too many."""
        while len(self._reading) >= MAX_READING:
            oldest = next(iter(self._reading))
            del self._reading[oldest]
            if not oldest.expired():
                oldest.reschedule(0.0)


async def _refuse(guest: Visitor, error: ProblemError, farewell_s: float) -> None:
    """Tell a client why it is not served, and give it some time to read that.

    Closing with unread bytes would reset the connection and might take the answer with it.
    """
    loop, client = asyncio.get_running_loop(), guest.stream
    with contextlib.suppress(OSError):
        client.setblocking(False)
        guest.say(refusal(error.type, error.detail))
        client.shutdown(socket.SHUT_WR)
        left = FAREWELL_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(farewell_s):
                while left > 0 and (part := await loop.sock_recv(client, left)):
                    left -= len(part)
