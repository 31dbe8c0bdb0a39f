"""A lock whose holders come in the order in which they asked for it."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """One holder at a time, the next by order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._line: deque[threading.Event] = deque()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for a turn."""
        return bool(self._line)

    def take(self, timeout_s: float) -> bool:
        """Wait for a turn and take it; whether it came in time."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._line.append(mine)
        if mine.wait(timeout_s):
            return True
        with self._lock:
            if mine.is_set():  # just now
                return True
            self._line.remove(mine)
            return False

    def give(self) -> None:
        """Give the turn to the next in the line, if there is one."""
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._is_taken = False
