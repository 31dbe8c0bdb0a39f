"""Shared virtual memory: buffers at an address that the client knows, and has the same memory at.

Only where both sides have the feature `svm`. What CreateSVM makes is a buffer to all other messages.
"""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Reply, Synchronous


class SVMCreated(Reply, frozen=True, tag=74):
    """Shared virtual memory is there: the address of its first byte, as kernels see it."""

    address: int


class CreateSVM(Synchronous, frozen=True, tag=50):
    """Answered by SVMCreated; the address is a multiple of `alignment`. `flags` are access flags."""

    answer: ClassVar[type[Reply]] = SVMCreated

    svm: Handle
    context: Handle
    flags: int
    size: int
    alignment: int
