"""Where device memory is, for programs that make pointers of it: devices whose `api` is CUDA's.

Only where both sides have the feature `addresses`. An address is of the session's own process, and nobody
else's: it means nothing in another session.
"""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Reply, Synchronous


class Address(Reply, frozen=True, tag=75):
    """Where a buffer's first byte is, as kernels see it, and how many bytes it has."""

    address: int
    size: int


class GetBufferAddress(Synchronous, frozen=True, tag=51):
    """Answered by Address, or by Failed where kernels know no addresses."""

    answer: ClassVar[type[Reply]] = Address

    buffer: Handle


class CreateVariableBuffer(Synchronous, frozen=True, tag=52):
    """Make a buffer over a variable of a built program, by its name there; answered by Address."""

    answer: ClassVar[type[Reply]] = Address

    buffer: Handle
    program: Handle
    name: str
