"""The thread that hears what other brokers changed, on a connection of its own."""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from accelpool_broker.news import EVERYTHING, News, decode

CHANNEL = "accelpool"
RETRY_S = 1.0
STOP_S = 10.0

log = logging.getLogger(__name__)


class Listener:
    """Calls back with the news of other brokers.

    When it begins to listen, at first and after a lost connection, it calls back with `EVERYTHING`: it has
    missed what was told before.

    Args:
        connect: Opens a connection without transactions.
        hear: Called with news, in the listener's thread.
        but_from: The sender whose messages are not for it: its own broker knows already.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        hear: Callable[[News], None],
        *,
        but_from: str,
    ) -> None:
        self._connect = connect
        self._hear = hear
        self._but_from = but_from
        self._stopping, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.close()
        self._thread.join(STOP_S)
        self._stopping.close()

    def _run(self) -> None:
        while not self._is_stopping(0.0):
            try:
                with self._connect() as connection:
                    self._listen(connection)
            except psycopg.Error as error:
                log.warning("other brokers are not heard; trying again in %g s: %s", RETRY_S, error)
            except Exception:
                log.exception("other brokers are not heard; trying again in %g s", RETRY_S)
            if self._is_stopping(RETRY_S):
                return

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._hear(EVERYTHING)
        while not self._is_stopping(None, connection.fileno()):
            for notify in connection.notifies(timeout=0):
                sender, news = decode(notify.payload)
                if sender != self._but_from:
                    self._hear(news)

    def _is_stopping(self, timeout_s: float | None, *or_readable: int) -> bool:
        """Wait for the stop, or for something to read; whether it is the stop."""
        poll = select.poll()
        for descriptor in (self._stopping.fileno(), *or_readable):
            poll.register(descriptor, select.POLLIN)
        ready = poll.poll(None if timeout_s is None else timeout_s * 1000)
        return any(descriptor == self._stopping.fileno() for descriptor, _ in ready)
