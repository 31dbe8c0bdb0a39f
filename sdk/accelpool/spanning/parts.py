"""The connections behind a spanning one, what they cost, and a read in one of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from accelpool.errors import SessionLost
from accelpool.spanning.commands import Commands
from accelpool.summed_stats import SummedStats
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.pending import Once, PendingRead


@dataclass(kw_only=True, eq=False)
class Part:
    """One of the connections.

    Attributes:
        node: Its node's name, with the driver environment if that matters: for messages.
        host: The address of its node, as the other nodes reach it.
        port: Its port.
        connection: The connection.
        lock: Held while messages are sent, in the order in which they were decided.
    """

    node: str
    host: str
    port: int
    connection: Connection
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Let the error of a lost session say which node it was on."""
        try:
            yield
        except SessionLost as error:
            raise SessionLost(f"node {self.node}: {error.detail}", **error.members) from error


class SpanningStats(SummedStats):
    """What all parts have cost so far, and what was migrated between them."""

    def __init__(self, parts: Sequence[Part], commands: Commands) -> None:
        super().__init__(lambda: [part.connection.stats for part in parts])
        self._commands = commands

    @property
    def migrations(self) -> int:
        """How many buffers were sent from one part to another, not by way of this client."""
        return self._commands.migrations

    @property
    def migrated_bytes(self) -> int:
        """How many bytes that were."""
        return self._commands.migrated_bytes


class SpanningRead(PendingRead):
    """A read under way in one of the parts."""

    __slots__ = ("_flush", "_part", "_pending")

    def __init__(self, part: Part, pending: PendingRead, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._part = part
        self._pending = pending
        self.into: memoryview = pending.into
        self.then: Once | None = None

    @property
    def is_done(self) -> bool:
        """Whether the bytes are in place, or the read has failed."""
        return self._pending.is_done

    def tell(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have a function called once `wait` has nothing to wait for."""
        self._flush()
        return self._pending.tell(callback)

    def wait(self, timeout_s: float | None = None) -> m.Data:
        """Wait until the bytes are in place; errors as those of the part's own read."""
        self._flush()  # what it waits for in other parts
        with self._part.named():
            data = self._pending.wait(timeout_s)
        if self.then is not None:
            self.then()
        return data


def least(limits: Sequence[m.Limits]) -> m.Limits:
    """Return limits that are within all of some."""
    return m.Limits(*(min(values) for values in zip(*(_numbers(each) for each in limits), strict=True)))


def _numbers(limits: m.Limits) -> list[int]:
    return [getattr(limits, name) for name in limits.__struct_fields__]
