"""What a child process writes on its standard error, told in the agent's log: so much of it, and no more.

On a CPU device a kernel is native code, which may write there what it likes, and without end. So a child has
a pipe instead of the log itself. Its lines are cut, made printable and marked as its own, so that none passes
for the agent's. What is beyond a child's allowance, or the node's, is read and dropped: slowly, so that who
writes without end waits, and not the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable

from accelpool_wire.logs import printable

log = logging.getLogger(__name__)

MAX_LINE = 1000  # bytes
MAX_LINES = 512  # of one read: to look at a line takes the agent microseconds, and a byte may be one
CHILD_BYTES, CHILD_BYTES_PER_S = 64 << 10, 64.0
NODE_BYTES, NODE_BYTES_PER_S = 1 << 20, 4096.0
READ_BYTES, PAUSE_S = 16 << 10, 0.05
MAX_LAST_BYTES = 1 << 20  # the largest pipe that an ordinary user may make
NEWLINE = b"\n"


class Allowance:
    """So many bytes at once, and so many a second from then on.

    Args:
        size: At once.
        per_s: As they come back.
        now: The monotonic clock, in seconds.
    """

    def __init__(self, size: int, per_s: float, now: float) -> None:
        self._size, self._per_s = size, per_s
        self._left, self._at = float(size), now

    def left(self, now: float) -> float:
        """Return how many bytes may be taken."""
        self._left = min(self._size, self._left + (now - self._at) * self._per_s)
        self._at = now
        return self._left

    def take(self, count: int) -> None:
        """Take some of what is left."""
        self._left -= count


def allowance_of_node(now: float) -> Allowance:
    """Return what all children of an agent may have in its log together."""
    return Allowance(NODE_BYTES, NODE_BYTES_PER_S, now)


class Told:
    """The lines that a child's output comes to. No I/O.

    Args:
        say: Called with each line that is told.
        of_node: What all children share.
        now: The monotonic clock, in seconds.
    """

    def __init__(self, say: Callable[[str], None], of_node: Allowance, now: float) -> None:
        self._say = say
        self._allowances = (Allowance(CHILD_BYTES, CHILD_BYTES_PER_S, now), of_node)
        self._begun = b""
        self._cut = 0
        self._left_out = 0

    def take(self, content: bytes, now: float) -> None:
        """Tell what has come, as far as its lines are whole; lines beyond `MAX_LINES` are left out."""
        *whole, rest = content.split(NEWLINE, MAX_LINES)
        for line in whole:
            self._keep(line)
            self._tell(now)
        beyond, _, rest = rest.rpartition(NEWLINE)
        self._left_out += len(beyond.replace(NEWLINE, b""))
        self._keep(rest)

    def end(self, now: float) -> None:
        """Tell what is left, and how much was not told."""
        self._tell(now)
        self._confess()

    def _keep(self, part: bytes) -> None:
        kept = part[: MAX_LINE - len(self._begun)]
        self._begun += kept
        self._cut += len(part) - len(kept)

    def _tell(self, now: float) -> None:
        line, cut, self._begun, self._cut = self._begun, self._cut, b"", 0
        if not line.strip():
            return
        if any(allowance.left(now) < len(line) for allowance in self._allowances):
            self._left_out += len(line) + cut
            return
        self._confess()
        for allowance in self._allowances:
            allowance.take(len(line))
        self._say(printable(line.decode("utf-8", "backslashreplace")))
        self._left_out += cut

    def _confess(self) -> None:
        if self._left_out:
            self._say(f"({self._left_out} bytes more are left out)")
            self._left_out = 0


class ChildLog:
    """The pipe from a child's standard error to the agent's log.

    Args:
        of_node: What all children share.

    Attributes:
        entrance: The descriptor that is the child's; this side closes its own copy by `begin`.
    """

    def __init__(self, of_node: Allowance) -> None:
        self._exit, self.entrance = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.entrance, True)
        self._of_node = of_node
        self._told: Told | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._name = ""
        self._fields: dict[str, str] = {}

    def begin(self, name: str) -> None:
        """Tell what the child writes, from now on.

        Args:
            name: Its name in the log.
        """
        self.close_entrance()
        self._name = name
        self._told = Told(self._say, self._of_node, time.monotonic())
        self._listen()

    def of_session(self, session: str, lease: str) -> None:
        """Tell whose session it is with each line from now on."""
        self._fields = {"session": session, "lease": lease}

    def _say(self, line: str) -> None:
        whose = f" in session {self._fields['session']}" if self._fields else ""
        log.warning("%s%s: %s", self._name, whose, line, extra=self._fields)

    def end(self) -> None:
        """Tell the last of it: the child is gone."""
        if self._pause:
            self._pause.cancel()
        self.close_entrance()
        asyncio.get_running_loop().remove_reader(self._exit)
        rest = b""
        while self._told and len(rest) < MAX_LAST_BYTES and (content := self._read()):
            rest += content
        if self._told:
            self._told.take(rest, time.monotonic())
            self._told.end(time.monotonic())
        os.close(self._exit)

    def close_entrance(self) -> None:
        """Close this side's copy of the child's descriptor."""
        if self.entrance >= 0:
            os.close(self.entrance)
            self.entrance = -1

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._exit, self._heard)

    def _heard(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._exit)
        content = self._read()
        if content and self._told:
            self._told.take(content, time.monotonic())
            self._pause = loop.call_later(PAUSE_S, self._listen)

    def _read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._exit, READ_BYTES)
        return b""
