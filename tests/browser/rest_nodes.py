"""Nodes of any number of devices with any names: what an agent says to a broker, without an agent."""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

import requests

from ..conftest import enrol

HEARTBEAT_S = 4.0


def device(name: str, kind: str = "gpu", memory_gib: int = 80, **more: Any) -> dict[str, Any]:
    """Return a device as its node describes it."""
    return {
        "name": name,
        "environment": "default",
        "kind": kind,
        "api": "opencl",
        "attributes": {"vendor": "Example", "name": name},
        "capacity": {"memory_bytes": memory_gib << 30, "compute_units": 132},
        **more,
    }


@dataclass
class RestNode:
    """A node that registers its devices and reports until it is stopped, also to a broker that was away.

    Attributes:
        url: The broker's.
        operator: A token that may let nodes in.
        name: The node's.
        devices: As `device` makes them.
        readings: What they measure, by name.
        version: What it says of its program.
    """

    url: str
    operator: str
    name: str
    devices: list[dict[str, Any]]
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: str = "0.9.0"
    _token: str = field(default_factory=lambda: f"apn_{secrets.token_urlsafe(32)}")
    _boot: str = field(default_factory=lambda: secrets.token_hex(8))
    _end: threading.Event = field(default_factory=threading.Event)
    _sequence: int = 0

    def start(self) -> None:
        """Register, report, and go on to report."""
        enrol(self.url, self.operator, self.name, self._token)
        address = {"host": "127.0.0.1", "port": 9}
        body = {"address": address, "version": self.version, "boot_id": self._boot, "devices": self.devices}
        self._call("PUT", f"/nodes/{self.name}", body)
        self.report()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def report(self, **more: Any) -> None:
        """Report once."""
        self._sequence += 1
        body = {"boot_id": self._boot, "sequence": self._sequence, "readings": self.readings, **more}
        self._call("POST", f"/nodes/{self.name}/reconcile", body)

    def stop(self) -> None:
        """Leave the pool."""
        self._end.set()
        self._thread.join()
        self.report(leaving=True)

    def _go_on(self) -> None:
        while not self._end.wait(HEARTBEAT_S):
            with contextlib.suppress(requests.ConnectionError):
                self.report()

    def _call(self, method: str, path: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=60)
        assert answer.ok, answer.text
