"""A notebook's lease, and the two names under which cells find it: `ctx` and `queue`."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any, Unpack

from accelpool.acquire_options import AcquireOptions
from accelpool.broker import default_broker
from accelpool.context import Context
from accelpool.errors import Conflict, ParkingError
from accelpool.ipython.lease_status import LeaseStatus
from accelpool.ipython.notebook_names import NotebookNames
from accelpool.parking import ParkableLease
from accelpool.queue import CommandQueue

CONTEXT, QUEUE = "ctx", "queue"
IDLE_S = 600.0
KEEP_BYTES = 4 << 30


class NotebookLease:
    """At most one lease, taken when it is first needed.

    Args:
        names: The notebook's names.
        clock: Seconds from any start, never going back.

    Attributes:
        idle_s: How long the notebook idles before the lease is parked; None for never.
        keep_bytes: How much content of buffers and images is kept at most while it is parked.
        why_not: Why the lease was not parked when it should have been, "" if it was.
    """

    def __init__(self, names: MutableMapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.idle_s: float | None = IDLE_S
        self.keep_bytes: int = KEEP_BYTES
        self.why_not: str = ""
        self._names = names
        self._clock = clock
        self._lease: ParkableLease | None = None
        self._mine = NotebookNames(names, "the lease is to have that name, so call yours otherwise")

    @property
    def is_held(self) -> bool:
        """Whether there is a lease, parked or not."""
        return self._lease is not None and self._lease.context.is_open

    @property
    def is_parked(self) -> bool:
        """Whether it is parked."""
        return self._lease is not None and self._lease.is_parked

    @property
    def used_s(self) -> float:
        """When it was used last, by its clock."""
        return 0.0 if self._lease is None else self._lease.used_s

    def acquire(self, kind: str = "any", **options: Unpack[AcquireOptions]) -> None:
        """Take the lease, and have `ctx` and `queue`.

        Raises:
            Conflict: There is one already, or one of the names is the notebook's own.
            Those of `accelpool.acquire`.
        """
        if self.is_held:
            raise Conflict("the notebook has a lease: `%accelpool release` gives it back")
        self._mine.check(CONTEXT, QUEUE)
        self._lease = ParkableLease(default_broker(), kind, clock=self._clock, **options)
        context = self._lease.context
        self._mine.give({CONTEXT: context, QUEUE: CommandQueue(context)})
        self.why_not = ""

    def context(self) -> Context:
        """Return what cells build for: `ctx`; a lease on any device is taken where there is none."""
        found = self._names.get(CONTEXT)
        if isinstance(found, Context) and found.is_open:
            return found
        if not self.is_held:
            self.acquire()
        assert self._lease is not None
        return self._lease.context

    def park(self) -> None:
        """Park the lease, if there is one.

        Raises:
            ParkingError: Not all in it can be kept, and what.
        """
        if self._lease is None or not self.is_held:
            return
        self.why_not = ""
        try:
            self._lease.park(self.keep_bytes)
        except ParkingError as error:
            self.why_not = str(error)
            raise

    def release(self) -> None:
        """Give the lease back for good, and the names with it. Releasing twice is releasing once."""
        self._mine.take_back()
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.context.release()

    def status(self) -> LeaseStatus:
        """Return what there is to say of it; nothing is asked for that."""
        lease = self._lease
        if lease is None:
            return LeaseStatus(idle_s=self.idle_s)
        state = "parked" if self.is_parked else "active" if self.is_held else "over"
        return LeaseStatus(
            state=state,
            id=lease.context.lease.id,
            devices=tuple(lease.context.devices),
            kept_bytes=lease.kept_bytes,
            idle_s=self.idle_s,
            why_not=self.why_not,
        )
