"""What the agent and its builders say to each other.

Over a Unix SOCK_SEQPACKET pair, one JSON message a packet:

    builder                              agent
    Able(devices)              ────▶     it serves; these devices take programs as binaries
                               ◀────     Serve + a worker's connection (SCM_RIGHTS)
                               ◀────     Count
    Counts(...)                ────▶     what it has done and what it keeps

The pair's end tells each side that the other is dead.
"""

from __future__ import annotations

import socket

import msgspec

MAX_PACKET_BYTES = 128 * 1024


class Able(msgspec.Struct, frozen=True, tag="able"):
    """The builder serves; `devices` are the names of those that take programs as binaries."""

    devices: list[str]


class Serve(msgspec.Struct, frozen=True, tag="serve"):
    """Serve a worker: its connection comes with the packet."""


class Count(msgspec.Struct, frozen=True, tag="count"):
    """Say what you have done."""


class Counts(msgspec.Struct, frozen=True, kw_only=True, tag="counts"):
    """What a builder has done and what it keeps.

    Attributes:
        hits: Builds answered with a product that was there, or was being made.
        misses: Builds that were made and succeeded.
        build_s: How long it has built, failures included, in seconds.
        declined: Builds left to the worker: not eligible, failed, or too many at once.
        entries: Products kept.
        bytes: What they take.
    """

    hits: int = 0
    misses: int = 0
    build_s: float = 0.0
    declined: int = 0
    entries: int = 0
    bytes: int = 0


ToBuilder = Serve | Count
ToAgent = Able | Counts

_decoder_to_builder: msgspec.json.Decoder[ToBuilder] = msgspec.json.Decoder(ToBuilder)
_decoder_to_agent: msgspec.json.Decoder[ToAgent] = msgspec.json.Decoder(ToAgent)


def send(channel: socket.socket, message: ToBuilder | ToAgent, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message, with descriptors if any.

    Raises:
        OSError: The other side is gone, or does not listen.
    """
    socket.send_fds(channel, [msgspec.json.encode(message)], descriptors)


def receive_at_builder(channel: socket.socket) -> tuple[ToBuilder, list[int]] | None:
    """Return the next message and its descriptors, or None at the agent's end."""
    packet, descriptors, _, _ = socket.recv_fds(channel, MAX_PACKET_BYTES, 1)
    return (_decoder_to_builder.decode(packet), descriptors) if packet else None


def receive_at_agent(channel: socket.socket) -> ToAgent | None:
    """Return the next message, or None at the builder's end."""
    packet = channel.recv(MAX_PACKET_BYTES)
    return _decoder_to_agent.decode(packet) if packet else None
