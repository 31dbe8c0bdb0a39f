"""Whether this broker can do its work now: cheap to ask, answered within a time, and by one query at once."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from accelpool_broker.store import Store
from accelpool_wire.errors import Unavailable

LIMIT_S = 2.0


class Readiness:
    """Asks the database on behalf of probes, which need no token: so however many come, it is asked once.

    Args:
        store: The pool's, whose tables have the form that this broker works with.
        limit_s: How long the database may take.
    """

    def __init__(self, store: Store, limit_s: float = LIMIT_S) -> None:
        self._store = store
        self._limit_s = limit_s
        with store.read() as tx:
            self._form = tx.form()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._lock = Lock()
        self._asked: Future[str] | None = None
        self._asked_at = 0.0
        self._is_stopping = False

    def check(self) -> None:
        """Return if the broker can do its work.

        Raises:
            Unavailable: It stops, the database does not answer, or its tables are no longer what they were.
        """
        if self._is_stopping:
            raise Unavailable("the broker is shutting down")
        asked, left_s = self._ask()
        try:
            why_not = asked.result(max(0.0, left_s))
        except TimeoutError:
            told = f"the broker's database has not answered within {self._limit_s:g} s"
            raise Unavailable(told) from None
        if why_not:
            raise Unavailable(why_not)

    def stop(self) -> None:
        """Be ready no more."""
        with self._lock:
            self._is_stopping = True
            self._thread.shutdown(wait=False)

    def _ask(self) -> tuple[Future[str], float]:
        """Return the answer that is under way, and how long it may still take."""
        now = time.monotonic()
        with self._lock:
            if self._asked is None or self._asked.done():
                if self._is_stopping:
                    raise Unavailable("the broker is shutting down")
                self._asked, self._asked_at = self._thread.submit(self._look), now
            return self._asked, self._asked_at + self._limit_s - now

    def _look(self) -> str:
        """Return why the database is of no use, "" if it is."""
        try:
            with self._store.read() as tx:
                form = tx.form()
        except Unavailable as error:
            return error.detail
        if form != self._form:
            return "the database's tables were brought to the form of another version than this broker's"
        return ""
