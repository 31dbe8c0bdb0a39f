"""What one REST compute session has made."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from accelpool_wire import messages as m
from accelpool_wire.codes import error_name
from accelpool_wire.errors import NotFound, QuotaExceeded

T = TypeVar("T")


class LaunchStatus(StrEnum):
    """How far a launch is: OpenCL's execution status of its event."""

    COMPLETE = "complete"
    RUNNING = "running"
    SUBMITTED = "submitted"
    QUEUED = "queued"
    FAILED = "failed"


STATUS = {
    0: LaunchStatus.COMPLETE,
    1: LaunchStatus.RUNNING,
    2: LaunchStatus.SUBMITTED,
    3: LaunchStatus.QUEUED,
}


@dataclass(kw_only=True)
class Program:
    """A built program; `library` is its name in the kernel library, if it came from there."""

    handle: int
    infos: Mapping[str, m.KernelInfo]
    build_log: str
    library: str | None = None
    kernels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Buffer:
    """A buffer on the device."""

    handle: int
    size_bytes: int


@dataclass(kw_only=True)
class Launch:
    """A kernel launch; its times are nanoseconds of the device's clock: queued, submitted, started, ended."""

    handle: int
    program: str
    kernel: str
    status: LaunchStatus = LaunchStatus.QUEUED
    times: list[int] | None = None
    error: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is complete or failed."""
        return self.status in (LaunchStatus.COMPLETE, LaunchStatus.FAILED)

    def note(self, state: m.EventState | m.EventDone) -> None:
        """Take over what the node says of its event."""
        self.status = STATUS.get(state.status, LaunchStatus.FAILED)
        self.times = state.times
        if state.status < 0:
            routine, what = state.failure or ["clEnqueueNDRangeKernel", ""]
            self.error = {
                "routine": routine,
                "code": state.status,
                "name": error_name(state.status),
                "what": what,
            }


class Table(Generic[T]):
    """Things of one kind by id.

    Args:
        noun: What they are called in messages.
        prefix: What their ids begin with.
        limit: How many there may be.
    """

    def __init__(self, noun: str, prefix: str, limit: int) -> None:
        self.items: dict[str, T] = {}
        self._noun = noun
        self._prefix = prefix
        self._limit = limit

    def add(self, thing: T) -> str:
        """Keep a thing and return its new id."""
        id = f"{self._prefix}_{secrets.token_urlsafe(9)}"
        self.items[id] = thing
        return id

    def check_room(self) -> None:
        """Check that one more may be made.

        Raises:
            QuotaExceeded: There are as many as there may be.
        """
        if len(self.items) >= self._limit:
            raise QuotaExceeded(f"a lease has at most {self._limit} {self._noun}s over REST: delete some")

    def get(self, id: str) -> T:
        """Return the thing with this id.

        Raises:
            NotFound: There is none; perhaps the session it was made in has ended.
        """
        try:
            return self.items[id]
        except KeyError:
            raise NotFound(f"there is no {self._noun} {id} in the lease's present session") from None
