"""Answers that say no more than how a command ended."""

from __future__ import annotations

from accelpool_wire.messages.base import Reply


class Done(Reply, frozen=True, tag=60):
    """A synchronous command succeeded."""


class Failed(Reply, frozen=True, tag=61):
    """A synchronous command failed.

    Attributes:
        command: The command that this answers.
        culprit: The command that really failed: itself, or an earlier posted one.
        routine: The OpenCL function that failed.
        code: OpenCL's error code.
        what: What failed and why, for people.
    """

    culprit: int
    routine: str
    code: int
    what: str
