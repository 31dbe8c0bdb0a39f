"""A buffer under a lease over two nodes of a real pool, whose addresses the broker has signed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from accelpool.rest import RestClient
from accelpool_wire import messages as m
from accelpool_wire.client import Connection

from .peer_rig import new_ticket
from .wire_client import Client

SIZE = 3_000_000


@pytest.fixture(params=["two_node_pool", pytest.param("two_node_opencl_pool", marks=pytest.mark.opencl)])
def endpoints(request: pytest.FixtureRequest) -> Iterator[list[dict[str, Any]]]:
    """The endpoints of a lease of four devices, on two nodes."""
    pool = request.getfixturevalue(request.param)
    client = RestClient(pool.url, pool.token)
    lease = client.request(
        "POST", "/leases", json={"count": 4, "ttl_s": 3600}, params={"wait_s": 20}, wait_s=20
    ).body
    assert lease["state"] == "active", lease
    yield lease["endpoints"]
    client.request("DELETE", f"/leases/{lease['id']}")
    client.close()


def test_a_buffer_visits_every_endpoint_of_a_lease_and_comes_back(endpoints: list[dict[str, Any]]) -> None:
    assert len({endpoint["port"] for endpoint in endpoints}) == 2
    content = os.urandom(SIZE)
    with ExitStack() as stack:
        stops = []
        for endpoint in endpoints:
            connection = Connection.open((endpoint["host"], endpoint["port"]), endpoint["token"])
            client = Client(stack.enter_context(connection))
            context = client.context()
            stops.append((endpoint, client, client.queue(context), client.buffer(context, SIZE)))
        _, first, queue, buffer = stops[0]
        first.write(queue, buffer, content)
        back = first.buffer(first.made[0], SIZE)
        way = [*stops, (endpoints[0], first, queue, back)]
        for source, target in itertools.pairwise(way):
            ticket = new_ticket()
            target[1].post(m.ReceiveBuffer(target[2], target[3], 0, SIZE, ticket))
            there, session = target[0], target[1].connection.session
            source[1].post(
                m.SendBuffer(source[2], source[3], 0, SIZE, there["host"], there["port"], session, ticket)
            )
        for _, client, *_ in stops:
            client.connection.flush()
        assert first.read(queue, back, SIZE) == content
        assert all(client.connection.stats.bytes_sent < SIZE // 10 for _, client, *_ in stops[1:])
