"""How many request bodies are read at once: a client that stalls in the middle of one holds a thread.

Agents' reports are not counted, so that no client can keep the broker from hearing its nodes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from accelpool_wire.errors import Unavailable

PATIENCE_S = 0.5  # in a rush whole bodies are read by then
MOST_FORMS = 8  # they need no token, so they have none of the room of those who have one


class BodySlots:
    """Room for the bodies of clients.

    Args:
        json: How many JSON bodies are read at once.
        raw: How many raw bodies; they take as long as their clients like.
    """

    def __init__(self, *, json: int, raw: int) -> None:
        self._json = threading.BoundedSemaphore(json)
        self._raw = threading.BoundedSemaphore(raw)
        self._forms = threading.BoundedSemaphore(MOST_FORMS)

    def take(self, *, is_raw: bool) -> AbstractContextManager[None]:
        """Hold a slot while a body is read.

        Raises:
            Unavailable: There is none, even after a moment.
        """
        return _held(self._raw if is_raw else self._json)

    def take_for_form(self) -> AbstractContextManager[None]:
        """Hold one of the slots of forms, which strangers send, while one is read.

        Raises:
            Unavailable: There is none, even after a moment.
        """
        return _held(self._forms)


@contextmanager
def _held(slots: threading.BoundedSemaphore) -> Iterator[None]:
    if not slots.acquire(timeout=PATIENCE_S):
        raise Unavailable("the broker is reading as many request bodies at once as it can")
    try:
        yield
    finally:
        slots.release()
