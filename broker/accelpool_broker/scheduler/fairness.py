"""Whose turn it is: tenants by what they have used and have now, for their weight.

A tenant's use is the average number of devices that it had, older times counting less: half after each half-
life. What it has now comes on top, so that within one pass devices are dealt out in turn. Tenants are a tree:
below each tenant its own tenants share what it gets. Of two the one with less use for its weight comes first.

    score(tenant) = (average + running) / weight         order: the scores from the root down, compared one by
    one

Sources: decayed usage as in Slurm's multifactor priority (half-life of past usage); the share of the scarcest
resource that counts for a part of a device: Ghodsi et al., Dominant Resource Fairness, NSDI 2011.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import exp, log

from accelpool_broker.scheduler.inventory import Inventory
from accelpool_broker.scheduler.views import WHOLE, LeaseView, Share, TenantView

Score = tuple[float, ...]


@lru_cache(maxsize=4096)
def path(tenant: str) -> tuple[str, ...]:
    """Return a tenant's name after those of all tenants above it, from the root down."""
    parts = tenant.split("/")
    return tuple("/".join(parts[: number + 1]) for number in range(len(parts)))


def size_of(shares: Iterable[Share], inventory: Inventory) -> float:
    """Return how many devices some shares are: of each the larger of its parts of memory and compute."""
    size = 0.0
    for share in shares:
        place = inventory.places.get(share.device)
        total = inventory.memory_bytes[place] if place is not None else 0
        of_memory = share.memory_bytes / total if total else 0.0
        size += max(of_memory, share.compute_ppm / WHOLE)
    return size


def decayed(used_device_s: float, elapsed_s: float, half_life_s: float) -> float:
    """Return what is left of a use after some time, in device-seconds."""
    return used_device_s * exp(-max(0.0, elapsed_s) * log(2) / half_life_s)


def charge(devices: float, elapsed_s: float, half_life_s: float) -> float:
    """Return the decayed use of so many devices in use until now, in device-seconds."""
    full = half_life_s / log(2)
    return devices * full * (1 - exp(-max(0.0, elapsed_s) / full))


class Fairness:
    """The use of all tenants at one instant; grants of the pass are added."""

    def __init__(
        self,
        tenants: Iterable[TenantView],
        leases: Iterable[LeaseView],
        inventory: Inventory,
        *,
        now: float,
        half_life_s: float,
    ) -> None:
        self._tenants = {tenant.name: tenant for tenant in tenants}
        self._running: dict[str, float] = {}
        self._average: dict[str, float] = {}
        running: dict[str, float] = {}
        used = {
            tenant.name: decayed(tenant.used_device_s, now - tenant.used_at, half_life_s)
            for tenant in self._tenants.values()
        }
        for lease in leases:
            size = size_of(lease.shares, inventory)
            running[lease.tenant] = running.get(lease.tenant, 0.0) + size
            owed = charge(size, now - lease.charged_at, half_life_s)
            used[lease.tenant] = used.get(lease.tenant, 0.0) + owed
        for tenant_name, size in running.items():
            self.add(tenant_name, size)
        for tenant_name, device_s in used.items():
            for name in path(tenant_name):
                self._average[name] = self._average.get(name, 0.0) + device_s * log(2) / half_life_s

    def add(self, tenant: str, size: float) -> None:
        """Note that a tenant has so many devices more."""
        for name in path(tenant):
            self._running[name] = self._running.get(name, 0.0) + size

    def score(self, tenant: str) -> Score:
        """Return what orders tenants: the lowest comes first."""
        return tuple(
            (self._average.get(name, 0.0) + self._running.get(name, 0.0)) / self._weight(name)
            for name in path(tenant)
        )

    def is_no_richer(self, claimant: str, holder: str, moved: Mapping[str, float]) -> bool:
        """Whether a tenant has no more for its weight than another one, after some devices have moved.

        Args:
            claimant: Who gets devices.
            holder: Who has given some; never the claimant itself, nor one above or below it.
            moved: How many devices tenants have more then, or less.
        """
        for mine, other in zip(path(claimant), path(holder), strict=False):
            if mine != other:
                return self._after(mine, moved) <= self._after(other, moved)
        return False

    def _after(self, name: str, moved: Mapping[str, float]) -> float:
        return (self._running.get(name, 0.0) + moved.get(name, 0.0)) / self._weight(name)

    def _weight(self, name: str) -> float:
        tenant = self._tenants.get(name)
        return tenant.weight if tenant is not None else 1.0
