"""Those who follow what happens, each in a thread of its own: how many, woken together, ended together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from accelpool_wire.errors import Unavailable


class Follower:
    """One who follows: until it is ended, or its client goes."""

    def __init__(self) -> None:
        self._news = threading.Event()
        self._over = threading.Event()

    def wait(self, wait_s: float) -> bool:
        """Wait for news, for so long at most; whether it goes on."""
        if not self._over.is_set():
            self._news.wait(wait_s)
        self._news.clear()
        return not self._over.is_set()

    def rest(self, rest_s: float) -> bool:
        """Let news gather for a while; whether it goes on."""
        return not self._over.wait(rest_s)

    def wake(self) -> None:
        """Let it look for what is new."""
        self._news.set()

    def end(self) -> None:
        """Let it go, now."""
        self._over.set()
        self._news.set()


class Followers:
    """All of them.

    Args:
        limit: How many there may be at once; a quarter of them, one account's.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._most_of_one = max(1, limit // 4)
        self._all: dict[Follower, str] = {}
        self._is_closed = False

    @contextmanager
    def one(self, account: str) -> Iterator[Follower]:
        """Give one more, an account's; register it before it looks, and it misses nothing.

        Raises:
            Unavailable: There are as many as there may be, or the broker stops.
        """
        follower = Follower()
        with self._lock:
            self._check_room(account)
            self._all[follower] = account
        try:
            yield follower
        finally:
            with self._lock:
                self._all.pop(follower, None)

    def _check_room(self, account: str) -> None:
        if self._is_closed or len(self._all) >= self._limit:
            raise Unavailable(f"no more than {self._limit} follow events at once: try again later")
        if list(self._all.values()).count(account) >= self._most_of_one:
            raise Unavailable(
                f"no more than {self._most_of_one} follow events at once as account {account}: end one first"
            )

    def count(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def wake(self) -> None:
        """Let all look for what is new."""
        for follower in self._now():
            follower.wake()

    def end(self) -> None:
        """Let all go: they may come again, perhaps to another worker of the server."""
        for follower in self._now():
            follower.end()

    def close(self) -> None:
        """Let all go, and no others come."""
        self._is_closed = True
        self.end()

    def _now(self) -> list[Follower]:
        with self._lock:
            return list(self._all)
