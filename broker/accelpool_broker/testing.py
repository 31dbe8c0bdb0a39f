"""A broker to test against: in this process, in memory, with a clock that moves when it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from accelpool_broker.app import build_app
from accelpool_broker.resources.node_schemas import NODE_NAME
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.new_tokens import hash_of
from accelpool_broker.services.services import Services, open_services
from accelpool_broker.settings import Settings

GIB = 1 << 30


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        """Return the present instant."""
        return self._now

    def elapsed(self) -> float:
        """Return the same: it never goes back."""
        return self._now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class BrokerInProcess:
    """A broker's whole application without a server, as a context manager.

    Args:
        state_dir: Where it keeps its state; None keeps it in memory.
        clock: Its clock.
        **settings: Further settings.
    """

    def __init__(
        self, state_dir: Path | None = None, clock: FakeClock | None = None, **settings: Any
    ) -> None:
        self.clock = clock or FakeClock()
        self.services: Services = open_services(Settings(state_dir=state_dir, **settings), self.clock)
        self.app = build_app(self.services)
        self.client: FlaskClient = self.app.test_client()

    def __enter__(self) -> BrokerInProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.services.close()

    @property
    def admin(self) -> Caller:
        """The first admin."""
        return self.services.access.identify(f"Bearer {self.services.file_tokens['user']}")

    def call(self, method: str, path: str, *, role: str = "user", **options: Any) -> TestResponse:
        """Send a request with the token of the "user", of the "node" that the path names, or another."""
        token = self.node_token(path) if role == "node" else self.services.file_tokens.get(role, role)
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return self.app.test_client().open(path, method=method, headers=headers, **options)

    def node_token(self, path: str) -> str:
        """Return the token of the node that a path names; it is enrolled with it now if it was not yet."""
        name = path.split("/")[2] if path.startswith("/nodes/") else "n1"
        name = name if NODE_NAME.fullmatch(name) else "n1"
        secret = f"apn_of-{name}"
        if self.services.access.credentials.find(secret) is None:
            joining = self.json("POST", "/join-tokens", {"node": name})["token"]
            self.json("POST", f"/nodes/{name}/enrol", {"sha256": hash_of(secret)}, role=joining)
        return secret

    def json(self, method: str, path: str, body: Any = None, *, role: str = "user") -> Any:
        """Send a request that has to succeed and return the answer's JSON."""
        answer = self.call(method, path, role=role, json=body)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.get_json()

    def register(
        self, name: str = "n1", *devices: str, boot_id: str = "boot-1", **address: Any
    ) -> dict[str, Any]:
        """Register a node with devices, each given as `device` takes it."""
        return cast(
            dict[str, Any],
            self.json(
                "PUT", f"/nodes/{name}", registration(*devices, boot_id=boot_id, **address), role="node"
            ),
        )

    def report(self, name: str = "n1", *, sequence: int = 0, **members: Any) -> dict[str, Any]:
        """Reconcile a node and return what it is told to run."""
        body = {"boot_id": "boot-1", "sequence": sequence, **members}
        return cast(dict[str, Any], self.json("POST", f"/nodes/{name}/reconcile", body, role="node"))

    def lease(self, **members: Any) -> dict[str, Any]:
        """Ask for a lease and return its body."""
        return cast(dict[str, Any], self.json("POST", "/leases", members))

    def pass_time(self, seconds: float) -> float | None:
        """Let time pass and the timer strike; return when it would strike next."""
        self.clock.move(seconds)
        return self.services.pool.tick()


def registration(
    *devices: str, boot_id: str = "boot-1", host: str = "127.0.0.1", port: int = 7000
) -> dict[str, Any]:
    """Return the body that registers a node with devices, each given as `device` takes it."""
    return {
        "address": {"host": host, "port": port},
        "version": "0.1.0",
        "boot_id": boot_id,
        "devices": [device(text) for text in devices],
    }


def device(text: str, memory_bytes: int = 8 * GIB) -> dict[str, Any]:
    """Return a device as a node describes it, given as `KIND`, `KIND:NAME` or `KIND:NAME:API:HARDWARE`."""
    kind, name, api, hardware = [*text.split(":"), *[""] * 3][:4]
    return {
        "name": name or f"{kind}-0",
        "environment": api or "opencl",
        "kind": kind,
        "api": api or "opencl",
        "hardware": hardware,
        "attributes": {"vendor": "nobody", "driver_version": "1"},
        "capacity": {"memory_bytes": memory_bytes, "compute_units": 4},
        "fault": "",
    }
