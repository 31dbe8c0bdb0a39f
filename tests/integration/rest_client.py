"""Compute over REST as `curl` would do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests


@dataclass
class Client:
    """What `curl` would do, under one lease."""

    url: str
    token: str
    http: requests.Session = field(default_factory=requests.Session)
    lease: dict = field(default_factory=dict)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.http.request(method, self.url + path, headers=headers, timeout=60, **options)

    def at(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.call(method, f"/leases/{self.lease['id']}{path}", **options)

    def make(self, path: str, body: dict) -> dict:
        answer = self.at("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Location"] == f"/leases/{self.lease['id']}{path}/{answer.json()['id']}"
        return answer.json()

    def buffer(self, content: bytes) -> str:
        id = self.make("/buffers", {"size_bytes": len(content)})["id"]
        assert self.at("PUT", f"/buffers/{id}/content", data=content).status_code == 200
        return id

    def content(self, id: str, query: str = "") -> bytes:
        answer = self.at("GET", f"/buffers/{id}/content{query}")
        assert answer.status_code == 200, answer.text
        return answer.content


def leased(pool: Any, **wanted: Any) -> Iterator[Client]:
    """Yield a client with a lease."""
    client = Client(pool.url, pool.token)
    with client.http:
        client.lease = client.call("POST", "/leases?wait_s=20", json={"ttl_s": 3600, **wanted}).json()
        assert client.lease["state"] == "active", client.lease
        yield client
        client.at("DELETE", "")
