"""The simulator: little runs worked out by hand, what every run keeps, and what measures say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from accelpool_broker.scheduler import WHOLE, Policy
from accelpool_broker.simulator import (
    Discipline,
    Job,
    NeverServed,
    NoProgress,
    Options,
    Outcome,
    Pool,
    Run,
    engine,
    exclusive,
    generate,
    measure,
    ours,
    simulate,
)
from accelpool_broker.simulator import waiting as waiting_module
from accelpool_broker.simulator.measures import fairness_of, jain
from accelpool_broker.simulator.sharing import divide, speeds

ONE = Pool(devices=1)
NO_LOSS = Options(switching_loss=0.0)


def job(id: str, submit_s: float = 0.0, duration_s: float = 100.0, **options: Any) -> Job:
    return Job(id=id, submit_s=submit_s, duration_s=duration_s, **options)


def ends(run: Run) -> dict[str, float]:
    return {outcome.job.id: pytest.approx(outcome.ended_s) for outcome in run.outcomes}


def outcome_of(run: Run, id: str) -> Outcome:
    return next(outcome for outcome in run.outcomes if outcome.job.id == id)


# ---- by hand


def test_a_job_alone_takes_its_duration() -> None:
    run = simulate([job("a", submit_s=5.0, busy=0.25)], ONE, ours())
    found = measure(run)
    assert ends(run) == {"a": 105.0}
    assert (found.utilisation, found.allocated, found.wait_max_s) == (pytest.approx(0.25), 1.0, 0.0)
    assert (found.slowdown_mean, found.fairness, found.span_s) == (pytest.approx(1.0), 1.0, 100.0)


@pytest.mark.parametrize(
    ("discipline", "expected"),
    [(exclusive(), {"a": 100.0, "b": 200.0}), (ours(), {"a": 100.0, "b": 110.0})],
)
def test_halves_share_a_device_but_for_those_who_queue_for_whole_ones(
    discipline: Discipline, expected: dict[str, float]
) -> None:
    jobs = [job("a", memory_fraction=0.5, busy=0.4), job("b", 10.0, memory_fraction=0.5, busy=0.4)]
    assert ends(simulate(jobs, ONE, discipline, NO_LOSS)) == expected


@pytest.mark.parametrize(("memory_fraction", "second"), [(None, 200.0), (0.5, 110.0)])
def test_jobs_of_two_apis_have_one_device_in_turns_or_in_parts(
    memory_fraction: float | None, second: float
) -> None:
    jobs = [
        job("a", api="opencl", memory_fraction=memory_fraction, busy=0.4),
        job("b", 10.0, api="cuda", memory_fraction=memory_fraction, busy=0.4),
    ]
    both = Pool(devices=1, apis=("opencl", "cuda"))
    run = simulate(jobs, both, ours(), NO_LOSS)
    assert (ends(run), run.devices) == ({"a": 100.0, "b": second}, 1)


def test_contention_stretches_those_who_want_more_than_there_is() -> None:
    """Both want all of it: each gets half until a has done its 100 s at 200 s; b started at the same time."""
    jobs = [job("a", compute=0.5), job("b", duration_s=150.0, compute=0.5)]
    assert ends(simulate(jobs, ONE, ours(), NO_LOSS)) == {"a": 200.0, "b": 250.0}


def test_what_switching_costs_is_lost_to_those_who_share() -> None:
    jobs = [job("a", compute=0.5), job("b", compute=0.5)]
    assert ends(simulate(jobs, ONE, ours(), Options(switching_loss=0.2))) == {"a": 250.0, "b": 250.0}


def test_a_job_on_two_devices_is_as_fast_as_on_the_slower_one() -> None:
    jobs = [job("a", count=2, compute=0.5), job("b", 0.0, compute=0.5, duration_s=50.0)]
    run = simulate(jobs, Pool(devices=2), ours(), NO_LOSS)
    assert ends(run) == {"b": 100.0, "a": 150.0}


def test_nobody_passes_the_first_one_that_waits_for_whole_devices() -> None:
    jobs = [job("a"), job("b", 1.0, count=2), job("c", 2.0)]
    run = simulate(jobs, Pool(devices=2), exclusive())
    assert ends(run) == {"a": 100.0, "b": 200.0, "c": 300.0}
    assert outcome_of(run, "c").waited_s == 198.0


@pytest.mark.parametrize(("resumes", "end_s", "wasted_s"), [(True, 150.0, 0.0), (False, 200.0, 50.0)])
def test_a_preempted_job_starts_anew_or_goes_on(resumes: bool, end_s: float, wasted_s: float) -> None:
    """b comes at 40 s, a is told, and ends 10 s later; b runs until 100 s, then a again."""
    jobs = [job("a", preemptible=True), job("b", 40.0, 50.0, priority=1)]
    policy = Policy(min_run_s=0.0, grace_s=10.0)
    run = simulate(jobs, ONE, ours(policy), Options(resumes=resumes))
    assert ends(run) == {"b": 100.0, "a": end_s}
    a = outcome_of(run, "a")
    assert (a.preemptions, a.waited_s, a.wasted_s) == (1, pytest.approx(50.0), pytest.approx(wasted_s))
    assert measure(run).utilisation == pytest.approx((150.0 + wasted_s) / end_s)


def test_what_was_foreseen_before_a_preemption_does_not_end_the_job_after_it() -> None:
    jobs = [job("a", preemptible=True), job("b", 40.0, 30.0, priority=1), job("c", 1.0, 95.0)]
    run = simulate(jobs, Pool(devices=2), ours(Policy(min_run_s=0.0, grace_s=10.0)))
    assert ends(run) == {"b": 80.0, "c": 96.0, "a": 180.0}


def test_preemption_without_a_grace_time_is_at_once() -> None:
    jobs = [job("a", preemptible=True), job("b", 40.0, 50.0, priority=1)]
    run = simulate(jobs, ONE, ours(Policy(min_run_s=0.0, grace_s=0.0)))
    assert outcome_of(run, "b").started_s == 40.0


def test_a_job_past_its_longest_duration_is_ended() -> None:
    run = simulate([job("a", max_duration_s=60.0)], ONE, ours())
    assert ends(run) == {"a": 60.0}
    assert (measure(run).done, outcome_of(run, "a").wasted_s) == (0, pytest.approx(60.0))


def test_a_job_that_no_pool_of_this_size_can_run_is_refused() -> None:
    with pytest.raises(NeverServed, match="job a can never run"):
        simulate([job("a", count=2)], ONE, ours())


def test_a_job_that_never_comes_to_its_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_PREEMPTIONS", 3)
    urgent = [job(f"b{number}", 50.0 + 100.0 * number, 10.0, priority=1) for number in range(9)]
    with pytest.raises(NoProgress, match="job a was preempted 3 times"):
        simulate([job("a", preemptible=True), *urgent], ONE, ours(Policy(min_run_s=0.0, grace_s=0.0)))


# ---- speed


def test_what_those_who_want_little_leave_over_goes_to_the_others() -> None:
    assert divide([0.1, 1.0, 1.0], [0.5, 0.25, 0.25], 1.0) == pytest.approx([0.1, 0.45, 0.45])
    assert speeds([0.0, 1.0], [0.5, 0.5], switching_loss=0.0) == [1.0, 1.0]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=8), st.floats(0.1, 1.0))
def test_a_device_gives_all_that_is_wanted_or_all_that_it_has(
    jobs: list[tuple[float, float]], capacity: float
) -> None:
    wants, weights = zip(*jobs, strict=True)
    got = divide(wants, weights, capacity)
    assert sum(got) == pytest.approx(min(sum(wants), capacity))
    for part, want, weight in zip(got, wants, weights, strict=True):
        assert min(want, capacity * weight / sum(weights)) - 1e-9 <= part <= want + 1e-9


# ---- what every run keeps

JOBS = st.builds(
    Job,
    id=st.just("x"),
    submit_s=st.integers(0, 400).map(float),
    duration_s=st.integers(1, 300).map(float),
    tenant=st.sampled_from("abc"),
    count=st.sampled_from([1, 1, 1, 2, 3]),
    api=st.sampled_from(["", "opencl", "cuda"]),
    memory_fraction=st.sampled_from([None, None, 0.25, 0.5]),
    priority=st.sampled_from([0, 0, 1]),
    preemptible=st.booleans(),
    max_duration_s=st.sampled_from([None, 200.0]),
    busy=st.sampled_from([0.0, 0.2, 0.7, 1.0]),
)


def numbered(jobs: list[Job]) -> list[Job]:
    return [replace(found, id=f"j{number}") for number, found in enumerate(jobs)]


@settings(max_examples=60)
@given(st.lists(JOBS, min_size=1, max_size=25), st.sampled_from([ours(), exclusive()]))
def test_each_job_ends_once_and_its_work_is_the_devices_work(jobs: list[Job], discipline: Discipline) -> None:
    jobs = numbered(jobs)
    pool = Pool(devices=4, per_node=2, apis=("opencl", "cuda"))
    run = simulate(jobs, pool, discipline, Options(resumes=True))  # which sees that no hardware has too much
    assert sorted(outcome.job.id for outcome in run.outcomes) == sorted(found.id for found in jobs)
    assert all(-1e-9 <= sample.allocated <= 4 + 1e-9 for sample in run.samples)
    assert all(-1e-9 <= sample.busy <= 4 + 1e-9 for sample in run.samples)
    used_s = sum(
        (after.at_s - before.at_s) * before.busy
        for before, after in zip(run.samples, run.samples[1:], strict=False)
    )
    worked_s = sum(outcome.busy_s + outcome.wasted_s for outcome in run.outcomes)
    assert used_s == pytest.approx(worked_s, abs=1e-3)
    for outcome in run.outcomes:
        if outcome.is_done:
            assert outcome.busy_s == pytest.approx(outcome.job.work_s)
            alone_s = outcome.waited_s + outcome.job.duration_s
            assert outcome.ended_s - outcome.job.submit_s >= alone_s - 1e-3


@pytest.mark.parametrize("discipline", [ours(), ours(Policy(keep_depth=0)), exclusive()])
def test_showing_the_scheduler_a_part_of_the_queue_changes_nothing(
    discipline: Discipline, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = generate("ci", jobs=150, hours=2.0, seed=3)
    shown = simulate(jobs, Pool(devices=2), discipline)
    monkeypatch.setattr(waiting_module.Waiting, "_room", lambda *_: WHOLE)
    assert simulate(jobs, Pool(devices=2), discipline) == shown


def test_the_same_trace_gives_the_same_run_whatever_its_order() -> None:
    jobs = generate("ci", jobs=60, hours=1.0, seed=2)
    jobs = [replace(found, submit_s=found.submit_s + number) for number, found in enumerate(jobs)]
    pool = Pool(devices=2)
    assert simulate(jobs, pool, ours()) == simulate(jobs[::-1], pool, ours())


# ---- measures


def test_jains_index_is_between_one_for_all_and_one_for_equals() -> None:
    assert (jain([1.0, 1.0]), jain([1.0, 0.0]), jain([]), jain([0.0])) == (1.0, 0.5, 1.0, 1.0)


def test_fairness_is_by_weight_and_while_something_waited() -> None:
    backlogs = {"a": (10.0, 20.0), "b": (5.0, 5.0), "never": (0.0, 0.0)}
    assert fairness_of(backlogs, {"a": 2.0}) == pytest.approx(1.0)
    assert fairness_of(backlogs, {}) == pytest.approx(9 / 10)


def test_a_tenant_of_more_weight_gets_more_while_both_wait() -> None:
    jobs = [job(f"{name}{number}", tenant=name) for name in "ab" for number in range(40)]
    run = simulate(jobs, Pool(devices=3), ours(weights={"a": 2.0}))
    mean = {name: sum(found.ended_s for found in run.outcomes if found.job.tenant == name) for name in "ab"}
    assert mean["a"] < mean["b"]
    assert measure(run).fairness > 0.95
