"""Kernels that never end, and kernels that kill: each hurts its own session only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accelpool_node import control
from accelpool_wire import messages as m
from accelpool_wire.errors import LeaseRevoked, SessionLost

from ..conftest import wait_until
from .wire_client import Client
from .worker_rig import SHARE_BYTES, Target, Worker, opencl_targets

SOURCE = """
__kernel void wild(__global int *out) { *(volatile __global int *)(16) = get_global_id(0); }

__kernel void spin(__global uint *out, ulong rounds)
{
    uint x = out[0];
    for (ulong i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u;
    out[0] = x;
}
"""
FOR_EVER = (1 << 60).to_bytes(8, "little")
CPU = 1 << 1
DEVICE_TYPE = 0x1000
LIMIT_S = 10.0  # less than a client that is gone without a word is waited for

pytestmark = pytest.mark.opencl


@pytest.fixture(scope="module")
def target() -> Target:
    """The first OpenCL device that works."""
    healthy = [target for target in opencl_targets() if not target.fault]
    if not healthy:
        faults = "; ".join(f"{target.id}: {target.fault[:80]}" for target in opencl_targets())
        pytest.skip(f"no OpenCL device works here ({faults})")
    return healthy[0]


@pytest.fixture
def worker(target: Target) -> Iterator[Worker]:
    with Worker(target) as worker:
        yield worker


@pytest.fixture
def client(worker: Worker) -> Iterator[Client]:
    with worker.connect() as connection:
        yield Client(connection)


def start(client: Client, name: str, *args: bytes) -> int:
    """Launch a kernel of `SOURCE`; return its queue."""
    context = client.context()
    program = client.program(context, SOURCE)
    client.build(program)
    queue = client.queue(context)
    client.launch(queue, client.kernel(program, name), [1], client.buffer(context, 64), *args)
    client.post(m.Flush(queue))
    return queue


def test_a_kernel_that_segfaults_takes_only_its_own_session_down(
    target: Target, worker: Worker, client: Client
) -> None:
    if not client.connection.devices[0].info[DEVICE_TYPE] & CPU:
        pytest.skip(f"{target.id} is no CPU: a wild pointer does not reach the process")
    with Worker(target) as neighbour, neighbour.connect() as other:
        queue = start(client, "wild")
        with pytest.raises(SessionLost):
            client.finish(queue)
        assert worker.process.wait(LIMIT_S) < 0
        other.call(m.Sync(), LIMIT_S)


def test_a_session_is_at_work_for_as_long_as_somebody_waits(worker: Worker, client: Client) -> None:
    queue = start(client, "spin", FOR_EVER)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.finish, queue)
        wait_until(lambda: worker.heard and busy_s(worker) > 1)
        client.sync()  # and everything else goes on
        control.send(worker.agent, control.End("lease-revoked", "it takes too long"))
        with pytest.raises(LeaseRevoked):
            waiting.result(LIMIT_S)
    assert worker.ended(LIMIT_S).cause is control.Cause.ENDED


def busy_s(worker: Worker) -> float:
    last = worker.heard[-1]
    return last.busy_s if isinstance(last, control.Alive) else 0.0


@pytest.mark.parametrize("how", ["goodbye", "disconnected"])
def test_a_session_whose_kernel_never_ends_ends_with_its_client(
    worker: Worker, client: Client, how: str
) -> None:
    start(client, "spin", FOR_EVER)
    client.sync()
    if how == "goodbye":
        client.connection.close()
    else:
        client.connection._channel.shut_down()
    assert worker.ended(LIMIT_S).cause == how


def block_main_thread(client: Client) -> None:
    """Have the worker wait for memory that a kernel without end holds."""
    context = client.context()
    program = client.program(context, SOURCE)
    client.build(program)
    queue, whole = client.queue(context), client.buffer(context, SHARE_BYTES)
    client.launch(queue, client.kernel(program, "spin"), [1], whole, FOR_EVER)
    client.post(m.Flush(queue))
    client.sync()
    client.release(whole)
    client.buffer(context, SHARE_BYTES)
    client.connection.flush()


def test_a_worker_that_waits_for_a_device_still_ends_when_told_to(worker: Worker, client: Client) -> None:
    block_main_thread(client)
    control.send(worker.agent, control.End("lease-expired", "over"))
    ended = worker.ended(LIMIT_S)
    assert (ended.cause, ended.detail) == (control.Cause.ENDED, "over")


def test_a_worker_that_waits_for_a_device_still_sees_its_client_go(worker: Worker, client: Client) -> None:
    block_main_thread(client)
    client.connection._channel.shut_down()
    assert worker.ended(LIMIT_S).cause is control.Cause.DISCONNECTED


def test_a_killed_worker_frees_whoever_waits(worker: Worker, client: Client) -> None:
    queue = start(client, "spin", FOR_EVER)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.finish, queue)
        wait_until(lambda: worker.heard and busy_s(worker) > 0)
        worker.process.kill()
        with pytest.raises(SessionLost):
            waiting.result(LIMIT_S)
