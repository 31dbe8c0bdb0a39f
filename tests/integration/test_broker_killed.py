"""A broker killed in the middle of a thousand acquires and releases: nothing is leased twice, or lost."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from accelpool_broker.testing import registration

from .test_broker_process import Broker

DEVICES = 40
REQUESTS, AT_ONCE, KILL_AFTER = 1000, 40, 60


@pytest.fixture(params=["sqlite", "postgresql"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    if request.param == "postgresql":
        yield ["--database-url", request.getfixturevalue("postgres_url")]
    else:
        yield []


def storm(broker: Broker, granted: list[str]) -> None:
    """Acquire and release until the broker is gone; note every lease that was granted and not given back."""
    some = threading.Event()

    def acquire_and_release(number: int) -> None:
        key = {"Authorization": f"Bearer {broker.tokens['user']}", "Idempotency-Key": f"key-{number}"}
        try:
            made = requests.post(broker.url + "/leases", json={"ttl_s": 600}, headers=key, timeout=60).json()
            granted.append(made["id"])
            if len(granted) >= KILL_AFTER:
                some.set()
            if number % 3:
                requests.delete(f"{broker.url}/leases/{made['id']}", headers=key, timeout=60)
        except (requests.RequestException, KeyError, ValueError):
            some.set()  # it is gone

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(REQUESTS):
            pool.submit(acquire_and_release, number)
        assert some.wait(60)
        broker.process.send_signal(signal.SIGKILL)
        broker.process.wait()


def pages(broker: Broker, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = broker.call("GET", f"{path}?limit=500{cursor}")
        found += answer["items"]
        if answer["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer['next_cursor']}"


def test_after_a_kill_no_device_is_leased_twice_and_none_is_lost(tmp_path: Path, options: list[str]) -> None:
    first = Broker(tmp_path / "state", 0, *options)
    body = registration(*(f"gpu:d{number}" for number in range(DEVICES)))
    first.call("PUT", "/nodes/n1", body, role="node")
    granted: list[str] = []
    storm(first, granted)
    first.stop()
    second = Broker(tmp_path / "state", 0, *options)
    try:
        leases = {lease["id"]: lease for lease in pages(second, "/leases")}
        assert set(granted) <= set(leases)  # what a client was told of is known
        open_leases = [lease for lease in leases.values() if lease["state"] in ("active", "queued")]
        held = Counter(share["device"] for lease in open_leases for share in lease["shares"])
        assert max(held.values(), default=0) <= 1
        devices = pages(second, "/devices")
        assert {device["id"] for device in devices if device["state"] == "leased"} == set(held)
        for lease in open_leases:
            second.call("DELETE", f"/leases/{lease['id']}")
        assert [device["state"] for device in pages(second, "/devices")] == ["free"] * DEVICES
        assert second.call("POST", "/leases", {"count": DEVICES})["state"] == "active"
    finally:
        second.stop()
