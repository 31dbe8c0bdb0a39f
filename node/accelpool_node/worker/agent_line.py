"""The worker's line to its agent: what it says, what its last word is, and that nothing comes after it."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import NoReturn

from accelpool_node import control

AGENT_GONE = 3


class AgentLine:
    """Says things to the agent, from any thread.

    Args:
        agent: The worker's end of their channel.
    """

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._speaking = threading.RLock()  # kept by the thread that ends the process

    def say(self, word: control.ToAgent) -> None:
        """Say something; after the last word it waits for the end of the process.

        Raises:
            OSError: The agent is gone.
        """
        with self._speaking:
            control.send(self._agent, word)

    def hear(self) -> tuple[control.ToWorker, list[int]] | None:
        """Return the next order and its descriptors, or None once the agent is gone."""
        try:
            return control.receive_at_worker(self._agent)
        except OSError:
            return None

    def leave(self, ended: control.Ended) -> NoReturn:
        """Say how the session ended, as the last word, and end the process."""
        with self._speaking:
            try:
                control.send(self._agent, ended)
            except OSError:
                self.exit(AGENT_GONE)
            self.exit(0)

    def exit(self, status: int) -> NoReturn:
        """End the process at once: its end frees device memory without waiting for running kernels."""
        with self._speaking:
            sys.stderr.flush()
            os._exit(status)
