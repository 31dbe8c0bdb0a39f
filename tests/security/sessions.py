"""Two tenants on one pool, each with a lease and a session of its own, over the data plane and over REST."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from accelpool_wire.client import Connection

from ..integration.wire_client import Client

PATIENCE_S = 60.0
TTL_S = 86400  # nobody renews them, and the tests of a module may take long


@dataclass
class Tenant:
    """A lease and its session.

    Attributes:
        url: The broker's.
        http: With the user's token.
        lease: The lease, as the broker shows it.
        client: The session.
    """

    url: str
    http: requests.Session
    lease: dict[str, Any]
    client: Client

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call something below the lease."""
        url = f"{self.url}/leases/{self.lease['id']}{path}"
        return self.http.request(method, url, timeout=PATIENCE_S, **options)

    @property
    def endpoint(self) -> dict[str, Any]:
        """Where the lease's sessions are."""
        return self.lease["endpoints"][0]

    @property
    def device(self) -> str:
        """The id of its device."""
        return self.lease["shares"][0]["device"]


@contextlib.contextmanager
def tenant(pool: Any, name: str, **wanted: Any) -> Iterator[Tenant]:
    """Give a tenant with a lease and a session, which end with the block."""
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {pool.token}"
        asked = {"tenant": name, "ttl_s": TTL_S, **wanted}
        answer = http.post(f"{pool.url}/leases?wait_s=20", json=asked, timeout=PATIENCE_S + 10)
        lease = answer.json()
        assert lease["state"] == "active", lease
        try:
            endpoint = lease["endpoints"][0]
            with open_session(endpoint) as connection:
                yield Tenant(pool.url, http, lease, Client(connection))
        finally:
            http.delete(f"{pool.url}/leases/{lease['id']}", timeout=PATIENCE_S)


def open_session(endpoint: dict[str, Any]) -> Connection:
    """Open a session at a lease's endpoint."""
    return Connection.open((endpoint["host"], endpoint["port"]), endpoint["token"])
