"""Fractions of a device, measured: who gets how much of it, and what taking turns costs.

    python -m bench.shares [--device NAME] [--seconds 10] [--kernel-ms 4] [--compute 0.75 0.25]

Prints JSON lines:

    split    sessions that all want the whole device at once: kernels done, device time, part of it
    alone    one session with a fraction, over one with the whole device, in turns: kernels done
    cost     the same with null kernels: round trips in us, launches per second
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from accelpool_node import discover
from accelpool_node.drivers import (
    DriverEnvironment,
    child_variables,
    find_icds,
    null_environment,
    prepare_opencl,
)
from bench.sharer import Sharer, sharing

ROUNDS, TRIPS, LAUNCHES = 5, 2000, 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="accelpool-bench-") as folder:
        environment, device = _find(options.device, Path(folder))
        kernel_s = options.kernel_ms * 1e-3
        _say(device=device, kernel_ms=options.kernel_ms)
        _split(environment, device, options.compute, options.seconds, kernel_s)
        _alone(environment, device, min(options.compute), options.seconds, kernel_s)
        _cost(environment, device)
    return 0


def _split(
    environment: DriverEnvironment, device: str, computes: Sequence[float], seconds: float, kernel_s: float
) -> None:
    with sharing(environment, device, computes) as (ledger, sharers):
        length = sharers[0].length_of(kernel_s)
        before = [ledger.device_ns(sharer.slot) for sharer in sharers]
        counts = [0] * len(sharers)
        end_at = time.monotonic() + seconds

        def work(place: int) -> None:
            counts[place] = sharers[place].work_until(end_at, length)

        _at_once([threading.Thread(target=work, args=(place,)) for place in range(len(sharers))])
        used = [
            (ledger.device_ns(one.slot) - start) / 1e9 for one, start in zip(sharers, before, strict=True)
        ]
        for sharer, count, used_s in zip(sharers, counts, used, strict=True):
            _say(
                measured="split",
                compute=sharer.compute,
                kernels=count,
                device_s=round(used_s, 3),
                part_of_device_time=round(used_s / sum(used), 3),
                part_of_kernels=round(count / sum(counts), 3),
            )
        _say(measured="split", device_s_over_wall=round(sum(used) / seconds, 3))


def _alone(
    environment: DriverEnvironment, device: str, compute: float, seconds: float, kernel_s: float
) -> None:
    with sharing(environment, device, (compute, None)) as (_, (fraction, whole)):
        length = whole.length_of(kernel_s)
        counts = {fraction: 0, whole: 0}
        for _ in range(ROUNDS):
            for one in counts:
                counts[one] += one.work_until(time.monotonic() + seconds / ROUNDS / 2, length)
        part = round(counts[fraction] / counts[whole], 3)
        _say(measured="alone", compute=compute, kernels=counts[fraction], whole=counts[whole], part=part)


def _cost(environment: DriverEnvironment, device: str) -> None:
    with sharing(environment, device, (0.5, None)) as (_, (fraction, whole)):
        trips: dict[Sharer, list[float]] = {fraction: [], whole: []}
        rates: dict[Sharer, list[float]] = {fraction: [], whole: []}
        for _ in range(ROUNDS):
            for one, found in trips.items():
                found.append(_trip_s(one))
            for one, found in rates.items():
                found.append(_launch_rate_hz(one))
        for one in (fraction, whole):
            _say(
                measured="cost",
                compute=one.compute,
                null_round_trip_us=round(min(trips[one]) * 1e6, 1),
                launches_hz=round(max(rates[one])),
            )


def _trip_s(one: Sharer) -> float:
    """Return the median time of a null kernel with its finish."""
    times = []
    for _ in range(TRIPS):
        began_at = time.perf_counter()
        one.launch(1, 0)
        one.finish()
        times.append(time.perf_counter() - began_at)
    return sorted(times)[TRIPS // 2]


def _launch_rate_hz(one: Sharer) -> float:
    began_at = time.perf_counter()
    one.launch(LAUNCHES, 0)
    one.finish()
    return LAUNCHES / (time.perf_counter() - began_at)


def _at_once(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _find(name: str, folder: Path) -> tuple[DriverEnvironment, str]:
    """Return the first device whose name contains a text, and its environment; "null" needs nothing."""
    variables = child_variables(os.environ)
    if name == "null":
        return null_environment("null:1", variables), "null-0"
    for environment in prepare_opencl(folder, find_icds(Path(sys.prefix)), variables):
        command = [environment.python, "-m", "accelpool_node.discover", "--backend", environment.backend]
        run = subprocess.run(command, env=dict(environment.variables), capture_output=True, check=False)
        for line in discover.parse(run.stdout)[0]:
            for device in line.devices if isinstance(line, discover.Listing) else ():
                if name.lower() in f"{environment.name}/{device.name}".lower():
                    return environment, device.name
    raise SystemExit(f"no device {name!r}")


def _say(**record: object) -> None:
    print(json.dumps(record), flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.shares", description="Fractions of one device.")
    parser.add_argument("--device", default="null", metavar="NAME", help="part of a device's name, or null")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each of the first two takes")
    parser.add_argument("--kernel-ms", type=float, default=4.0, help="how long a kernel takes")
    parser.add_argument("--compute", type=float, nargs="+", default=[0.75, 0.25], help="the compute shares")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
