"""A session on the database, which the queries of the store are carried out in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session as OrmSession


class Database(OrmSession):
    """A session that remembers which records it has written, and which deleted."""

    sent: list[Any]
    removed: list[Any]

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.sent, self.removed = [], []

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Send the changes so far."""
        self.sent += [*self.new, *self.dirty]
        self.removed += self.deleted
        super().flush(objects)
