"""Two workers that may send buffers to each other, each behind a door that stands for its node's agent."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType

from accelpool_node import control
from accelpool_wire import messages as m
from accelpool_wire.errors import Error
from accelpool_wire.frames import PREFIX

from .wire_client import WAIT_S, Client
from .worker_rig import NULL_TARGET, SHARE_BYTES, Target, Worker, opencl_targets

SIZE = 300_000


def peer_targets() -> list[Target]:
    """The null device, and those whose drivers differ most in what they make of events that fail."""
    real = [target for target in opencl_targets() if not target.fault]
    differing = ("intel", "bundled", "pocl")
    return [NULL_TARGET, *(target for target in real if target.environment.name in differing)]


class Door:
    """Listens where other nodes deliver, and hands what comes to a worker.

    Attributes:
        passed: How many connections it has handed on.
    """

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self._listener.accept()
                with stream:
                    prefix = stream.recv(PREFIX.size, socket.MSG_WAITALL)
                    frame = prefix + stream.recv(PREFIX.unpack(prefix)[0], socket.MSG_WAITALL)
                    assert self.worker is not None
                    control.send(self.worker.agent, control.Delivery(frame), (stream.fileno(),))
                    self.passed += 1

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class Peer:
    """A worker, its door, and a client of it with a context and an in-order queue."""

    def __init__(self, target: Target, name: str, door: Door, others: Sequence[Door]) -> None:
        self.door = door
        self.worker = Worker(target, session=name, peers=tuple(other.address for other in others))

    def __enter__(self) -> Peer:
        self.worker.start()
        self.door.worker = self.worker
        self.client = Client(self.worker.connect(SHARE_BYTES))
        self.context = self.client.context()
        self.queue = self.client.queue(self.context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.connection.close()
        self.worker.stop()
        self.door.close()

    def buffer(self, content: bytes = b"", size: int = 0) -> int:
        return self.client.buffer(self.context, size, content)

    def send(
        self,
        to: Peer,
        buffer: int,
        size: int,
        ticket: bytes,
        *,
        offset: int = 0,
        queue: int = 0,
        port: int = 0,
        session: str = "",
        wait_for: Sequence[int] = (),
    ) -> int:
        """Send a region to another peer; return the event."""
        event = self.client.new()
        self.client.post(
            m.SendBuffer(
                queue or self.queue,
                buffer,
                offset,
                size,
                "127.0.0.1",
                port or to.door.port,
                session or to.worker.session,
                ticket,
                event,
                list(wait_for),
            )
        )
        return event

    def receive(
        self,
        buffer: int,
        size: int,
        ticket: bytes,
        *,
        offset: int = 0,
        queue: int = 0,
        wait_for: Sequence[int] = (),
    ) -> int:
        """Receive a region; return the event."""
        event = self.client.new()
        self.client.post(
            m.ReceiveBuffer(queue or self.queue, buffer, offset, size, ticket, event, list(wait_for))
        )
        return event

    def read(self, buffer: int, size: int, offset: int = 0) -> bytes:
        return self.client.read(self.queue, buffer, size, offset)

    def end_of(self, event: int) -> m.EventDone:
        """Wait for an event's end."""
        return self.client.wait(event, timeout_s=WAIT_S)[0]

    def finish_error(self) -> Error:
        """The failure with which the queue's Finish is answered."""
        try:
            self.client.finish(self.queue)
        except Error as error:
            return error
        raise AssertionError("nothing has failed")


def new_ticket() -> bytes:
    return secrets.token_bytes(32)


@contextlib.contextmanager
def two_peers(first: Target, second: Target) -> Iterator[tuple[Peer, Peer]]:
    """Start two workers that may send to each other."""
    doors = Door(), Door()
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(Peer(first, "ses_one", doors[0], [doors[1]]))
        two = stack.enter_context(Peer(second, "ses_two", doors[1], [doors[0]]))
        for peer in (one, two):
            peer.client.sync()
        yield one, two


def ends(*pairs: tuple[Peer, int]) -> list[int]:
    """Wait for events, each of a peer, and return how they ended."""
    return [peer.end_of(event).status for peer, event in pairs]
