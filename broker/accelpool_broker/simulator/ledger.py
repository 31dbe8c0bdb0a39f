"""What tenants have used, as the broker charges them, and what they get while they have something waiting."""

from __future__ import annotations

from collections.abc import Mapping

from accelpool_broker.scheduler import TenantView
from accelpool_broker.scheduler.fairness import charge, decayed
from accelpool_broker.simulator.running import Running


class Ledger:
    """Use by tenant.

    Args:
        weights: Of tenants; 1 for those that have none.
        half_life_s: After this time a use counts half.
    """

    def __init__(self, weights: Mapping[str, float], half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._views = {name: TenantView(name=name, weight=weight) for name, weight in weights.items()}
        self._waiting: dict[str, int] = {}
        self._held: dict[str, float] = {}
        self._backlogged_s: dict[str, float] = {}
        self._received: dict[str, float] = {}

    @property
    def tenants(self) -> tuple[TenantView, ...]:
        """All tenants that have a weight or a use."""
        return tuple(self._views.values())

    @property
    def backlogs(self) -> dict[str, tuple[float, float]]:
        """See `Run`."""
        return {name: (time_s, self._received[name]) for name, time_s in self._backlogged_s.items()}

    def charge(self, tenant: str, running: Running, now: float) -> None:
        """Charge a tenant for a lease that has ended."""
        view = self._views.get(tenant, TenantView(name=tenant))
        used = decayed(view.used_device_s, now - view.used_at, self._half_life_s)
        used += charge(running.size, now - running.lease.charged_at, self._half_life_s)
        self._views[tenant] = TenantView(name=tenant, weight=view.weight, used_device_s=used, used_at=now)

    def wait(self, tenant: str, change: int) -> None:
        """Note that more or fewer jobs of a tenant wait."""
        self._waiting[tenant] = self._waiting.get(tenant, 0) + change

    def hold(self, tenant: str, change: float) -> None:
        """Note that a tenant has more or fewer devices."""
        self._held[tenant] = self._held.get(tenant, 0.0) + change

    def elapse(self, time_s: float) -> None:
        """Note that time has passed in which nothing changed."""
        for tenant, count in self._waiting.items():
            if count:
                self._backlogged_s[tenant] = self._backlogged_s.get(tenant, 0.0) + time_s
                received = time_s * self._held.get(tenant, 0.0)
                self._received[tenant] = self._received.get(tenant, 0.0) + received
