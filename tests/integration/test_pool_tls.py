"""A pool where everything goes over TLS: the SDK, buffers between nodes, and the tunnel of those who do
none."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors
from accelpool.cli import lease_file, tunnel
from accelpool.cli.process_reference import ProcessReference
from accelpool.records import EndpointRecord, LeaseRecord
from accelpool.rest import RestClient
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.testing import frame

from ..sockets import end_writing
from .wire_client import Client

PROGRAM = str(Path(sys.executable).parent / "accelpool")
SOURCE = "__kernel void add_one(__global float *a) { a[get_global_id(0)] += 1; }"
SIZE = 1 << 20

pytestmark = pytest.mark.opencl


@pytest.fixture
def broker(secure_pool):
    with cl.Broker(secure_pool.url, secure_pool.token, secure_pool.ca) as broker:
        yield broker


@pytest.fixture
def lease(secure_pool):
    rest = RestClient(secure_pool.url, secure_pool.token, secure_pool.ca)
    asked = rest.request(
        "POST", "/leases", json={"kind": "any", "ttl_s": 3600}, params={"wait_s": 20}, wait_s=20
    ).body
    assert asked["state"] == "active", asked
    yield asked
    rest.request("DELETE", f"/leases/{asked['id']}")
    rest.close()


@pytest.fixture
def endpoint(lease):
    return EndpointRecord(**lease["endpoints"][0])


def test_a_kernel_computes_over_tls(broker):
    with broker.acquire(wait=20) as ctx, cl.CommandQueue(ctx) as queue:
        here = np.arange(SIZE, dtype=np.float32)
        there = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=here)
        cl.Program(ctx, SOURCE).build().add_one(queue, here.shape, None, there)
        result = np.empty_like(here)
        cl.enqueue_copy(queue, result, there)
        assert np.array_equal(result, here + 1)


def test_buffers_go_from_node_to_node_over_tls(broker):
    count = sum(device["node"] == "node-1" for device in broker.devices()) + 1
    with broker.acquire(count=count, wait=20) as ctx:
        queues = {device.node: cl.CommandQueue(ctx, device) for device in ctx.devices}
        assert len(queues) == 2
        here = np.arange(SIZE, dtype=np.float32)
        there = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=here)
        add_one = cl.Program(ctx, SOURCE).build().add_one
        for queue in queues.values():
            add_one(queue, here.shape, None, there).wait()
        result = np.empty_like(here)
        cl.enqueue_copy(next(iter(queues.values())), result, there)
        assert np.array_equal(result, here + 2)
        assert ctx.migrations


def test_rest_compute_goes_over_tls_to_the_node(secure_pool, lease):
    rest = RestClient(secure_pool.url, secure_pool.token, secure_pool.ca)
    made = rest.request("POST", f"/leases/{lease['id']}/buffers", json={"size_bytes": 16}).body
    assert made["size_bytes"] == 16
    rest.close()


def test_endpoints_tell_the_certificate(lease, endpoint):
    assert len(endpoint.certificate_sha256) == 64
    with pytest.raises(errors.Forbidden, match="without TLS"):
        Connection.open((endpoint.host, endpoint.port), endpoint.token)


# ---- the tunnel ------------------------------------------------------------------------------------------


@pytest.fixture
def way(endpoint):
    made = tunnel.Tunnel(endpoint)
    yield ("127.0.0.1", made.port)
    made.close()


def test_whoever_does_no_tls_comes_through_the_tunnel(endpoint, way):
    with Connection.open(way, endpoint.token) as connection:
        client = Client(connection)
        context = client.context()
        queue = client.queue(context)
        content = bytes(range(256)) * (SIZE // 64)
        buffer = client.buffer(context, content=content)
        assert client.read(queue, buffer, len(content)) == content


def test_a_refusal_comes_through_the_tunnel(way):
    with pytest.raises(errors.Unauthorized):
        Connection.open(way, "eyJ9.c2ln")


def test_what_became_of_a_session_is_told_through_the_tunnel(endpoint, way):
    with Connection.open(way, endpoint.token) as connection:
        session = connection.session
    with contextlib.suppress(errors.SessionLost):
        connection.call(m.Sync())
    asked = m.SessionQuery(endpoint.token, session)
    with socket.create_connection(way) as stream:
        stream.settimeout(10)
        stream.sendall(frame(asked))
        assert b"session-lost" in stream.recv(1 << 16)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 12, b"\x05\0\0\0" + b"\1" * 8, b""])
def test_nonsense_goes_nowhere(way, said):
    with socket.create_connection(way) as stream:
        stream.settimeout(10)
        stream.sendall(said)
        end_writing(stream)
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(100) == b""


def test_a_tunnel_to_another_node_leads_nowhere(endpoint):
    made = tunnel.Tunnel(
        EndpointRecord(
            node="n", host=endpoint.host, port=endpoint.port, token="", certificate_sha256="0" * 64
        )
    )
    with pytest.raises(errors.ReadError):
        Connection.open(("127.0.0.1", made.port), endpoint.token)
    made.close()


def test_a_lease_file_names_a_tunnel_for_each_endpoint_that_does_tls(tmp_path):
    secure = EndpointRecord(node="n1", host="h", port=1, token="t", certificate_sha256="ab" * 32)
    plain = EndpointRecord(node="n2", host="h", port=2, token="t")
    record = LeaseRecord(id="lse_1", state="active", endpoints=[secure, plain, secure])
    tunnels = tunnel.Tunnels()
    for _ in range(2):  # a renewal keeps them
        lease_file.write(tmp_path, record, ProcessReference.of(1), tunnels.port_to)
        told = json.loads((tmp_path / lease_file.NAME).read_text())["endpoints"]
    ports = [each.get("tunnel_port") for each in told]
    assert ports[0] == ports[2] > 0
    assert ports[1] is None
    socket.create_connection(("127.0.0.1", ports[0]), 5).close()
