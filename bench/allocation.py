"""Allocation, measured: a real broker, a thousand null devices, clients over HTTP.

    python -m bench.allocation [--database sqlite|postgresql] [--devices 1000] [--clients 16] [--waiting 200]

Prints JSON lines:

    churn    acquire and release in turns by some clients at once: pairs per second, latency of a grant in ms
    wake     clients that wait for one device: time from its release until the next has it, in ms
    pass     one look of the scheduler at 10,000 devices, all in use, and 1,000 waiting requests, in ms
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from accelpool_broker.scheduler import (
    WHOLE,
    Demand,
    DeviceView,
    Inventory,
    LeaseView,
    NodeView,
    Request,
    Share,
    decide,
)

PER_NODE = 50
GIB = 1 << 30
START_LIMIT_S = 60.0
HEARTBEAT_S = 3.0
ASKING = 16  # at once, of those who then wait
SETTLE_S = 10.0
PASSES, PASS_DEVICES, PASS_REQUESTS = 10, 10_000, 1_000


class Client:
    """One connection to the broker."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the answer's JSON."""
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    options = _parse(arguments)
    _say("pass", ms=_passes())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ap-")))
        url = stack.enter_context(database(options.database, folder))
        port, tokens = stack.enter_context(_broker(folder, url))
        stack.enter_context(_nodes(port, tokens["user"], options.devices))
        clients = [Client(port, tokens["user"]) for _ in range(options.clients)]
        for each in (1, options.clients):
            rate, latencies = _churn(clients[:each], options.seconds)
            _say(
                "churn",
                database=options.database,
                devices=options.devices,
                clients=each,
                pairs_per_s=round(rate, 1),
                **_quantiles(latencies),
            )
        waits = _wake(port, tokens["user"], options.waiting)
        _say("wake", database=options.database, waiting=options.waiting, **_quantiles(waits))
    return 0


def _churn(clients: Sequence[Client], seconds: float) -> tuple[float, list[float]]:
    """Return pairs per second, and how long each grant took."""
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    def work(client: Client) -> None:
        while (begun := time.perf_counter()) < until:
            lease = client.call("POST", "/leases?wait_s=20", {"kind": "gpu"})
            latencies.append(time.perf_counter() - begun)
            client.call("DELETE", f"/leases/{lease['id']}")

    begun = time.perf_counter()
    _in_threads([lambda client=client: work(client) for client in clients])
    return len(latencies) / (time.perf_counter() - begun), latencies


def _wake(port: int, token: str, waiting: int) -> list[float]:
    """Return how long each release took to reach the next of many who wait for one device."""
    first = Client(port, token)
    lease = first.call("POST", "/leases", {"kind": "cpu", "ttl_s": 600})
    released_at = [0.0]
    waits: list[float] = []
    asking = threading.Semaphore(ASKING)
    all_queued = threading.Barrier(waiting + 1, timeout=START_LIMIT_S)

    def wait() -> None:
        client = Client(port, token)
        with asking:
            mine = client.call("POST", "/leases", {"kind": "cpu", "ttl_s": 600})
        all_queued.wait()
        while mine["state"] == "queued":
            mine = client.call("GET", f"/leases/{mine['id']}?wait_s=25")
        waits.append(time.perf_counter() - released_at[0])
        released_at[0] = time.perf_counter()
        client.call("DELETE", f"/leases/{mine['id']}")

    threads = [threading.Thread(target=wait) for _ in range(waiting)]
    for thread in threads:
        thread.start()
    all_queued.wait()
    time.sleep(SETTLE_S)  # until all wait in the broker
    released_at[0] = time.perf_counter()
    first.call("DELETE", f"/leases/{lease['id']}")
    for thread in threads:
        thread.join()
    return waits


def _passes() -> list[float]:
    """Return how long some looks took, in ms of this process's time."""
    chance = random.Random(1)
    sorts = (("gpu", 80), ("gpu", 40), ("gpu", 24), ("cpu", 64), ("accelerator", 16))
    nodes = [NodeView(name=f"n{number}", lost_at=1e9) for number in range(PASS_DEVICES // 8)]
    devices = [
        DeviceView(
            id=f"d{number}",
            name=f"d{number % 8}",
            node=f"n{number // 8}",
            environment="e",
            kind=sorts[number // 8 % 5][0],
            memory_bytes=sorts[number // 8 % 5][1] * GIB,
        )
        for number in range(PASS_DEVICES)
    ]
    leases = [
        LeaseView(
            id=f"l{device.id}",
            expires_at=1e9,
            shares=(Share(device=device.id, memory_bytes=device.memory_bytes),),
            nodes=(device.node,),
            tenant=f"t{chance.randrange(20)}",
        )
        for device in devices
    ]
    demands: list[Callable[[], Demand]] = [
        lambda: Demand(kind=chance.choice(["gpu", "cpu"])),
        lambda: Demand(kind="gpu", memory_bytes=chance.choice([2, 4, 8, 16]) * GIB),
        lambda: Demand(kind="gpu", compute_ppm=chance.choice([WHOLE // 4, WHOLE // 2])),
        lambda: Demand(kind="gpu", count=chance.choice([2, 4, 8])),
        lambda: Demand(where=f"device.memory_bytes >= {chance.choice([20, 30, 40, 70])} * GiB"),
    ]
    queue = [
        Request(
            id=f"r{number}",
            order=number,
            alternatives=(chance.choice(demands)(),),
            tenant=f"t{chance.randrange(20)}",
        )
        for number in range(PASS_REQUESTS)
    ]
    inventory = Inventory(nodes, devices)
    taken = []
    for _ in range(PASSES):
        begun = time.process_time()
        decide(inventory=inventory, leases=leases, queue=queue, now=1.0, explain=())
        taken.append(round((time.process_time() - begun) * 1000, 1))
    return taken


# ---- a broker and its nodes


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of a new database of a kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'broker.sqlite'}"
        return
    from tests.postgres_rig import Postgres  # of the development set-up

    with tempfile.TemporaryDirectory(prefix="pg") as own:  # another user's, where this one is root
        server = Postgres(Path(own))
        server.start()
        try:
            yield server.empty_database()
        finally:
            server.stop()


@contextmanager
def _broker(folder: Path, url: str) -> Iterator[tuple[int, dict[str, str]]]:
    state = folder / "state"
    command = [sys.executable, "-m", "accelpool_broker", "--port", "0", "--state-dir", str(state)]
    with (folder / "broker.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--database-url", url], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())["ready"]
        yield int(ready.rsplit(":", 1)[1]), json.loads((state / "tokens.json").read_text())
    finally:
        process.terminate()
        process.wait(START_LIMIT_S)


@contextmanager
def _nodes(port: int, token: str, devices: int) -> Iterator[None]:
    """Register nodes with null devices, one of them a CPU, and report for them."""
    admin = Client(port, token)
    agents = {f"n{number}": _enrolled(port, admin, f"n{number}") for number in range(devices // PER_NODE)}
    for number, (name, client) in enumerate(agents.items()):
        kinds = ["cpu" if number == place == 0 else "gpu" for place in range(PER_NODE)]
        client.call("PUT", f"/nodes/{name}", _registration(kinds))
    over = threading.Event()

    def report() -> None:
        sequence = 0
        while not over.wait(HEARTBEAT_S):
            sequence += 1
            for name, client in agents.items():
                body = {"boot_id": "b", "sequence": sequence, "wait_s": 0}
                client.call("POST", f"/nodes/{name}/reconcile", body)

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _enrolled(port: int, admin: Client, node: str) -> Client:
    """Return a client with a token of a node's own."""
    secret = secrets.token_urlsafe(32)
    joining = Client(port, admin.call("POST", "/join-tokens", {"node": node})["token"])
    joining.call("POST", f"/nodes/{node}/enrol", {"sha256": hashlib.sha256(secret.encode()).hexdigest()})
    return Client(port, secret)


def _registration(kinds: Sequence[str]) -> dict[str, Any]:
    return {
        "address": {"host": "127.0.0.1", "port": 1},
        "version": "bench",
        "boot_id": "b",
        "devices": [
            {
                "name": f"d{place}",
                "environment": "null",
                "kind": kind,
                "api": "null",
                "attributes": {},
                "capacity": {"memory_bytes": 8 * GIB, "compute_units": 1},
            }
            for place, kind in enumerate(kinds)
        ],
    }


# ---- figures


def _in_threads(works: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100)
    named = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(seconds)}
    return {name: round(value * 1000, 1) for name, value in named.items()}


def _say(what: str, **figures: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, **figures}) + "\n")
    sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.allocation", description="Measure allocation.")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--waiting", type=int, default=1000)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
