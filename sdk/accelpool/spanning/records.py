"""What the router remembers of the objects that are made through it, and the steps that it answers with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from accelpool_wire import messages as m

Bulk: TypeAlias = bytes | bytearray | memoryview


class Site(NamedTuple):
    """Where a part is, as the others reach it: its node's address and its session there."""

    host: str
    port: int
    session: str


class Step(NamedTuple):
    """A message to send to a part.

    Attributes:
        part: To whom.
        message: What.
        payload: Its bulk bytes, if any.
        undo: What to do if it is not sent after all.
    """

    part: int
    message: m.Message
    payload: Bulk | None = None
    undo: Callable[[], object] | None = None


class Watch(NamedTuple):
    """An event of a part whose end is to be told when it is known, without waiting for it."""

    part: int
    event: int
    undo: None = None


class Bridge(NamedTuple):
    """An event of a part, known to another by a user event: its end is to be passed on."""

    part: int
    event: int
    target: int
    undo: Callable[[], object] | None = None


Action: TypeAlias = Step | Watch | Bridge


@dataclass(frozen=True, kw_only=True)
class ContextRecord:
    """A context.

    Attributes:
        handle: Its handle, the same in all its parts.
        devices: Its devices, as the session numbers them.
        places: Its devices, by part, as the part numbers them.
        movers: The queues that migrations are commands of: by part, and by whether they send.
    """

    handle: int
    devices: list[int]
    places: dict[int, list[int]]
    movers: dict[tuple[int, bool], QueueRecord] = field(default_factory=dict)

    @property
    def parts(self) -> list[int]:
        """Its parts, the one of its first device first."""
        return list(self.places)


@dataclass(frozen=True, kw_only=True)
class QueueRecord:
    """A command queue."""

    handle: int
    context: ContextRecord
    part: int
    is_in_order: bool


@dataclass(kw_only=True)
class ProgramRecord:
    """A program.

    Attributes:
        handle: Its handle, in all parts of its context.
        context: Its context.
        devices: Its devices, as the session numbers them.
        built: What the parts for which it is built told of it.
        kernels: What is known of its kernels since then.
    """

    handle: int
    context: ContextRecord
    devices: list[int]
    built: dict[int, m.Built] = field(default_factory=dict)
    kernels: dict[str, m.KernelInfo] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class KernelRecord:
    """A kernel: where it is, and which arguments it only reads."""

    handle: int
    parts: Sequence[int]
    read_only: Sequence[bool]
