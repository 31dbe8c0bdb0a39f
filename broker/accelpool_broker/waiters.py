"""Long-polls: who waits for a change of what, woken in this process, with a bound on how many wait."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

SPREAD = 0.4  # of a wait

T = TypeVar("T")


class Waiters:
    """Requests that wait for a change of something, named by a key.

    A waiter is registered before it looks, so that no change is missed in between.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._events: dict[str, set[threading.Event]] = {}
        self._count = 0
        self._is_closed = False

    def poll(
        self, key: str, look: Callable[[], T], *, is_news: Callable[[T], bool], wait_s: float
    ) -> tuple[T, bool]:
        """Return what `look` gives as soon as it is news, or after most of `wait_s`.

        Returns:
            What was seen last, and whether it was answered early because too many wait already.
        """
        if wait_s <= 0:
            return look(), False
        with self._register(key) as event:
            if event is None:
                seen = look()
                return seen, not is_news(seen)
            wait_s *= random.uniform(1 - SPREAD, 1)  # noqa: S311 - or those who came at once would come again at once
            return self._wait(event, look, is_news, time.monotonic() + wait_s), False

    def _wait(
        self, event: threading.Event, look: Callable[[], T], is_news: Callable[[T], bool], until: float
    ) -> T:
        while True:
            event.clear()
            seen = look()
            left = until - time.monotonic()
            if self._is_closed or left <= 0 or is_news(seen):
                return seen
            event.wait(left)

    def wake(self, keys: Collection[str]) -> None:
        """Let those who wait for one of these look again."""
        with self._lock:
            for key in keys:
                for event in self._events.get(key, ()):
                    event.set()

    def wake_all(self) -> None:
        """Let all who wait look again."""
        with self._lock:
            keys = list(self._events)
        self.wake(keys)

    def count(self) -> int:
        """Return how many wait."""
        return self._count

    def close(self) -> None:
        """Answer all who wait, and let nobody wait any more."""
        self._is_closed = True
        self.wake_all()

    @contextmanager
    def _register(self, key: str) -> Iterator[threading.Event | None]:
        event = threading.Event()
        with self._lock:
            if self._count >= self._limit or self._is_closed:
                is_in = False
            else:
                is_in = True
                self._count += 1
                self._events.setdefault(key, set()).add(event)
        try:
            yield event if is_in else None
        finally:
            if is_in:
                self._leave(key, event)

    def _leave(self, key: str, event: threading.Event) -> None:
        with self._lock:
            self._count -= 1
            self._events[key].discard(event)
            if not self._events[key]:
                del self._events[key]
