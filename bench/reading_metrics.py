"""What it costs to read `/metrics` of a broker with a large pool.

    python -m bench.reading_metrics [--database sqlite|postgresql] [--devices 1000] [--queued 10000]

Prints one JSON line: statements sent to the database; milliseconds that a reading takes, and those of this
process's processor, with and without its encoding (medians of ten); the size of the answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from accelpool_broker.models import Device, Lease, LeaseState, Node, NodeState, Share
from accelpool_broker.services.pool_metrics import PoolMetrics
from accelpool_broker.testing import BrokerInProcess
from bench.allocation import database

PER_NODE, PER_TENANT = 50, 100
GIB = 1 << 30
READINGS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.reading_metrics", description="What a reading costs."
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--queued", type=int, default=10_000)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ap-")))
        url = stack.enter_context(database(options.database, folder))
        broker = stack.enter_context(BrokerInProcess(folder / "broker", database_url=url))
        _fill(broker, options.devices, options.queued)
        sys.stdout.write(json.dumps(vars(options) | _measure(broker)) + "\n")
    return 0


def _fill(broker: BrokerInProcess, devices: int, queued: int) -> None:
    """Make a pool in which every device is leased and so many requests wait."""
    now = broker.clock.now()
    with broker.services.pool.store.write() as tx:
        for number in range(0, devices, PER_NODE):
            tx.add(_node(f"n{number // PER_NODE}", now))
        tx.flush()
        for number in range(devices):
            lease = _lease(number, LeaseState.ACTIVE, now)
            device = _device(number)
            lease.shares = [
                Share(device=device, memory_bytes=GIB, compute_ppm=1_000_000, epoch=1, is_active=True)
            ]
            tx.add(lease)
        for number in range(devices, devices + queued):
            tx.add(_lease(number, LeaseState.QUEUED, now))


def _node(name: str, now: float) -> Node:
    return Node(
        name=name, host="h", port=1, version="1", boot_id="b", state=NodeState.READY, last_seen_at=now
    )


def _device(number: int) -> Device:
    return Device(
        id=f"dev_{number}",
        node_name=f"n{number // PER_NODE}",
        name=f"gpu-{number}",
        environment="opencl",
        kind="gpu",
        api="opencl",
        attributes={"extensions": ["cl_khr_fp64"] * 30},
        memory_bytes=8 * GIB,
        compute_units=4,
        fault="",
        is_present=True,
    )


def _lease(number: int, state: LeaseState, now: float) -> Lease:
    is_active = state is LeaseState.ACTIVE
    return Lease(
        id=f"lse_{number}",
        state=state,
        reason="",
        tenant=f"org/team-{number % PER_TENANT}",
        priority=0,
        is_preemptible=False,
        alternatives=[{"kind": "gpu"}],
        ttl_s=60.0,
        ends_with_session=False,
        client="",
        created_at=now,
        read_until=now + 60,
        granted_at=now if is_active else None,
        charged_at=now if is_active else None,
        expires_at=now + 3600 if is_active else None,
        request_sha256="0" * 64,
        shares=[],
    )


def _measure(broker: BrokerInProcess) -> dict[str, float | int]:
    answer = broker.call("GET", "/metrics")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    with _counted() as statements:
        list(PoolMetrics(broker.services.pool).collect())
    whole = _timed(lambda: broker.call("GET", "/metrics"))
    read = _timed(lambda: list(PoolMetrics(broker.services.pool).collect()))
    return {
        "statements": len(statements),
        "reading_ms": whole[0],
        "processor_ms": whole[1],
        "without_encoding_processor_ms": read[1],
        "bytes": len(answer.get_data()),
    }


def _timed(do: Callable[[], object]) -> tuple[float, float]:
    """Return how long something takes, and how long of this process's processor; medians, in ms."""
    took, worked = [], []
    for _ in range(READINGS):
        began_at, begun = time.perf_counter(), time.process_time()
        do()
        took.append(time.perf_counter() - began_at)
        worked.append(time.process_time() - begun)
    return round(statistics.median(took) * 1e3, 1), round(statistics.median(worked) * 1e3, 1)


@contextmanager
def _counted() -> Iterator[list[str]]:
    """Give the statements that are sent to any database in the block."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


if __name__ == "__main__":
    sys.exit(main())
