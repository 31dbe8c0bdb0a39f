"""What the agent and its workers say to each other.

Over a Unix SOCK_SEQPACKET pair, one JSON message a packet, a worker's whole life long:

    worker                               agent
    Ready(devices, ...)        ────▶     the driver is loaded: the worker is warm
                               ◀────     Serve(session, ..., hello) + its socket, ledgers (SCM_RIGHTS)
    Alive(busy_s, ...)         ────▶     at once, then every second while serving, and before it may be silent
    WantBuilder                ────▶     before its first build
                               ◀────     Builder + a connection to it (SCM_RIGHTS), if there is one
    Dial(number, address)      ────▶     to send something to another node: the worker has no sockets
                               ◀────     Dialled(number, why) + the connection (SCM_RIGHTS), or why not
                               ◀────     Delivery(frame) + another node's connection, for the session
    Loaded(device, sha256)     ────▶     with `Alive` and before `Ended`, if a program was built from a binary
                               ◀────     End(problem, detail): the lease ended; tell the client and exit
    Ended(cause, detail)       ────▶     the last word; then the process exits

Where the node does TLS, a connection that is handed over begins with a TLS handshake, by the certificate that
Ready told; the first thing that comes over it is the secret that came with Serve or Delivery.

A worker serves one session and exits. The pair's end tells each side that the other is dead: a worker then
exits at once; the agent then reads the exit status.
"""

from __future__ import annotations

import socket
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from accelpool_node.sandbox.policy import Sandbox

MAX_PACKET_BYTES = 128 * 1024
MAX_DESCRIPTORS = 1 + 64  # the client's connection, and a ledger for each device of its session
NOBODY_AWAITS = "no session here awaits this delivery"  # whatever is wrong with it: it is nobody's to know

Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class Cause(StrEnum):
    """Why a session ended, in the worker's own words."""

    GOODBYE = "goodbye"  # the client said so
    DISCONNECTED = "disconnected"  # the client is gone without a word
    REFUSED = "refused"  # the client broke the protocol
    ENDED = "ended"  # the agent asked for it


class SessionShare(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a session: its name for the backend, and the memory that may be allocated on it.

    With a `slot` the device's ledger comes with the packet, and the session has this place in it.
    """

    device: str
    memory_bytes: int
    slot: int | None = None


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The driver is loaded, in a sandbox.

    Attributes:
        devices: The names of those it found.
        sandbox: What confines it.
        certificate_sha256: Of the certificate that it has made for itself; empty without TLS.
    """

    devices: list[str]
    sandbox: Sandbox = Sandbox()
    certificate_sha256: str = ""


class Serve(msgspec.Struct, frozen=True, tag="serve"):
    """Serve this client: its socket comes with the packet, and after it the ledgers of the shares with slots.

    Attributes:
        session: The session's id.
        shares: The session's devices, in the order in which the client will number them.
        hello: The client's whole Hello frame, already checked by the agent.
        peers: The addresses to which the session may send buffers, from its verified token.
        secret: What comes first from the client; empty without TLS.
        thread_percentage: How much of a device's threads it may have at once, in percent, through MPS; None
            where sessions take turns.
    """

    session: str
    shares: list[SessionShare]
    hello: bytes
    peers: tuple[str, ...] = ()
    secret: bytes = b""
    thread_percentage: int | None = None


class Delivery(msgspec.Struct, frozen=True, tag="delivery"):
    """Another node has something for the session: its connection comes with the packet.

    Attributes:
        frame: The head of its Deliver frame; the payload is still to come.
        secret: What comes first from the other node; empty without TLS.
    """

    frame: bytes
    secret: bytes = b""


class Dial(msgspec.Struct, frozen=True, kw_only=True, tag="dial"):
    """The worker wants a connection to another node of its lease, at "host:port"."""

    number: int
    address: Annotated[str, msgspec.Meta(max_length=512)]


class Dialled(msgspec.Struct, frozen=True, kw_only=True, tag="dialled"):
    """The connection that was wanted under this number comes with the packet, or there is none: `why`."""

    number: int
    why: str = ""


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has moved so far.

    Attributes:
        from_client: Bytes; so are `to_client`, and `from_peers` and `to_peers` with other nodes.
        commands: Messages of its client.
        round_trips: Those of them that wanted an answer.
        failures: Failures that the client was answered with, by the name of their code.
    """

    from_client: Count = 0
    to_client: Count = 0
    from_peers: Count = 0
    to_peers: Count = 0
    commands: Count = 0
    round_trips: Count = 0
    failures: dict[str, Count] = {}


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The worker's main loop runs.

    Attributes:
        busy_s: The age of the oldest command it waits for, or 0; waiting for a turn does not count.
        traffic: What it has moved.
        worked_s: How long it had commands on its devices so far.
        may_be_silent: Its driver is at work, and may keep it from saying more for as long as it takes.
    """

    busy_s: float
    traffic: Traffic = Traffic()
    may_be_silent: bool = False
    worked_s: float = 0.0


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """A device of the session was loaded with a binary, which has this SHA-256 in hexadecimal."""

    device: str
    sha256: Sha256


class End(msgspec.Struct, frozen=True, tag="end"):
    """End the session: a problem's name and what happened, for the client."""

    problem: str
    detail: str


class WantBuilder(msgspec.Struct, frozen=True, tag="want-builder"):
    """The worker has no connection to the builder of its driver environment, and a program to build."""


class Builder(msgspec.Struct, frozen=True, tag="builder"):
    """The connection to the builder comes with the packet; without one there is no builder now."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The session is over."""

    cause: Cause
    detail: str = ""
    traffic: Traffic = Traffic()
    worked_s: float = 0.0


ToWorker = Serve | Delivery | Dialled | Builder | End
ToAgent = Ready | Alive | WantBuilder | Dial | Loaded | Ended

_decoder_to_worker: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
_decoder_to_agent: msgspec.json.Decoder[ToAgent] = msgspec.json.Decoder(ToAgent)


def send(channel: socket.socket, message: ToWorker | ToAgent, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message, with descriptors if any.

    Raises:
        OSError: The other side is gone.
    """
    socket.send_fds(channel, [msgspec.json.encode(message)], descriptors)


def receive_at_worker(channel: socket.socket) -> tuple[ToWorker, list[int]] | None:
    """Return the next message and its descriptors, or None at the agent's end."""
    packet, descriptors, _, _ = socket.recv_fds(channel, MAX_PACKET_BYTES, MAX_DESCRIPTORS)
    return (_decoder_to_worker.decode(packet), descriptors) if packet else None


def receive_at_agent(channel: socket.socket) -> ToAgent | None:
    """Return the next message, or None at the worker's end.

    Raises:
        OSError: Nothing can be received.
        ValueError: It is no message: a worker may be what a kernel has made of it.
    """
    packet = channel.recv(MAX_PACKET_BYTES)
    try:
        return _decoder_to_agent.decode(packet) if packet else None
    except RecursionError as error:
        raise ValueError(f"it is nested too deeply: {error}") from error
