"""What it costs a broker to be watched: a line in its log for a request, and traces that nobody samples.

    python -m bench.watching [--rounds 20] [--requests 200]

Prints a JSON line for each way: microseconds of this thread's processor for `GET /whoami`, the median of all
rounds with the 10th and 90th percentile, and by how much the median is above that of `silent`. In each round
every way has its turn, so that a minute in which the machine is slow is slow for all.

    silent      no line, no OpenTelemetry
    text, json  a line into a file
    untraced    OpenTelemetry with a provider; the request brings no `traceparent`
    unsampled   likewise; it brings one that is not sampled
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from accelpool_broker.testing import BrokerInProcess
from accelpool_wire.logs import JsonFormatter, TextFormatter
from accelpool_wire.traces import HEADER

PATH, SILENT = "/whoami", "silent"
LINES: Mapping[str, logging.Formatter] = {"text": TextFormatter(), "json": JsonFormatter({})}
HEADERS = {"untraced": {}, "unsampled": {HEADER: f"00-{'1' * 32}-{'2' * 16}-00"}}
WAYS = (SILENT, *LINES, *HEADERS)
OPENTELEMETRY = "opentelemetry.trace"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.watching", description="What watching costs.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=200, help="of each way in a round")
    options = parser.parse_args(arguments)
    trace.set_tracer_provider(TracerProvider(ALWAYS_OFF))
    with tempfile.TemporaryDirectory(prefix="ap-") as name, BrokerInProcess(requests_per_s=1e6) as broker:
        taken = measure(broker, Path(name) / "log", options.rounds, options.requests)
    for line in told(taken):
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


def measure(broker: BrokerInProcess, log: Path, rounds: int, requests: int) -> dict[str, list[float]]:
    """Return microseconds per request of each way, one figure for each round; the first round is not told."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds + 1):
        for way in WAYS:
            with _set_up(way, log):
                taken[way].append(_asked(broker, HEADERS.get(way, {}), requests))
    return {way: figures[1:] for way, figures in taken.items()}


def told(taken: Mapping[str, Sequence[float]]) -> Iterator[dict[str, object]]:
    """Yield what is printed of each way."""
    silent = statistics.median(taken[SILENT])
    for way, figures in taken.items():
        middle, ends = statistics.median(figures), statistics.quantiles(figures, n=10, method="inclusive")
        yield {
            "way": way,
            "us": round(middle, 1),
            "p10_us": round(ends[0], 1),
            "p90_us": round(ends[-1], 1),
            "above_silent_us": round(middle - silent, 1),
        }


@contextmanager
def _set_up(way: str, log: Path) -> Iterator[None]:
    """Have this process log and be traced so; where it is not, OpenTelemetry looks as if never loaded."""
    root, handler = logging.getLogger(), logging.FileHandler(log)
    before, module = root.level, sys.modules[OPENTELEMETRY]
    handler.setFormatter(LINES.get(way))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if way in LINES else logging.WARNING)
    if way not in HEADERS:
        del sys.modules[OPENTELEMETRY]
    try:
        yield
    finally:
        sys.modules[OPENTELEMETRY] = module
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()
        with suppress(FileNotFoundError):
            log.unlink()


def _asked(broker: BrokerInProcess, headers: Mapping[str, str], requests: int) -> float:
    begun = time.thread_time()
    for _ in range(requests):
        answer = broker.call("GET", PATH, headers=dict(headers))
        assert answer.status_code == 200, answer.get_data(as_text=True)
    return (time.thread_time() - begun) / requests * 1e6


if __name__ == "__main__":
    sys.exit(main())
