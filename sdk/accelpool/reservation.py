"""Devices that are reserved for a time to come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from accelpool.errors import Conflict, RemoteProtocolError
from accelpool.lease import OnNotice
from accelpool.records import LeaseRecord, lease_path
from accelpool.rest import RestClient

if TYPE_CHECKING:
    from accelpool.context import Context

Join = Callable[[LeaseRecord, "bool | float | None", OnNotice | None], "Context"]


class Reservation:
    """Devices that are reserved for a time to come; nobody has to stay for that. `Broker.reserve` makes one.

    It needs no process: keep its `id`, and get it again with `Broker.reservation`. Within its `ttl` from its
    start on somebody has to `acquire` it, else others get the devices.

    Attributes:
        id: The lease's id, as `accelpool leases` shows it.
        starts_at: When it begins.
        ends_at: When it ends.
    """

    def __init__(self, record: LeaseRecord, rest: RestClient, join: Join) -> None:
        if record.starts_at is None or record.ends_at is None:
            raise Conflict(f"lease {record.id} is no reservation")
        self.id: str = record.id
        self.starts_at: datetime = _instant(record.starts_at)
        self.ends_at: datetime = _instant(record.ends_at)
        self._record = record
        self._rest = rest
        self._join = join

    def acquire(self, wait: bool | float | None = True, on_notice: OnNotice | None = None) -> Context:
        """Return a context on the devices, once it has begun; `with` gives them back at its end.

        Args:
            wait: How long to wait from its start on: True or None for as long as it takes, False not at all,
                or seconds. The reservation stays if that is not enough.
            on_notice: As `accelpool.acquire` has it.

        Raises:
            LeaseTimeout: Not granted within `wait`.
            LeaseExpired, LeaseRevoked, LeaseLost: It has ended.
            TransportError: The broker or the node cannot be reached.
        """
        return self._join(self._record, wait, on_notice)

    def withdraw(self) -> None:
        """Give it up, before its time or within it; one that has ended stays as it is."""
        self._rest.request("DELETE", lease_path(self.id))

    def __repr__(self) -> str:
        return f"<accelpool.Reservation {self.id!r} from {self.starts_at} until {self.ends_at}>"


def _instant(told: str) -> datetime:
    try:
        return datetime.fromisoformat(told)
    except ValueError as error:
        raise RemoteProtocolError(f"the broker's lease has an instant that is none: {told}") from error
