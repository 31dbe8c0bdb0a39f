"""Decisions made of a fuzzer's bytes: whatever they are they decide, and after their end for the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chooser:
    """Reads decisions off bytes.

    Args:
        content: The bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    @property
    def is_spent(self) -> bool:
        """Whether all bytes are read."""
        return self._place >= len(self._content)

    def byte(self) -> int:
        """Return the next byte, 0 at the end."""
        if self.is_spent:
            return 0
        self._place += 1
        return self._content[self._place - 1]

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1, of 256 at most."""
        return self.byte() % limit

    def one_of(self, choices: Sequence[T]) -> T:
        """Return one of some values."""
        return choices[self.below(len(choices))]

    def bytes(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        found = self._content[self._place : self._place + count]
        self._place += len(found)
        return found

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return self.bytes(len(self._content))
