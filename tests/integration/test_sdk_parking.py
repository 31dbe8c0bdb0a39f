"""Parked leases on a pool of null devices: other devices, other nodes, other processes."""

import os
import threading

import pytest

import accelpool as cl
from accelpool import errors
from accelpool.parking import ParkableLease

KEEP_BYTES = 1 << 20


@pytest.fixture
def broker(two_node_pool):
    with cl.connect(two_node_pool.url, two_node_pool.token) as broker:
        yield broker


def test_a_parked_lease_comes_back_on_another_device_of_the_same_model(broker):
    lease = ParkableLease(broker, wait=10)
    device, queue = lease.context.devices[0], cl.CommandQueue(lease.context)
    before, first = device.pool_id, lease.context.lease.id
    queues = {device: queue}
    lease.park(KEEP_BYTES)
    with broker.acquire(device=before, wait=10):
        queue.finish()
        assert device.pool_id not in ("", before)
        assert lease.context.lease.shares[0].device == device.pool_id
    assert lease.context.lease.id != first
    assert queues[lease.context.devices[0]] is queue
    lease.context.release()


def test_costs_are_counted_on_across_a_parking(broker):
    lease = ParkableLease(broker, wait=10)
    queue = cl.CommandQueue(lease.context)
    queue.finish()
    before = lease.context.stats
    lease.park(KEEP_BYTES)
    queue.finish()
    assert (lease.context.stats - before).by_call["Finish"].round_trips >= 2
    lease.context.release()


def test_a_lease_that_is_not_granted_in_time_stays_parked(broker):
    lease = ParkableLease(broker, wait=1)
    queue = cl.CommandQueue(lease.context)
    lease.park(KEEP_BYTES)
    others = [broker.acquire(device=device["id"], wait=10) for device in broker.devices()]
    with pytest.raises(errors.LeaseTimeout):
        queue.finish()
    assert lease.is_parked
    for other in others:
        other.release()
    queue.finish()
    assert not lease.is_parked
    lease.context.release()


def test_a_lease_that_is_released_while_it_waits_for_a_device_takes_none(broker, wait_until):
    lease = ParkableLease(broker, wait=10)
    queue, said = cl.CommandQueue(lease.context), []
    lease.park(KEEP_BYTES)
    others = [broker.acquire(device=device["id"], wait=10) for device in broker.devices()]
    thread = threading.Thread(target=lambda: said.append(failure_of(queue.finish)))
    thread.start()
    wait_until(lambda: "queued" in states(broker))
    lease.context.release()
    for other in others:
        other.release()
    thread.join(10)
    assert isinstance(said[0], errors.SessionLost)
    assert not {"queued", "active"} & set(states(broker))


def failure_of(call):
    try:
        call()
    except errors.AccelpoolError as error:
        return error


def states(broker):
    return [lease["state"] for lease in broker.leases()]


def test_content_is_let_go_with_a_lease_that_is_released_while_it_is_parked(broker):
    lease = ParkableLease(broker, wait=10)
    buffer = cl.Buffer(lease.context, cl.mem_flags.READ_WRITE, 4096)
    lease.park(KEEP_BYTES)
    assert lease.kept_bytes == buffer.size
    lease.context.release()
    assert lease.kept_bytes == 0


def test_a_lease_over_several_nodes_is_not_parked(broker):
    lease = ParkableLease(broker, count=2, placement="spread", wait=10)
    with pytest.raises(errors.ParkingError, match="several nodes"):
        lease.park(KEEP_BYTES)
    cl.CommandQueue(lease.context).finish()
    lease.context.release()


def test_a_lease_that_nothing_refers_to_is_given_back(broker, wait_until):
    lease = ParkableLease(broker, wait=10)
    id = lease.context.lease.id
    del lease
    wait_until(lambda: {each["id"]: each["state"] for each in broker.leases()}[id] == "released")


def test_a_forked_process_does_not_take_the_parked_lease_up(broker):
    lease = ParkableLease(broker, wait=10)
    queue = cl.CommandQueue(lease.context)
    lease.park(KEEP_BYTES)
    child = os.fork()
    if not child:
        try:
            queue.finish()
        except errors.ParkingError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    queue.finish()
    lease.context.release()
