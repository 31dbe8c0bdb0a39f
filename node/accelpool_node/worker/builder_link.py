"""A worker's way to the builder of its driver environment, by way of its agent."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence

from accelpool_node.backends.base import BackendDevice
from accelpool_node.builder import messages as b
from accelpool_node.builder.compiler import BUILD_LIMIT_S
from accelpool_node.builder.eligibility import objection

AGENT_LIMIT_S = 5.0  # an agent answers at once, unless its machine is busy; with nobody there, once
ANSWER_LIMIT_S = BUILD_LIMIT_S + 10.0


class BuilderLink:
    """Asks the builder for products; whatever goes wrong, there is none, and the worker builds for itself.

    Args:
        want: Tells the agent that a connection is wanted.
    """

    def __init__(self, want: Callable[[], None]) -> None:
        self._want = want
        self._has_answer = threading.Event()
        self._offered: socket.socket | None = None
        self._stream: socket.socket | None = None

    def offer(self, descriptors: Sequence[int]) -> None:
        """Take what the agent answered: a connection, or none. Called from another thread."""
        if descriptors:
            self._offered = socket.socket(fileno=descriptors[0])
            self._offered.set_inheritable(False)
        for surplus in descriptors[1:]:
            os.close(surplus)
        self._has_answer.set()

    def product(self, devices: Sequence[BackendDevice], source: str, options: str) -> b.Product | None:
        """Return what comes of a build, or None if the worker has to make it."""
        if objection(source, options):
            return None
        build = b.Build(devices=[b.identify(device) for device in devices], source=source, options=options)
        content = b.encode(build)
        if len(content) > b.MAX_BUILD_BYTES or not self._connect():
            return None
        try:
            answer = self._ask(content)
        except (OSError, ValueError):
            self.close()
            return None
        return answer if isinstance(answer, b.Product) else None

    def close(self) -> None:
        """Let go of the connection; the next build wants another one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _connect(self) -> bool:
        """Whether there is a connection, or the agent has one for us."""
        if self._stream is not None:
            return True
        self._has_answer.clear()
        try:
            self._want()
        except OSError:
            return False
        if not self._has_answer.wait(AGENT_LIMIT_S):
            return False
        self._stream, self._offered = self._offered, None
        if self._stream is None:
            return False
        self._stream.settimeout(ANSWER_LIMIT_S)
        return True

    def _ask(self, content: bytes) -> b.CompilerMessage:
        if self._stream is None:
            raise ConnectionError("no connection")
        b.send(self._stream, content)
        return b.decode_answer(b.receive(self._stream, b.MAX_PRODUCT_BYTES))
