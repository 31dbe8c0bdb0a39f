"""The handshake, and the end of a session."""

from __future__ import annotations

from accelpool_wire.messages.base import ClientMessage, InfoValue, Part, WorkerMessage


class Hello(ClientMessage, frozen=True, tag=0):
    """The client's first message: what it speaks, and by what right."""

    versions: list[int]
    features: list[str]
    token: str
    client: str = ""


class Device(Part, frozen=True):
    """A device of the session; `info` maps OpenCL's device info names (numbers) to values."""

    name: str
    platform: dict[int, InfoValue]
    info: dict[int, InfoValue]


class Limits(Part, frozen=True):
    """What a session may ask for at most; past it comes a typed error."""

    body_bytes: int = 16 << 20
    payload_bytes: int = 1 << 40
    handles: int = 1 << 20
    wait_list: int = 4096
    kernel_args: int = 1024
    pending: int = 256
    pattern_bytes: int = 128
    staged_bytes: int = 256 << 20


class Welcome(WorkerMessage, frozen=True, tag=1):
    """The worker's first message: the session is open."""

    version: int
    features: list[str]
    session: str
    limits: Limits
    devices: list[Device]


class Refused(WorkerMessage, frozen=True, tag=2):
    """The connection is of no further use: a problem's name (see `errors.py`) and what happened."""

    problem: str
    detail: str


class Goodbye(ClientMessage, frozen=True, tag=3):
    """The client's last message: end the session and everything in it."""


class SessionQuery(ClientMessage, frozen=True, tag=4):
    """Instead of Hello: what became of a session? Answered by Refused, which says how it ended."""

    token: str
    session: str


class Handover(WorkerMessage, frozen=True, tag=7):
    """Over TLS, the agent's answer to Hello and Deliver: begin anew with the worker, on the same connection.

    `certificate` is the SHA-256 of the worker's certificate; `secret` is to be said to the worker first.
    """

    certificate: bytes
    secret: bytes


class SessionEnding(WorkerMessage, frozen=True, tag=67):
    """Pushed before the worker ends the session by itself: a problem's name and what happened."""

    problem: str
    detail: str
