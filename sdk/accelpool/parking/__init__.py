"""Leases that are parked: given back while nobody uses them, with all that is in their session kept here.

`docs/decisions/0044` says why so.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

from accelpool import acquire_options
from accelpool.acquire_options import AcquireOptions
from accelpool.broker import Broker
from accelpool.connections import SessionConnection
from accelpool.constants import device_info
from accelpool.context import Context
from accelpool.demand import Demand
from accelpool.device import Device
from accelpool.errors import ParkingError, SessionLost
from accelpool.lease import OnNotice
from accelpool.lease_request import LeaseRequest
from accelpool.parking.connection import ParkableConnection
from accelpool.session import Session

__all__ = ["ParkableLease"]

SAME = (
    ("name", device_info.NAME),
    ("vendor", device_info.VENDOR),
    ("driver_version", device_info.DRIVER_VERSION),
)


class ParkableLease:
    """A lease, and all that is made under it, which may be given back for a while.

    `park` keeps what is in its session in this process and gives the lease back. The next use of anything of
    it takes a lease on a device of the same model and driver again, waiting as the first request did, and
    puts everything back: objects of before go on working, content, kernels and arguments as they were.

    Args:
        broker: The pool.
        kind: As `acquire` has it.
        clock: Seconds from any start, never going back.
        **options: As `acquire` has them, but a reservation's.

    Attributes:
        context: The context on its devices.

    Raises:
        Those of `acquire`.
    """

    def __init__(
        self,
        broker: Broker,
        kind: str | Demand | Sequence[Demand] = "any",
        *,
        clock: Callable[[], float] = time.monotonic,
        **options: Unpack[AcquireOptions],
    ) -> None:
        request, on_notice = acquire_options.read(kind, options), options.get("on_notice")
        session = broker._lease_session(request, on_notice)
        renewal = Renewal(broker, session, request, on_notice)
        self._session = weakref.ref(session)
        self._connection = ParkableConnection(session.connection, renewal.take, renewal.give_back, clock)
        self._is_spanning = len(session.lease.record.endpoints) > 1
        if not self._is_spanning:
            session.talk_through(self._connection)
        self.context: Context = Context._over_session(session)

    @property
    def is_parked(self) -> bool:
        """Whether it is given back until the next use."""
        return self._connection.is_parked and self.context.is_open

    @property
    def kept_bytes(self) -> int:
        """How much content of buffers and images is kept in this process meanwhile."""
        return self._connection.kept_bytes

    @property
    def used_s(self) -> float:
        """When anything of it was used last, by its clock."""
        return self._connection.used_s

    def park(self, keep_bytes: int) -> None:
        """Give the lease back until anything of it is used again; parking twice is parking once.

        Args:
            keep_bytes: How much content of buffers and images is kept at most.

        Raises:
            ParkingError: Not all in the session can be kept, and what; nothing has changed.
            SessionLost, LeaseExpired, LeaseRevoked, LeaseLost: The session is over, and why.
        """
        session = self._session()
        if session is None or not session.is_open:
            raise ParkingError("the lease is over: there is nothing to park")
        if self._is_spanning:
            raise ParkingError("the lease is over several nodes or drivers: those of one can be parked")
        self._connection.park(keep_bytes)


class Renewal:
    """Gives a session's lease back, and takes another one for it. It does not keep the session alive."""

    def __init__(
        self, broker: Broker, session: Session, request: LeaseRequest, on_notice: OnNotice | None
    ) -> None:
        self._broker = broker
        self._keeper = session._keeper
        self._session = weakref.ref(session)
        self._request = request
        self._on_notice = on_notice
        self._process = os.getpid()

    def give_back(self) -> None:
        """Close the connection and give the lease back."""
        session = self._session()
        if session is not None:
            self._keeper.end(session.lease)

    def take(self) -> SessionConnection:
        """Return a connection to a new session, on devices like those that there were."""
        session = self._session()
        if session is None or session.is_closed:
            raise SessionLost("the lease was given back for good while it was parked")
        if os.getpid() != self._process:
            raise ParkingError(f"the parked lease belongs to process {self._process}, which forked this one")
        fresh = self._broker._lease_session(like(self._request, session.devices), self._on_notice)
        session.lease, fresh.is_closed = fresh.lease, True  # it is the old session's now
        try:
            for old, new in zip(session.devices, fresh.devices, strict=True):
                take_place(old, new)
        except BaseException:
            self.give_back()
            raise
        return fresh.connection


def like(request: LeaseRequest, devices: Sequence[Device]) -> LeaseRequest:
    """Return the request for the same, on devices of the same model and driver."""
    known = devices[0]._info
    wanted = [
        f"device.attributes.{name} == {_quoted(str(known[info]).strip())}"
        for name, info in SAME
        if info in known
    ]
    return replace(
        request,
        demands=tuple(
            replace(demand, where=" && ".join([f"({demand.where})"] * bool(demand.where) + wanted))
            for demand in request.demands
        ),
    )


def take_place(old: Device, new: Device) -> None:
    """Make a device of a session stand for another one: it is what it was, but somewhere else.

    Raises:
        ParkingError: The other one is not like it.
    """
    memory = device_info.GLOBAL_MEM_SIZE
    is_like = all(old._info.get(info) == new._info.get(info) for _, info in SAME)
    if not is_like or int(new._info.get(memory, 0)) < int(old._info.get(memory, 0)):
        raise ParkingError(f"{new!r} was granted, which is not like {old!r}, where the lease was parked")
    old.node, old.pool_id = new.node, new.pool_id


def _quoted(text: str) -> str:
    """Return a text as CEL has it."""
    return (
        '"'
        + "".join(char if char.isalnum() or char in " .-_()/" else f"\\U{ord(char):08x}" for char in text)
        + '"'
    )
