"""Payloads: where each goes while it arrives, and to whom it is handed once it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.images import Images
from accelpool_node.worker.spirv import check_size
from accelpool_node.worker.transfers import Intake
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

Opener: TypeAlias = Callable[[Any, int], Intake]
"""Says where the payload of a write goes."""


class Payloads:
    """The payload of the message at hand, of one session.

    Args:
        holdings: The session's objects.
        images: Makes its images.
        limits: What the client may ask for at most.
        openers: What says where the payload of a write goes, by kind of message.
    """

    def __init__(
        self,
        holdings: Holdings,
        images: Images,
        limits: m.Limits,
        openers: Mapping[type[m.Message], Opener],
    ) -> None:
        self._holdings = holdings
        self._images = images
        self._limits = limits
        self._openers = openers
        self._intake: Intake | None = None
        self._content: memoryview | None = None

    def open(self, message: m.Message, size: int) -> memoryview:
        """Return where a message's payload goes, or its next part.

        Args:
            message: Whose payload.
            size: Bytes that are still to come. If the memory has fewer, ask again for the rest.

        Raises:
            Error: Nobody wants it, and why.
        """
        opener = self._openers.get(type(message))
        if opener is not None:
            intake, self._intake = self._intake, None
            intake = intake or opener(message, size)
            view = intake.next_view()
            self._intake = intake
            return view
        self._content = None
        self._check_content(message, size)
        self._content = memoryview(bytearray(size))
        return self._content

    def with_content(self, make: Callable[[Any, memoryview | None], None]) -> Callable[[Any], None]:
        """Return what makes an object, given what makes it with the payload as its content, if any came."""

        def make_it(message: m.Message) -> None:
            content, self._content = self._content, None
            make(message, content)

        return make_it

    def writing(self, enqueue: Callable[[Any, Intake | None, int], None]) -> Callable[[Any, int], None]:
        """Return what carries out a write, given what enqueues it."""

        def write(message: m.Message, command: int) -> None:
            intake, self._intake = self._intake, None
            enqueue(message, intake, command)

        return write

    def _check_content(self, message: m.Message, size: int) -> None:
        """Refuse a payload that cannot become an object's content, or binaries, before it is received."""
        if isinstance(message, m.CreateImage):
            self._images.check_content(message, size)
            return
        if isinstance(message, m.CreateProgramWithIL):
            check_size(size, "clCreateProgramWithIL")
            return
        if isinstance(message, m.CreateBuffer):
            routine, expected, limit = "clCreateBuffer", message.size, message.size
            context = self._holdings.contexts.get(message.context, routine)
            self._holdings.ledger.check(context, message.size, routine)
        else:
            routine, limit = "clCreateProgramWithBinary", self._limits.staged_bytes
            expected = sum(getattr(message, "sizes", ()))
        if size != expected or size > limit:
            what = f"a payload of {size} bytes; the message says {expected}, the limit is {limit}"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
