"""A lease over two nodes, as processes: granted together, served by both, lost with either."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from accelpool.rest import RestClient
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import LeaseLost, LeaseRevoked, SessionLost

KERNEL = "__kernel void k(__global float *a) { }"


@pytest.fixture
def rest(two_node_pool: Any) -> Iterator[RestClient]:
    yield from client_of(two_node_pool)


@pytest.fixture
def own_rest(own_two_node_pool: Any) -> Iterator[RestClient]:
    yield from client_of(own_two_node_pool)


def client_of(pool: Any) -> Iterator[RestClient]:
    client = RestClient(pool.url, pool.token)
    yield client
    client.close()


def acquire(rest: RestClient, **wanted: Any) -> dict[str, Any]:
    lease = rest.request(
        "POST", "/leases", json={"ttl_s": 3600, **wanted}, params={"wait_s": 20}, wait_s=20
    ).body
    assert lease["state"] == "active", lease
    return lease


def release(rest: RestClient, lease: dict[str, Any]) -> None:
    rest.request("DELETE", f"/leases/{lease['id']}")


def connect(endpoint: dict[str, Any]) -> Connection:
    return Connection.open((endpoint["host"], endpoint["port"]), endpoint["token"])


def places(lease: dict[str, Any]) -> list[tuple[str, str]]:
    return [(share["node"], share["name"]) for share in lease["shares"]]


def test_two_nodes_of_a_pool_are_listed_with_their_devices(rest: RestClient) -> None:
    assert [(node["name"], node["device_count"]) for node in rest.pages("/nodes")] == [
        ("node-1", 2),
        ("node-2", 2),
    ]


def test_three_devices_are_leased_on_two_nodes_and_each_serves_its_own(rest: RestClient) -> None:
    lease = acquire(rest, count=3)
    assert places(lease) == [
        ("node-1", "null/null-0"),
        ("node-1", "null/null-1"),
        ("node-2", "null/null-0"),
    ]
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(endpoint)) for endpoint in lease["endpoints"]]
        assert [len(session.devices) for session in sessions] == [2, 1]
        for session in sessions:
            session.call(m.Sync(), 60)
    release(rest, lease)


def test_rest_compute_works_on_the_first_endpoint_of_a_lease_over_two(rest: RestClient) -> None:
    lease = acquire(rest, count=3)
    at = f"/leases/{lease['id']}"
    program = rest.request("POST", f"{at}/programs", json={"source": KERNEL}).body
    buffer = rest.request("POST", f"{at}/buffers", json={"size_bytes": 64}).body
    launch = {
        "program": program["id"],
        "kernel": "k",
        "global_size": [4],
        "args": [{"buffer": buffer["id"]}],
        "wait": True,
    }
    assert rest.request("POST", f"{at}/launches", json=launch, wait_s=25).body["status"] == "complete"
    release(rest, lease)


def test_the_end_of_a_lease_ends_its_sessions_on_both_nodes(rest: RestClient) -> None:
    lease = acquire(rest, count=4)
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(endpoint)) for endpoint in lease["endpoints"]]
        assert len(sessions) == 2
        release(rest, lease)
        for session in sessions:
            with pytest.raises(LeaseRevoked, match=lease["id"]):
                use_for_ever(session)


def test_what_a_device_is_loaded_with_is_listed_after_the_session(rest: RestClient, wait_until: Any) -> None:
    [device] = [
        item for item in rest.pages("/devices") if (item["node"], item["name"][-1]) == ("node-2", "1")
    ]
    lease = acquire(rest, device=device["id"])
    content = f"{KERNEL} // {lease['id']}".encode()
    with connect(lease["endpoints"][0]) as session:
        session.post(m.CreateContext(1, [0]))
        session.post(m.CreateProgramWithBinary(2, 1, [0], [len(content)]), content)
        session.ask(m.BuildProgram(2, [0]), m.Built, 60)
    release(rest, lease)

    def image() -> dict[str, str] | None:
        return rest.request("GET", f"/devices/{device['id']}").body["loaded_image"]

    wait_until(lambda: (image() or {}).get("sha256") == hashlib.sha256(content).hexdigest())


def test_a_lease_is_lost_with_one_of_its_nodes_and_the_other_ends_its_session(
    own_rest: RestClient, own_two_node_pool: Any
) -> None:
    lease = acquire(own_rest, count=4)
    with connect(lease["endpoints"][0]) as kept, connect(lease["endpoints"][1]) as gone:
        own_two_node_pool.agents[2].kill()
        with pytest.raises(SessionLost):
            use_for_ever(gone)
        own_two_node_pool.start_agent(2)
        with pytest.raises(LeaseRevoked, match="lost with another of its nodes"):
            use_for_ever(kept)
    lost = own_rest.request("GET", f"/leases/{lease['id']}").body
    assert lost["state"] == "lost"
    assert lost["reason"].endswith(  # of a restart, or of 15 s of silence if that took longer
        "; with it went the lease's devices on node-1"
    )
    with pytest.raises(LeaseLost):
        own_rest.request("POST", f"/leases/{lease['id']}/buffers", json={"size_bytes": 1})
    release(own_rest, acquire(own_rest, count=4))


def use_for_ever(session: Connection) -> None:
    """Use a session until it is over."""
    while True:
        session.call(m.Sync(), 60)
