"""`python -m accelpool_broker.simulator TRACE`: replay a trace, and print what came of it.

Exit codes: 0 done; 2 wrong usage, or a malformed trace (the last line of stderr says why); 5 packages are
missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from accelpool_broker.scheduler import CUDA, OPENCL
from accelpool_broker.simulator import report
from accelpool_broker.simulator.disciplines import Discipline, exclusive, ours
from accelpool_broker.simulator.engine import Options, simulate
from accelpool_broker.simulator.errors import PlottingMissing, SimulatorError
from accelpool_broker.simulator.generators import generate
from accelpool_broker.simulator.job import Job
from accelpool_broker.simulator.measures import measure
from accelpool_broker.simulator.options import Plan, parse
from accelpool_broker.simulator.plots import draw, require_plotting
from accelpool_broker.simulator.pool import Pool
from accelpool_broker.simulator.trace import read_trace, write_trace

DONE, FAILED, NOT_INSTALLED = 0, 2, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate what the arguments say and return an exit code."""
    given = parse(arguments)
    try:
        _run(given)
    except (SimulatorError, OSError) as error:
        kind, detail = _told(error)
        if given.json:
            _print(json.dumps({"error": {"type": kind, "detail": detail}}, indent=2) + "\n")
        sys.stderr.write(f"accelpool simulate: {detail}\n")
        return NOT_INSTALLED if isinstance(error, PlottingMissing) else FAILED
    return DONE


def _told(error: SimulatorError | OSError) -> tuple[str, str]:
    """Return what kind of failure it is, and what it says."""
    if isinstance(error, SimulatorError):
        return error.kind, str(error)
    return "file", f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _run(given: argparse.Namespace) -> None:
    if given.plot is not None:
        require_plotting(given.plot)
    jobs = _jobs(given)
    pool = Pool(
        devices=given.devices,
        per_node=given.per_node,
        memory_bytes=given.memory,
        kind=given.kind,
        apis=(OPENCL, CUDA) if given.both_apis else (OPENCL,),
    )
    options = Options(resumes=given.preempted == "resume", switching_loss=given.switching_loss)
    runs = [
        simulate(jobs, _pool(pool, plan), _discipline(plan, given), options)
        for plan in given.policy or (Plan(name="exclusive"), Plan(name="ours"))
    ]
    measures = [measure(run) for run in runs]
    if given.plot is not None:
        draw(runs, measures, given.plot)
    if given.json:
        _print(report.document(measures, None if given.plot is None else str(given.plot)))
    else:
        _print(report.heading(jobs, pool) + "\n" + report.table(measures))


def _jobs(given: argparse.Namespace) -> list[Job]:
    if given.generate is None:
        if str(given.trace) == "-":
            return read_trace(sys.stdin.buffer)
        with open(given.trace, "rb") as lines:
            return read_trace(lines)
    jobs = generate(given.generate, jobs=given.jobs, hours=given.hours, seed=given.seed)
    if given.write is not None:
        with open(given.write, "wb") as lines:
            write_trace(jobs, lines)
    return jobs


def _pool(pool: Pool, plan: Plan) -> Pool:
    return pool if plan.devices is None else replace(pool, devices=plan.devices)


def _discipline(plan: Plan, given: argparse.Namespace) -> Discipline:
    weights: Mapping[str, float] = dict(given.weight)
    return exclusive(weights) if plan.name == "exclusive" else ours(given.rules, weights)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
