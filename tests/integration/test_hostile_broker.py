"""Clients of the broker that stall, lie about lengths, or let their leases run out."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from accelpool_broker.settings import Settings
from accelpool_broker.testing import BrokerInProcess
from accelpool_wire.errors import SessionLost

from ..conftest import wait_until
from ..sockets import end_writing

OCTETS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}
WAIT_S = 60.0


class Client:
    """Speaks HTTP as badly as a test likes."""

    def __init__(self, pool: Any) -> None:
        self.url, self.token = pool.url, pool.token
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.http.request(method, self.url + path, timeout=WAIT_S, **options)

    def begin(self, method: str, path: str, headers: dict[str, str], body: bytes) -> socket.socket:
        """Send a request, perhaps not all of it."""
        address = urlsplit(self.url)
        stream = socket.create_connection((address.hostname, address.port), WAIT_S)
        lines = [f"{method} {path} HTTP/1.1", "Host: pool", f"Authorization: Bearer {self.token}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        stream.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return stream


@pytest.fixture
def client(null_pool: Any) -> Iterator[Client]:
    client = Client(null_pool)
    with client.http:
        yield client


@pytest.fixture
def content(client: Client) -> Iterator[str]:
    """The path of a buffer's content."""
    lease = client.call("POST", "/leases?wait_s=20", json={"ttl_s": 3600}).json()
    buffer = client.call("POST", f"/leases/{lease['id']}/buffers", json={"size_bytes": 1000}).json()
    yield f"/leases/{lease['id']}/buffers/{buffer['id']}/content"
    client.call("DELETE", f"/leases/{lease['id']}")


def test_the_timer_is_set_to_the_expiry_of_a_lease_just_granted() -> None:
    with BrokerInProcess() as broker:
        broker.register("n1", "gpu")
        deadlines: list[float] = []
        broker.services.pool.on_deadline = deadlines.append
        broker.lease(ttl_s=5)
        assert min(deadlines) == broker.clock.now() + 5


def test_an_upload_that_ends_early_is_refused(client: Client, content: str) -> None:
    with client.begin("PUT", content, {**OCTETS, "Content-Length": "10"}, b"12345") as stream:
        end_writing(stream)
        head, _, body = stream.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 422")
    assert "after 5 of the 10 bytes" in json.loads(body)["detail"]


def test_an_upload_is_raw_bytes_whatever_its_type_says(client: Client, content: str) -> None:
    answer = client.call("PUT", content, data=b"not JSON", headers=JSON)
    assert answer.json()["written_bytes"] == 8


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_in_another_encoding_is_refused_with_a_reason(encoding: str) -> None:
    with BrokerInProcess() as broker:
        answer = broker.call("POST", "/leases", data="{}".encode(encoding), headers=JSON)
        assert answer.status_code == 400
        assert answer.get_json()["detail"].startswith("the body is not JSON")


def test_a_call_whose_lease_ends_under_it_says_so() -> None:
    with BrokerInProcess() as broker:
        broker.register("n1", "gpu")
        path = f"/leases/{broker.lease()['id']}"

        def lose(*_: object, **__: object) -> Any:
            broker.json("DELETE", path)
            raise SessionLost("the connection was closed")

        broker.services.compute.open_connection = lose
        answer = broker.call("POST", f"{path}/buffers", json={"size_bytes": 4})
        assert answer.get_json()["type"].endswith("/lease-revoked")


def test_clients_that_stall_in_their_bodies_do_not_stop_the_broker(client: Client, content: str) -> None:
    settings = Settings()
    with contextlib.ExitStack() as stack:
        for _ in range(settings.max_uploads + 80):
            stack.enter_context(client.begin("PUT", content, {**OCTETS, "Content-Length": "99"}, b"x"))
        assert client.call("POST", "/leases?wait_s=10", json={}).json()["state"] == "active"
        for _ in range(settings.max_bodies + 80):
            stack.enter_context(client.begin("POST", "/leases", {**JSON, "Content-Length": "99"}, b"{"))
        invalid: dict[str, Any] = {"json": {"count": 0}}  # no lease comes of it where it is read
        wait_until(lambda: client.call("POST", "/leases", **invalid).status_code == 503)
        assert client.call("POST", "/leases", **invalid).headers["Retry-After"] == "1"
        assert client.call("GET", "/health").status_code == 200
        (node,) = client.call("GET", "/nodes").json()["items"]
        assert node["state"] == "ready"
    for lease in client.call("GET", "/leases?state=active").json()["items"]:
        if lease["id"] not in content:
            client.call("DELETE", f"/leases/{lease['id']}")


def test_strangers_that_stall_in_forms_keep_no_lease_from_being_renewed(client: Client, content: str) -> None:
    lease = content.split("/buffers")[0]
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "60000"}
    with contextlib.ExitStack() as stack:
        for _ in range(Settings().max_bodies + 16):  # as many as an address may send at once
            stack.enter_context(client.begin("POST", "/token-exchange", form, b"x"))

        def exchange() -> int:
            return client.call("POST", "/token-exchange", data={"subject_token": "x"}).status_code

        wait_until(lambda: exchange() == 503)
        assert client.call("PATCH", lease, json={"ttl_s": 60}).status_code == 200
    wait_until(lambda: exchange() != 503)
