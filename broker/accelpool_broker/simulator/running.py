"""The jobs that run, and how far they have come; see `sharing` for how fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from accelpool_broker.scheduler import WHOLE, Inventory, LeaseView
from accelpool_broker.simulator.job import Job
from accelpool_broker.simulator.sharing import speeds

EPSILON = EPSILON_S = 1e-6


@dataclass(kw_only=True)
class Running:
    """A job that runs.

    Attributes:
        lease: What it was granted.
        size: How many devices that is, parts as parts.
        places: Its devices, each by the first face of its hardware.
        parts: Its share of compute on each, in the same order.
        left_s: How long it would still run alone.
        since_s: As of when.
        speed: How fast it runs since then.
        change: The number of the last change of its speed, of all jobs' changes: a finish that was foreseen
            before, or when the job ran before, has another one.
    """

    job: Job
    lease: LeaseView
    size: float
    places: tuple[int, ...]
    parts: tuple[float, ...]
    left_s: float
    since_s: float
    speed: float = 1.0
    change: int = 0
    on_each: list[float] = field(default_factory=list)

    def advance(self, now: float) -> None:
        """Bring what is left up to date."""
        self.left_s -= (now - self.since_s) * self.speed
        self.since_s = now

    @property
    def busy(self) -> float:
        """How many devices' worth of time it uses."""
        return self.job.busy * self.job.count * self.speed


class Floor:
    """All devices and the jobs on them.

    Args:
        inventory: The devices.
        switching_loss: See `sharing`.

    Attributes:
        jobs: Those that run, by id.
        busy: How many devices' worth of time they use.
        taken_ppm: The compute that they were granted, on all devices together.
    """

    def __init__(self, inventory: Inventory, switching_loss: float) -> None:
        self.jobs: dict[str, Running] = {}
        self.busy = 0.0
        self.taken_ppm = 0
        self._inventory = inventory
        self._loss = switching_loss
        self._on: list[dict[str, float]] = [{} for _ in inventory.devices]
        self._finishes: list[tuple[float, str, int]] = []
        self._changes = count(1)

    def start(self, job: Job, lease: LeaseView, size: float, left_s: float, now: float) -> None:
        """Let a job run on what it was granted."""
        inventory = self._inventory
        places = tuple(inventory.faces[inventory.places[share.device]][0] for share in lease.shares)
        parts = tuple(share.compute_ppm / WHOLE for share in lease.shares)
        running = Running(
            job=job, lease=lease, size=size, places=places, parts=parts, left_s=left_s, since_s=now
        )
        running.on_each = [1.0] * len(places)
        self.jobs[job.id] = running
        self.busy += running.busy
        self.taken_ppm += sum(share.compute_ppm for share in lease.shares)
        self._foresee(running)
        for place, part in zip(places, parts, strict=True):
            self._on[place][job.id] = part
            assert sum(self._on[place].values()) < 1 + EPSILON, "hardware is over-committed"
        self._change(places, now)

    def stop(self, id: str, now: float) -> Running:
        """Take a job off its devices and return it."""
        running = self.jobs.pop(id)
        running.advance(now)
        self.busy -= running.busy
        self.taken_ppm -= sum(share.compute_ppm for share in running.lease.shares)
        for place in running.places:
            del self._on[place][id]
        self._change(running.places, now)
        return running

    def next_finish(self) -> float:
        """Return when the next job finishes if nothing changes."""
        while self._finishes:
            at, id, change = self._finishes[0]
            running = self.jobs.get(id)
            if running is not None and running.change == change:
                return at
            heappop(self._finishes)
        return float("inf")

    def finished(self, now: float) -> list[str]:
        """Return the ids of the jobs that have finished."""
        found = []
        while self.next_finish() <= now:
            found.append(heappop(self._finishes)[1])
        return found

    def _change(self, places: Iterable[int], now: float) -> None:
        """Work out the speeds of all jobs on some devices again."""
        touched: dict[str, None] = {}
        for place in places:
            on = self._on[place]
            wants = [self.jobs[id].job.busy for id in on]
            found = speeds(wants, list(on.values()), switching_loss=self._loss)
            for id, speed in zip(on, found, strict=True):
                running = self.jobs[id]
                running.on_each[running.places.index(place)] = speed
                touched[id] = None
        for id in touched:
            running = self.jobs[id]
            speed = min(running.on_each)
            if speed != running.speed:
                running.advance(now)
                self.busy -= running.busy
                running.speed = speed
                self.busy += running.busy
                self._foresee(running)

    def _foresee(self, running: Running) -> None:
        running.change = next(self._changes)
        left_s = running.left_s if running.left_s > EPSILON_S else 0.0
        heappush(
            self._finishes, (running.since_s + left_s / running.speed, running.job.id, running.change)
        )  # fmt: skip
