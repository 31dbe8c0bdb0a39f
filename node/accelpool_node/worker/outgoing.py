"""A worker's connections to other nodes, by way of its agent: it may make none itself."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from accelpool_node import control
from accelpool_wire.errors import ConnectError, Timeout


class Outgoing:
    """Asks the agent for connections, from any thread.

    Args:
        ask: Tells the agent what is wanted.
    """

    def __init__(self, ask: Callable[[control.Dial], None]) -> None:
        self._ask = ask
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[socket.socket]] = {}
        self._changing = threading.Lock()

    def connect(self, address: str, limit_s: float) -> socket.socket:
        """Return a connection to another node.

        Args:
            address: "host:port", IPv6 in brackets.
            limit_s: How long to wait for it.

        Raises:
            ConnectError: There is none to be had.
            Timeout: The agent did not answer in time.
        """
        number, answer = next(self._numbers), Future[socket.socket]()
        with self._changing:
            self._waiting[number] = answer
        try:
            self._ask(control.Dial(number=number, address=address))
            return answer.result(limit_s)
        except TimeoutError as error:
            if self._forget(number) is None:  # it came just now
                answer.result().close()
            raise Timeout(f"no connection to {address} within {limit_s:g} s") from error
        except OSError as error:
            self._forget(number)
            raise ConnectError(f"nobody connects to {address}: {error.strerror or error}") from error

    def take(self, answer: control.Dialled, descriptors: Sequence[int]) -> None:
        """Take what the agent answered. Called from another thread."""
        awaited = self._forget(answer.number)
        if awaited is None or not descriptors:
            for unwanted in descriptors:
                os.close(unwanted)
        if awaited is None:
            return
        if not descriptors:
            awaited.set_exception(ConnectError(answer.why or "this worker has too many files open"))
            return
        stream = socket.socket(fileno=descriptors[0])
        stream.set_inheritable(False)
        awaited.set_result(stream)

    def _forget(self, number: int) -> Future[socket.socket] | None:
        with self._changing:
            return self._waiting.pop(number, None)
