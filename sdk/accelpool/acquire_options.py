"""The arguments of `acquire` beside the kind of device: those of a demand, and those of the lease."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypedDict

from accelpool.demand import Demand, invalid
from accelpool.lease_request import LeaseRequest
from accelpool.records import NoticeRecord


class DemandOptions(TypedDict, total=False):
    """What of a demand may be given; see `Demand`."""

    api: str
    count: int
    memory: int | float | str | None
    compute: int | float | str | None
    exclusive: bool
    where: str
    placement: str
    image: str
    tolerates: Sequence[str]
    device: str | None
    devices: Sequence[str]


class AcquireOptions(DemandOptions, total=False):
    """What may be given beside the kind of device; see `acquire`."""

    tenant: str
    priority: int
    preemptible: bool
    max_duration: float | None
    starts_at: datetime | float | None
    ends_at: datetime | float | None
    wait: bool | float | None
    ttl: float
    on_notice: Callable[[NoticeRecord], object] | None


OF_LEASE = ("tenant", "priority", "preemptible", "max_duration", "starts_at", "ends_at", "wait", "ttl")


def read(kind: str | Demand | Sequence[Demand], options: AcquireOptions) -> LeaseRequest:
    """Return the request for `acquire`'s arguments.

    Raises:
        Invalid: Which argument is not possible, and what was expected.
    """
    of_lease = {name: value for name, value in options.items() if name in OF_LEASE}
    of_demand = {name: value for name, value in options.items() if name in DemandOptions.__annotations__}
    unknown = sorted(set(options) - set(AcquireOptions.__annotations__))
    if unknown:
        known = ", ".join(sorted(AcquireOptions.__annotations__))
        raise TypeError(f"acquire() got an unexpected keyword argument {unknown[0]!r}; it takes {known}")
    if isinstance(kind, (Demand, list, tuple)):
        if of_demand:
            name = sorted(of_demand)[0]
            raise invalid(name, "part of each Demand where there are some", of_demand[name])
        demands = [kind] if isinstance(kind, Demand) else kind
    else:
        demands = [Demand(kind, **of_demand)]  # type: ignore[arg-type]  # as DemandOptions has them
    return LeaseRequest.of(demands, **of_lease)  # type: ignore[arg-type]  # as AcquireOptions has them
