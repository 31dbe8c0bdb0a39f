"""One source tree's pool beside another's, to see whether a change cost anything.

    python -m bench.compare TREE [NOW] [--rounds N] [--only GROUP ...] [--device NAME]

Each tree has its own `.venv` (`make setup`), runs its own broker and node, and measures itself with its own
`bench.side`. Both are up at the same time and take turns, each round in the other order, so that both see the
same minutes of the machine; clients have one core, nodes the others. Told is the median over the rounds
of NOW's time divided by TREE's in the same round, with its quartiles. A tree beside itself shows what that is
good to here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.plan import POOL, Group, Part, groups
from bench.sides import SideError, SideProcess

HERE = Path(__file__).resolve().parent
SETTLE_S = 0.02
END_LIMIT_S = 60.0
ROUNDS = 24

Medians = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A series of both trees, over all rounds.

    Attributes:
        name: Group and series.
        before_us: Median of the rounds' medians, in microseconds.
        now_us: The same of the tree that is compared with it.
        ratios: `now / before` of each round, in order of size.
    """

    name: str
    before_us: float
    now_us: float
    ratios: tuple[float, ...]

    def __str__(self) -> str:
        low, middle, high = (
            statistics.quantiles(self.ratios, n=4) if len(self.ratios) > 1 else self.ratios * 3
        )
        return (
            f"{self.name:32} {self.before_us:12,.1f} {self.now_us:12,.1f} "
            f"{middle:8.3f}   {low:.3f} .. {high:.3f}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two trees and return the exit code: 1 if something could not be measured."""
    options = _parse(arguments)
    planned = [group for group in groups(is_quick=False) if not options.only or group.name in options.only]
    failures = 0
    with ExitStack() as stack:
        sides = [stack.enter_context(_lent(tree, options.device)) for tree in (options.tree, options.now)]
        load = os.getloadavg()[0]
        print(f"{options.now} beside {options.tree}, {options.rounds} rounds, load average {load:.2f}")
        print(f"{'group, series':32} {'before us':>12} {'now us':>12} {'now/before':>10}   quartiles")
        for group in planned:
            try:
                for comparison in compared(group, _rounds(group, sides, options.rounds)):
                    print(comparison, flush=True)
            except SideError as error:
                failures += 1
                print(f"{group.name} failed on {error}", file=sys.stderr)
    return 1 if failures else 0


def compared(group: Group, rounds: Sequence[tuple[Medians, Medians]]) -> list[Comparison]:
    """Return a comparison for each series of a group.

    Args:
        group: Which.
        rounds: The medians of both trees in each round, in seconds, by series.
    """
    pairs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for before, now in rounds:
        for series in before.keys() & now.keys():
            pairs[series].append((before[series], now[series]))
    return [
        Comparison(
            name=f"{group.name}, {series}",
            before_us=statistics.median(before for before, _ in both) * 1e6,
            now_us=statistics.median(now for _, now in both) * 1e6,
            ratios=tuple(sorted(now / before for before, now in both)),
        )
        for series, both in sorted(pairs.items())
    ]


def _rounds(group: Group, sides: Sequence[SideProcess], count: int) -> list[tuple[Medians, Medians]]:
    """Let both trees take turns, in the other order each time."""
    (part, *_) = (part for part in group.parts if part.side == POOL)
    for side in sides:
        side.ask(do="open", key=group.name, operation=part.operation, parameters=part.parameters)
    found = []
    for turn in range(count):
        order = sides if turn % 2 == 0 else sides[::-1]
        medians = {side: _block(side, group.name, part) for side in order}
        found.append((medians[sides[0]], medians[sides[1]]))
    for side in sides:
        side.ask(do="close", key=group.name)
    return found


def _block(side: SideProcess, key: str, part: Part) -> Medians:
    time.sleep(SETTLE_S)
    answer = side.ask(do="run", key=key, count=part.count, untimed=part.untimed)
    return {series: statistics.median(seconds) for series, seconds in answer["series"].items()}


@contextmanager
def _lent(tree: Path, device: str) -> Iterator[SideProcess]:
    """Run a tree's pool and a client of it as long as the context lasts."""
    client_core, node_cores = _cores()
    variables = {**os.environ, "PYTHONPATH": str(tree)}
    with _lender(tree, device, variables, node_cores) as lender:
        where = json.loads(_said(lender, tree))
        variables["BENCH_TOKEN"] = where.pop("token")
        with _on(client_core):
            side = SideProcess(POOL, where, variables, python=_python(tree))
        with side:
            yield side


@contextmanager
def _lender(
    tree: Path, device: str, variables: dict[str, str], cores: set[int]
) -> Iterator[subprocess.Popen[str]]:
    """Run a tree's pool on some cores as long as the context lasts."""
    command = [_python(tree), str(HERE / "lend_tree.py"), device]
    pipe = subprocess.PIPE
    with _on(cores):
        lender = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=variables, text=True)
    with lender:
        try:
            yield lender
        finally:
            lender.communicate(timeout=END_LIMIT_S)


def _python(tree: Path) -> str:
    return str(tree / ".venv/bin/python")


def _said(lender: subprocess.Popen[str], tree: Path) -> str:
    assert lender.stdout is not None
    line = lender.stdout.readline()
    if not line:
        raise SystemExit(f"{tree}: its pool did not start; is its .venv made (`make setup`)?")
    return line


def _cores() -> tuple[set[int], set[int]]:
    """Return the cores of clients and of nodes: one and the others, the same where there is only one."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description="The pool of one source tree beside that of another."
    )
    parser.add_argument("tree", type=Path, help="what is compared with")
    parser.add_argument("now", type=Path, nargs="?", default=HERE.parent, help="default: this tree")
    parser.add_argument("--device", default="", metavar="NAME", help="part of a name; else the first")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s")
    parser.add_argument("--only", action="append", default=[], metavar="GROUP", help="repeatable")
    return parser.parse_args(arguments)


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Start processes on some cores."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


if __name__ == "__main__":
    sys.exit(main())
