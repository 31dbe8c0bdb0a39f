"""The jobs that wait, and those of them that the scheduler has to be shown.

A queue of thousands has few kinds of requests. All of a kind (one tenant, one priority, one demand, alike in
whether they may use what is kept for others) are served in order of arrival, and once so many of them are
shown that the last ones can only fail as the ones before them did, the rest would change nothing: in a pool
of like devices and without quotas, what is decided is the same. So many are as many as there is room for, and
as many more as can have devices kept for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from accelpool_broker.scheduler import Policy, Request
from accelpool_broker.scheduler.fitness import part_of
from accelpool_broker.simulator.pool import Pool

Kind = tuple[object, ...]


class Waiting:
    """Requests by kind, in order of arrival.

    Args:
        pool: What they wait for.
        policy: The scheduler's rules.
    """

    def __init__(self, pool: Pool, policy: Policy) -> None:
        self._memory_bytes = pool.memory_bytes
        self._backfill_s = policy.backfill_s
        self._kept = min(policy.keep_depth, pool.devices) + 1
        self._kinds: dict[Kind, dict[str, Request]] = {}
        self._by_id: dict[str, Kind] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id: str) -> bool:
        return id in self._by_id

    def add(self, request: Request) -> None:
        """Add a request that comes after all others."""
        passes = request.duration_s is not None and request.duration_s <= self._backfill_s
        kind = (
            request.tenant, request.priority, request.is_preemptible, passes, request.alternatives
        )  # fmt: skip
        self._by_id[request.id] = kind
        self._kinds.setdefault(kind, {})[request.id] = request

    def take(self, id: str) -> Request:
        """Take a request out."""
        kind = self._by_id.pop(id)
        request = self._kinds[kind].pop(id)
        if not self._kinds[kind]:
            del self._kinds[kind]
        return request

    def shown(self, free_ppm: int) -> Iterator[Request]:
        """Yield the requests that matter to what is decided now.

        Args:
            free_ppm: The compute that may be free on all devices together, at most.
        """
        for requests in self._kinds.values():
            first = next(iter(requests.values()))
            yield from islice(requests.values(), self._room(first, free_ppm) + self._kept)

    def _room(self, request: Request, free_ppm: int) -> int:
        (demand,) = request.alternatives
        _, compute_ppm = part_of(demand, self._memory_bytes)
        return free_ppm // (compute_ppm * demand.count)
