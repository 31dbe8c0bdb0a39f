"""The simulation: what happens next, and what the scheduler decides then.

Something happens when a job is submitted, when one finishes, and when the scheduler wants to be asked again
(a grace time is over, a longest duration). At such an instant all that happens at it is noted, the scheduler
is asked once, and what it decides is done. A job that is preempted asks again at once, behind all others, and
the scheduler is asked once more; it starts anew, or goes on where it was if the options say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler import WHOLE, Decisions, End, Grant, LeaseView, Request, decide, unfit_in
from accelpool_broker.scheduler.fairness import size_of
from accelpool_broker.scheduler.views import FOREVER
from accelpool_broker.simulator.disciplines import Discipline
from accelpool_broker.simulator.errors import NeverServed, NoProgress
from accelpool_broker.simulator.job import Job
from accelpool_broker.simulator.ledger import Ledger
from accelpool_broker.simulator.pool import Pool
from accelpool_broker.simulator.run import Outcome, Run, Sample
from accelpool_broker.simulator.running import Floor, Running
from accelpool_broker.simulator.waiting import Waiting

MAX_PREEMPTIONS = 500  # of one job


@dataclass(frozen=True, kw_only=True)
class Options:
    """How jobs run.

    Args:
        resumes: Whether a preempted job goes on where it was; else it starts anew.
        switching_loss: The part of a device's time that is lost while several jobs have parts of it.
    """

    resumes: bool = False
    switching_loss: float = 0.05


@dataclass(kw_only=True)
class _Progress:
    """What became of a job so far."""

    left_s: float
    queued_at: float
    waited_s: float = 0.0
    started_s: float = -1.0
    preemptions: int = 0
    wasted_s: float = 0.0


def simulate(
    jobs: Sequence[Job], pool: Pool, discipline: Discipline, options: Options | None = None
) -> Run:  # fmt: skip
    """Return what becomes of some jobs.

    Args:
        jobs: What is submitted; of jobs submitted at the same time the one listed first comes first.
        pool: Where they run.
        discipline: How they are served.
        options: How they run.

    Raises:
        NeverServed: A job asks for what the pool does not have.
        NoProgress: A job is preempted again and again.
    """
    return _Simulation(jobs, pool, discipline, options or Options()).run()


class _Simulation:
    def __init__(self, jobs: Sequence[Job], pool: Pool, discipline: Discipline, options: Options) -> None:
        self._jobs = sorted(jobs, key=lambda job: job.submit_s)
        self._discipline = discipline
        self._options = options
        self._inventory = pool.inventory()
        self._floor = Floor(self._inventory, options.switching_loss)
        self._ledger = Ledger(discipline.weights, discipline.policy.half_life_s)
        self._queue = Waiting(pool, discipline.policy)
        self._devices = pool.devices
        self._total_ppm = pool.devices * WHOLE
        self._by_id = {job.id: job for job in jobs}
        self._progress: dict[str, _Progress] = {}
        self._outcomes: list[Outcome] = []
        self._samples: list[Sample] = []
        self._allocated = 0.0
        self._submitted = 0
        self._orders = 0
        self._decisions = 0
        self._now = 0.0
        self._wake_at = FOREVER

    def run(self) -> Run:
        self._check()
        self._now = self._jobs[0].submit_s if self._jobs else 0.0
        while (at := self._next()) < FOREVER:
            self._ledger.elapse(at - self._now)
            self._now = at
            self._step()
            self._sample()
        assert len(self._queue) == 0, "jobs wait, and nothing happens any more"
        return Run(
            name=self._discipline.name,
            devices=self._devices,
            outcomes=self._outcomes,
            samples=self._samples,
            backlogs=self._ledger.backlogs,
            weights=self._discipline.weights,
            decisions=self._decisions,
        )

    def _check(self) -> None:
        fits: set[object] = set()
        for job in self._jobs:
            request = self._discipline.request(job, 0)
            if request.alternatives not in fits:
                reasons = unfit_in(request, self._inventory)
                if reasons:
                    reason = min(reasons.values())
                    raise NeverServed(f"job {job.id} can never run on this pool: of a device, {reason}")
                fits.add(request.alternatives)

    def _next(self) -> float:
        submitted = self._submitted
        arrival = self._jobs[submitted].submit_s if submitted < len(self._jobs) else FOREVER
        return min(arrival, self._floor.next_finish(), self._wake_at)

    def _step(self) -> None:
        for id in self._floor.finished(self._now):
            self._end(self._take_off(id), is_done=True)
        while self._submitted < len(self._jobs) and self._jobs[self._submitted].submit_s <= self._now:
            job = self._jobs[self._submitted]
            self._submitted += 1
            self._progress[job.id] = _Progress(left_s=job.duration_s, queued_at=self._now)
            self._ask(job)
        self._do(self._decide())

    def _ask(self, job: Job) -> None:
        self._orders += 1
        self._progress[job.id].queued_at = self._now
        self._queue.add(self._discipline.request(job, self._orders))
        self._ledger.wait(job.tenant, 1)

    def _decide(self) -> Decisions:
        self._decisions += 1
        ends_by_itself = self._wake_at <= self._now
        free_ppm = self._total_ppm if ends_by_itself else self._total_ppm - self._floor.taken_ppm
        return decide(
            inventory=self._inventory,
            leases=[running.lease for running in self._floor.jobs.values()],
            queue=self._queue.shown(free_ppm),
            tenants=self._ledger.tenants,
            policy=self._discipline.policy,
            now=self._now,
            explain=(),
        ).decisions

    def _do(self, decisions: Decisions) -> None:
        again_at = [FOREVER if decisions.wake_at is None else decisions.wake_at]
        for end in decisions.ends:
            self._end_early(end)
            again_at += [self._now] if end.lease in self._queue else []
        for grant in decisions.grants:
            again_at.append(self._start(grant).ends_at or FOREVER)
        jobs = self._floor.jobs
        for notice in decisions.notices:
            jobs[notice.lease].lease = replace(jobs[notice.lease].lease, notice=notice)
            again_at.append(notice.revoke_at)
        for id in decisions.withdrawn_notices:
            jobs[id].lease = replace(jobs[id].lease, notice=None)
        self._wake_at = min(again_at)

    def _start(self, grant: Grant) -> LeaseView:
        request = self._queue.take(grant.lease)
        job = self._by_id[grant.lease]
        progress = self._progress[job.id]
        progress.waited_s += self._now - progress.queued_at
        if progress.started_s < 0:
            progress.started_s = self._now
        self._ledger.wait(job.tenant, -1)
        lease = self._lease(job, request, grant)
        size = size_of(grant.shares, self._inventory)
        self._allocated += size
        self._ledger.hold(job.tenant, size)
        self._floor.start(job, lease, size, progress.left_s, self._now)
        return lease

    def _lease(self, job: Job, request: Request, grant: Grant) -> LeaseView:
        places = self._inventory.places
        limit_s = job.max_duration_s
        return LeaseView(
            id=job.id,
            expires_at=FOREVER,
            shares=grant.shares,
            nodes=tuple(
                dict.fromkeys(self._inventory.devices[places[share.device]].node for share in grant.shares)
            ),
            order=request.order,
            tenant=request.tenant,
            priority=request.priority,
            is_preemptible=request.is_preemptible,
            granted_at=self._now,
            charged_at=self._now,
            ends_at=None if limit_s is None else self._now + limit_s,
            is_backfill=grant.is_backfill,
        )

    def _take_off(self, id: str) -> Running:
        running = self._floor.stop(id, self._now)
        self._allocated -= running.size
        self._ledger.hold(running.job.tenant, -running.size)
        self._ledger.charge(running.lease.tenant, running, self._now)
        return running

    def _end_early(self, end: End) -> None:
        running = self._take_off(end.lease)
        if end.state is not LeaseState.REVOKED:
            self._end(running, is_done=False)
            return
        progress = self._progress[running.job.id]
        progress.preemptions += 1
        if progress.preemptions >= MAX_PREEMPTIONS:
            raise NoProgress(
                f"job {running.job.id} was preempted {MAX_PREEMPTIONS} times; "
                "a longer --min-run, or --preempted resume, may help"
            )
        if self._options.resumes:
            progress.left_s = running.left_s
        else:
            done_s = progress.left_s - running.left_s
            progress.wasted_s += done_s * running.job.busy * running.job.count
        self._ask(running.job)

    def _end(self, running: Running, *, is_done: bool) -> None:
        job = running.job
        progress = self._progress.pop(job.id)
        done_s = job.duration_s if is_done else job.duration_s - running.left_s
        work_s = done_s * job.busy * job.count
        self._outcomes.append(
            Outcome(
                job=job,
                started_s=progress.started_s,
                ended_s=self._now,
                waited_s=progress.waited_s,
                preemptions=progress.preemptions,
                is_done=is_done,
                busy_s=work_s if is_done else 0.0,
                wasted_s=progress.wasted_s + (0.0 if is_done else work_s),
            )
        )

    def _sample(self) -> None:
        self._samples.append(
            Sample(
                at_s=self._now,
                busy=self._floor.busy,
                allocated=self._allocated,
                waiting=len(self._queue),
            )
        )
