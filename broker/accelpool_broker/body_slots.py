"""How many request bodies are read at once: a client that stalls in the middle of one holds a thread.

Agents' reports are not counted, so that no client can keep the broker from hearing its nodes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from accelpool_wire.errors import Unavailable

PATIENCE_S = 0.5  # in a rush whole bodies are read by then


class BodySlots:
    """Room for the bodies of clients.

    Args:
        json: How many JSON bodies are read at once.
        raw: How many raw bodies; they take as long as their clients like.
    """

    def __init__(self, *, json: int, raw: int) -> None:
        self._json = threading.BoundedSemaphore(json)
        self._raw = threading.BoundedSemaphore(raw)

    @contextmanager
    def take(self, *, is_raw: bool) -> Iterator[None]:
        """Hold a slot while a body is read.

        Raises:
            Unavailable: There is none, even after a moment.
        """
        slots = self._raw if is_raw else self._json
        if not slots.acquire(timeout=PATIENCE_S):
            raise Unavailable("the broker is reading as many request bodies at once as it can")
        try:
            yield
        finally:
            slots.release()
