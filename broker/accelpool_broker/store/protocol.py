"""What a store is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from accelpool_broker.news import News
from accelpool_broker.queries.transaction import Transaction


class Store(Protocol):
    """Where the pool's state is kept.

    Attributes:
        is_shared: Whether other brokers may have the same store.
    """

    is_shared: bool

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that only reads, and sees one moment of the database."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that commits at the end of its block, or rolls back on any exception."""
        ...

    def subscribe(self, hear: Callable[[News], None]) -> None:
        """Call back in another thread, until the store is closed, with what other brokers publish."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
