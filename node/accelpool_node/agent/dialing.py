"""Connections to other nodes for the workers, which have no sockets of their own.

A worker names one of the addresses that its verified lease token names, and gets the connection over its
channel, or the reason why there is none. It is the worker that waits, as long as it cares to; here nothing
waits for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence

from accelpool_node import control
from accelpool_node.agent.workers import Worker
from accelpool_wire.lease_token import read_peer

CONNECT_LIMIT_S = 10.0
MAX_AT_ONCE = 64  # for each address: a worker offers no more at a time to a node


class Dialer:
    """Connects one session's worker to other nodes.

    Args:
        worker: Whom to hand the connections to.
        peers: Where it may be connected to, as a lease token's `peers`. What they say of certificates is for
            the worker: it does TLS itself.
        limit_s: How long another node may take.
    """

    def __init__(self, worker: Worker, peers: Sequence[str], limit_s: float = CONNECT_LIMIT_S) -> None:
        self._worker = worker
        self._addresses = frozenset(address for address, _ in map(read_peer, peers))
        self._limit_s = limit_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._connecting = 0

    def dial(self, wanted: control.Dial) -> None:
        """Connect to another node for the worker, or tell it why not."""
        if wanted.address not in self._addresses:
            self._answer(wanted, None, "it is no other endpoint of this lease")
        elif self._connecting >= MAX_AT_ONCE * len(self._addresses):
            self._answer(wanted, None, "too many connections are being made")
        else:
            task = asyncio.create_task(self._connect(wanted))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            self._connecting += 1

    def close(self) -> None:
        """Let go of what is under way: the worker has ended."""
        for task in tuple(self._under_way):
            task.cancel()

    async def _connect(self, wanted: control.Dial) -> None:
        stream, why = None, ""
        try:
            async with asyncio.timeout(self._limit_s):
                stream = await connect(wanted.address)
        except TimeoutError:
            why = f"no answer within {self._limit_s:g} s"
        except OSError as error:
            why = f"nobody answers: {error.strerror or error}"
        finally:
            self._connecting -= 1  # before the worker hears, and asks again
        with stream or contextlib.nullcontext():
            self._answer(wanted, stream, why)

    def _answer(self, wanted: control.Dial, stream: socket.socket | None, why: str) -> None:
        descriptors = () if stream is None else (stream.fileno(),)
        try:
            self._worker.send(control.Dialled(number=wanted.number, why=why), descriptors)
        except OSError:
            return  # the worker is gone, or does not listen: it waits no longer than it wants to


async def connect(address: str) -> socket.socket:
    """Return a connection to "host:port"; of a name's addresses the first that answers.

    Raises:
        OSError: None does, or the name is none.
    """
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except ValueError as error:
        raise OSError(f"{address} is no address: {error}") from error
    trouble: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, place in found:
        stream = socket.socket(family, kind, protocol)
        try:
            stream.setblocking(False)
            await loop.sock_connect(stream, place)
        except OSError as error:
            stream.close()
            trouble = error
        except BaseException:
            stream.close()
            raise
        else:
            stream.setblocking(True)  # for the worker: the flag is the connection's, not a descriptor's
            return stream
    raise trouble
