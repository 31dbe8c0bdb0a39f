"""What fails, who notices, what is kept: real processes killed in the middle of real work."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors
from accelpool.rest import RestClient
from accelpool_wire import messages as m
from accelpool_wire.client import Connection

SLOW = """
__kernel void slow(__global float *out, int rounds) {
    float x = get_global_id(0);
    for (int i = 0; i < rounds; ++i) x = x * 1.0000001f + 1.0f;
    out[get_global_id(0)] = x;
}
"""
WILD = "__kernel void wild(__global int *out) { *(volatile __global int *)(16) = get_global_id(0); }"

pytestmark = pytest.mark.opencl


def long_launch(ctx):
    """Have the device at work for a few seconds; return the queue."""
    queue = cl.CommandQueue(ctx)
    program = cl.Program(ctx, SLOW).build()
    out = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 4096)
    program.slow(queue, (1024,), None, out, np.int32(1_000_000_000))
    queue.flush()
    return queue


def double(ctx):
    """Compute something real and check it."""
    queue = cl.CommandQueue(ctx)
    host = np.arange(1000, dtype=np.float32)
    buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=host)
    program = cl.Program(ctx, "__kernel void twice(__global float *a) { a[get_global_id(0)] *= 2; }").build()
    program.twice(queue, host.shape, None, buffer)
    result = np.empty_like(host)
    cl.enqueue_copy(queue, result, buffer)
    np.testing.assert_array_equal(result, 2 * host)


def active(broker):
    """The one active lease."""
    (lease,) = [lease for lease in broker.leases() if lease["state"] == "active"]
    return lease


@pytest.fixture
def pool(own_opencl_pool):
    return own_opencl_pool


@pytest.fixture
def broker(pool):
    with cl.connect(pool.url, pool.token) as broker:
        yield broker


def test_a_killed_worker_ends_its_session_with_a_reason_and_the_device_is_granted_again(pool, broker):
    ctx = broker.acquire("cpu", wait=60)
    queue = long_launch(ctx)
    pool.kill_workers()
    with pytest.raises(errors.SessionLost, match="killed by signal 9"):
        queue.finish()
    ctx.release()
    with broker.acquire("cpu", wait=60) as ctx:
        double(ctx)


def opens(address, token):
    try:
        Connection.open(address, token).close()
    except errors.Unavailable:
        return False
    return True


def test_a_lease_outlives_its_worker_and_opens_a_new_session(pool, wait_until):
    rest = RestClient(pool.url, pool.token)
    lease = rest.request(
        "POST", "/leases", json={"kind": "cpu", "ttl_s": 3600}, params={"wait_s": 25}, wait_s=25
    ).body
    (endpoint,) = lease["endpoints"]
    address, token = (endpoint["host"], endpoint["port"]), endpoint["token"]
    with Connection.open(address, token) as connection:
        pool.kill_workers()
        with pytest.raises(errors.SessionLost):
            connection.call(m.Sync(), 60)
    wait_until(lambda: opens(address, token))  # the warm workers were killed, too
    rest.request("DELETE", f"/leases/{lease['id']}")
    rest.close()


def test_a_kernel_that_segfaults_takes_down_its_own_session_only(pool, broker):
    with broker.acquire("cpu", wait=60) as ctx:
        queue = cl.CommandQueue(ctx)
        out = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 64)
        cl.Program(ctx, WILD).build().wild(queue, (16,), None, out)
        with pytest.raises(errors.SessionLost, match="signal 11"):
            queue.finish()
    with broker.acquire("cpu", wait=60) as ctx:
        double(ctx)


def test_a_killed_agent_ends_its_sessions_and_leaves_no_process(pool, broker, wait_until):
    ctx = broker.acquire("cpu", wait=60)
    queue = long_launch(ctx)
    workers = pool.workers()
    pool.agent.kill()
    with pytest.raises(errors.SessionLost, match="agent"):
        queue.finish()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))
    pool.start_agent()
    with broker.acquire("cpu", wait=60) as ctx:
        double(ctx)


def test_sessions_go_on_while_the_broker_is_away_and_leases_after_it_is_back(pool, broker, wait_until):
    with broker.acquire("cpu", wait=60, ttl=16) as ctx:
        pool.broker.kill()
        double(ctx)
        pool.restart_broker()
        double(ctx)
        before = active(broker)["expires_at"]  # 15 s after the restart; a renewal makes it 16 s
        wait_until(lambda: active(broker)["expires_at"] > before)
        double(ctx)
    assert not [lease for lease in broker.leases() if lease["state"] == "active"]
    with broker.acquire("cpu", wait=60) as ctx:
        double(ctx)


def test_a_client_that_dies_gives_its_device_back(pool, broker):
    child = os.fork()
    if not child:
        cl.connect(pool.url, pool.token).acquire("cpu", wait=60, ttl=3600)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with broker.acquire("cpu", wait=60) as ctx:  # its lease would go on for an hour
        double(ctx)
