"""Run the bench: JSON lines to stdout, progress and the table to stderr.

Exit codes: 0 measured, whatever the figures; 1 something could not be measured; 2 wrong options.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from accelpool_kernels.catalogue import FOLDERS
from accelpool_kernels.description import OPENCL
from bench import pool, report
from bench.figures import Samples
from bench.metrics import Metric, metrics
from bench.plan import FLOOR, LOCAL, POOL, Group, Part, groups
from bench.sides import SideError, SideProcess

SETTLE_S = 0.02
CHECK_TOLERANCE = 1e-5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    options = _parse(arguments)
    chosen = [metric for metric in metrics(options.api) if _is_chosen(metric, options.only)]
    if options.list:
        print("\n".join(metric.name for metric in chosen))
        return 0
    if not chosen:
        print(f"no metric is called {', '.join(options.only)}; --list shows them", file=sys.stderr)
        return 2
    wanted = {metric.group for metric in chosen}
    planned = [group for group in groups(options.api, is_quick=options.quick) if group.name in wanted]
    try:
        rows, failures = _measure(planned, chosen, options)
    except pool.PoolError as error:
        print(error, file=sys.stderr)
        return 1
    lines = report.lines(rows)
    sys.stdout.write(lines)
    sys.stdout.flush()
    if options.json:
        options.json.write_text(lines)
    print(f"\n{report.table(rows)}", *failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


def _measure(
    planned: Sequence[Group], chosen: Sequence[Metric], options: argparse.Namespace
) -> tuple[list[report.Row], list[str]]:
    """Start everything, run all groups, and return the rows and what failed."""
    with tempfile.TemporaryDirectory(prefix="accelpool-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        api = options.api
        running = stack.enter_context(pool.running(directory, api, options.sandbox, has_tls=options.tls))
        device = running.device(options.device)
        attributes = device["attributes"]
        runtime = f"{attributes.get('platform_name', '')} {attributes.get('driver_version', '')}"
        print(report.heading(device["name"], runtime), file=sys.stderr)
        local = {
            "api": api,
            "platform": attributes.get("platform_name", ""),
            "device": attributes.get("name", ""),
        }
        local_variables = pool.local_variables(device["environment"], directory / "local")
        started: tuple[tuple[str, dict[str, str], Mapping[str, str]], ...] = (
            (
                POOL,
                {"api": api, "url": running.url, "device": device["id"]},
                {**os.environ, "BENCH_TOKEN": running.token},
            ),
            (LOCAL, local, local_variables),
            (FLOOR, {}, os.environ),
        )
        sides = {side: stack.enter_context(SideProcess(side, *rest)) for side, *rest in started}
        if device["kind"] != "accelerator":  # of these nothing is built apart
            _settle(running, sides[POOL], device["environment"])
        samples, failures = run_groups(planned, sides)
    rows = [row for metric in chosen if (row := report.row(metric, samples, device["name"]))]
    return rows, failures


def _settle(running: pool.Pool, side: SideProcess, environment: str) -> None:
    """Let the node start what it starts with its first session: for a second it would take a core."""
    side.ask(do="open", key="settle", operation="null", parameters={})
    side.ask(do="close", key="settle")
    if not running.await_builder(environment):
        print(f"the builder of {environment} does not serve: what is built, workers build", file=sys.stderr)


def run_groups(planned: Sequence[Group], sides: Mapping[str, SideProcess]) -> tuple[Samples, list[str]]:
    """Run groups one after the other; one that fails does not stop the others."""
    samples, failures = Samples(), []
    for group in planned:
        print(f"{group.name} ...", file=sys.stderr, flush=True)
        try:
            failures += _run_group(group, sides, samples)
        except SideError as error:
            failures.append(f"{group.name} failed on {error}")
    return samples, failures


def _run_group(group: Group, sides: Mapping[str, SideProcess], samples: Samples) -> list[str]:
    """Let a group's parts take turns; return what is wrong with their results."""
    opened: list[tuple[str, Part]] = []
    checks: dict[str, float] = {}
    try:
        for key, part in enumerate(group.parts):
            request = {"operation": part.operation, "parameters": part.parameters}
            sides[part.side].ask(do="open", key=str(key), **request)
            opened.append((str(key), part))
        for _ in range(group.rounds):
            for key, part in opened:
                time.sleep(SETTLE_S)
                block = sides[part.side].ask(do="run", key=key, count=part.count, untimed=part.untimed)
                samples.add(group.name, part.side, block["series"])
    finally:
        for key, part in opened:
            with suppress(SideError):  # what failed is told already
                check = sides[part.side].ask(do="close", key=key)["check"]
                checks |= {} if check is None else {part.side: check}
    if len(checks) == 2 and abs(checks[POOL] / checks[LOCAL] - 1) > CHECK_TOLERANCE:
        return [f"{group.name}: the results differ: {checks}"]
    return []


def _is_chosen(metric: Metric, only: Sequence[str]) -> bool:
    return not only or any(metric.name.startswith(name) or metric.group == name for name in only)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="The pool against local PyOpenCL or PyCUDA, on one device."
    )
    parser.add_argument(
        "--api", choices=tuple(FOLDERS), default=OPENCL, help="which of them; default: %(default)s"
    )
    parser.add_argument(
        "--device", default="", metavar="NAME", help="part of a device's name; else the first"
    )
    parser.add_argument(
        "--sandbox", default="auto", metavar="MODE", help="the node's, for its workers; default: %(default)s"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and samples")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="METRIC",
        help="a metric, or how its name begins; repeatable",
    )
    parser.add_argument("--tls", action="store_true", help="have the client come over TLS to the node")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON lines to a file, too")
    parser.add_argument("--list", action="store_true", help="list the metrics and run nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
