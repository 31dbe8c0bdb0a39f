"""What `%accelpool` shows."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool.device import DEVICE_HEAD, Device
from accelpool.notebook import table


@dataclass(frozen=True, kw_only=True, repr=False)
class LeaseStatus:
    """How a notebook's lease is.

    Attributes:
        state: "none", "active", "parked" or "over".
        id: The lease's id; of a parked one, of the one that was given back.
        devices: Its devices.
        kept_bytes: How much content is kept here while it is parked.
        idle_s: How long the notebook idles before the lease is parked; None for never.
        why_not: Why it could not be parked, "" if it could.
    """

    state: str = "none"
    id: str = ""
    devices: tuple[Device, ...] = ()
    kept_bytes: int = 0
    idle_s: float | None = None
    why_not: str = ""

    @property
    def text(self) -> str:
        """All but the devices, in a line."""
        if self.state == "none":
            return "no lease: `%accelpool gpu` takes one, and so does the first %%opencl"
        if self.state == "parked":
            return f"parked with {self.kept_bytes:,} bytes kept here; the next use takes a lease again"
        if self.state == "over":
            return f"lease {self.id} is over: `%accelpool` with a kind takes another"
        when = "never parked" if self.idle_s is None else f"parked after {self.idle_s / 60:g} idle minutes"
        why = f"; not parked: {self.why_not}" if self.why_not else ""
        return f"lease {self.id}, active, {when}{why}"

    def __repr__(self) -> str:
        return "\n".join([self.text, *map(repr, self.devices if self.state == "active" else ())])

    def _repr_html_(self) -> str:
        is_shown = self.state == "active"
        return table(
            self.text, DEVICE_HEAD if is_shown else (), [each._row() for each in self.devices if is_shown]
        )
