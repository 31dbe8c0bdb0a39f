"""The simulator's command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelpool_broker.scheduler import Policy
from accelpool_broker.simulator.generators import GENERATORS
from accelpool_broker.simulator.pool import GIB, MAX_DEVICES
from accelpool_broker.simulator.trace import MAX_JOBS

POLICIES = ("exclusive", "ours")
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
MAX_HOURS = 100_000.0
MAX_S = 1e9


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A policy, and how many devices it has; None for as many as all."""

    name: str
    devices: int | None = None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; `rules` has the scheduler's policy. Ends the process if they make no sense."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.trace is None) == (given.generate is None):
        parser.error("either a TRACE or --generate is needed")
    if given.write is not None and given.generate is None:
        parser.error("--write needs --generate")
    given.rules = Policy(
        half_life_s=given.half_life,
        min_run_s=given.min_run,
        grace_s=given.grace,
        backfill_s=given.backfill,
        keep_depth=given.keep_depth,
    )
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="accelpool simulate",
        description="Replay a trace of jobs over simulated devices, under several policies.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("trace", metavar="TRACE", nargs="?", type=Path, help="JSON lines; - for stdin")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a picture, .png or .svg")
    _add_generator(parser.add_argument_group("instead of a trace"))
    _add_pool(parser.add_argument_group("the pool"))
    _add_rules(parser.add_argument_group("how jobs are served"))
    return parser


def _add_generator(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--generate", choices=sorted(GENERATORS), help="make a trace up")
    group.add_argument("--jobs", type=_whole(1, MAX_JOBS), default=2000, help="how many jobs it has")
    group.add_argument("--hours", type=_number(0.01, MAX_HOURS), default=24.0, help="and over how long")
    group.add_argument("--seed", type=int, default=1, help="another seed gives another trace")
    group.add_argument("--write", type=Path, metavar="FILE", help="write it, too")


def _add_pool(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--devices", type=_whole(1, MAX_DEVICES), default=8, help="how many devices")
    group.add_argument("--per-node", type=_whole(1, MAX_DEVICES), default=8, help="how many a node has")
    group.add_argument("--memory", type=_memory, default=16 * GIB, help="of each, such as 16GiB")
    group.add_argument(
        "--kind", choices=("gpu", "cpu", "accelerator", "custom"), default="gpu", help="of all"
    )
    group.add_argument(
        "--both-apis", action="store_true", help="each is there for OpenCL and for CUDA, and lent once"
    )
    group.add_argument(
        "--switching-loss",
        type=_number(0.0, 0.9),
        default=0.05,
        help="part of a device's time that is lost while several jobs have parts of it",
    )


def _add_rules(group: argparse._ArgumentGroup) -> None:
    rules = Policy()
    group.add_argument(
        "--policy",
        type=_plan,
        action="append",
        metavar="NAME[:DEVICES]",
        help="exclusive or ours, over so many devices; may be repeated (default: both)",
    )
    group.add_argument(
        "--weight",
        type=_weight,
        action="append",
        default=[],
        metavar="TENANT=WEIGHT",
        help="a tenant's weight; may be repeated",
    )
    group.add_argument(
        "--preempted", choices=("restart", "resume"), default="restart", help="what preempted jobs do"
    )
    seconds = _number(0.0, MAX_S)
    group.add_argument("--half-life", type=_number(1.0, MAX_S), default=rules.half_life_s, help="seconds")
    group.add_argument("--min-run", type=seconds, default=rules.min_run_s, help="seconds before preemption")
    group.add_argument("--grace", type=seconds, default=rules.grace_s, help="seconds from notice to end")
    group.add_argument("--backfill", type=seconds, default=rules.backfill_s, help="seconds")
    group.add_argument("--keep-depth", type=_whole(0, 10_000), default=rules.keep_depth, help="requests")


def _plan(text: str) -> Plan:
    name, colon, devices = text.partition(":")
    if name not in POLICIES:
        raise argparse.ArgumentTypeError(f"a policy is one of {', '.join(POLICIES)}, not {name!r}")
    return Plan(name=name, devices=_whole(1, MAX_DEVICES)(devices) if colon else None)


def _weight(text: str) -> tuple[str, float]:
    tenant, equals, weight = text.rpartition("=")
    if not equals or not tenant:
        raise argparse.ArgumentTypeError(f"a weight is TENANT=WEIGHT, not {text!r}")
    return tenant, _number(1e-6, 1e6)(weight)


def _memory(text: str) -> int:
    match = re.fullmatch(r"(\d{1,19})\s*([A-Za-z]*)", text)
    size = int(match[1]) * UNITS[match[2]] if match and match[2] in UNITS else 0
    if not 1 <= size < 1 << 63:
        raise argparse.ArgumentTypeError(
            f"memory is bytes, or a number with KiB, MiB, GiB or TiB, not {text!r}"
        )
    return size


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse_whole(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"it is a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse_whole


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse_number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"it is a number from {least:g} to {most:g}, not {text!r}")
        return value

    return parse_number
