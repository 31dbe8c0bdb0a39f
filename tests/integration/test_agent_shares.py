"""An agent that serves several leases on one device: their epochs, their limits, their activity."""

from __future__ import annotations

import os
import signal

import pytest

from accelpool_wire.messages import Hello

from ..conftest import wait_until
from .agent_rig import FakeBroker, Node, wait_for_exit, worker_of
from .session_rig import joining
from .test_worker_sharing import SHARE


@pytest.fixture(scope="module")
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def node(broker, tmp_path_factory):
    with Node(broker, tmp_path_factory.mktemp("agent") / "state") as node:
        yield node


@pytest.fixture
def join(node):
    """Opens sessions with tokens."""
    with joining(node) as open_one:
        yield open_one


# ---- shares -----------------------------------------------------------------------------------------


def test_sessions_of_a_lease_have_its_memory_together_also_after_one_was_killed(broker, node, join):
    token = broker.token("M1", "0", memory_bytes=SHARE, compute=0.5)
    one, other = join(token), join(token)
    one.client.buffer(one.context, SHARE)
    one.client.sync()
    assert not other.can_take(1)
    worker = worker_of(node, one.client.connection.session)
    os.kill(worker, signal.SIGKILL)
    wait_for_exit([worker])
    wait_until(lambda: other.can_take(SHARE))


def test_a_lease_that_is_made_larger_or_smaller_is_so_while_its_sessions_run(broker, join):
    token = broker.token("R1", "0", memory_bytes=SHARE, compute=0.5)
    one = join(token)
    assert not one.can_take(SHARE + 1)
    broker.resize("R1", 2 * SHARE, 0.75)
    wait_until(lambda: one.can_take(2 * SHARE))
    broker.resize("R1", SHARE // 2, 0.25)
    wait_until(lambda: not one.can_take(SHARE))
    later = join(token)  # which still says what was granted at first
    assert later.client.connection.devices[0].info[0x101F] == SHARE // 2
    assert later.can_take(SHARE // 2)


def test_whoever_waits_for_a_device_has_it_when_its_user_is_killed(broker, node, join):
    dead, other = (join(broker.token(lease, "1", compute=0.5)) for lease in ("K1", "K2"))
    dead.client.wait(dead.pause(1))
    dead.pause(60_000)
    event = other.pause(1)
    os.kill(worker_of(node, dead.client.connection.session), signal.SIGKILL)
    other.client.wait(event, timeout_s=45)


# ---- epochs -----------------------------------------------------------------------------------------


def test_of_two_new_leases_on_a_device_the_later_ones_client_may_be_first(broker, join):
    join(broker.token("E0", "2", epoch=104, compute=0.25))
    earlier = broker.token("E1", "2", epoch=105, compute=0.25, is_told=False)
    join(broker.token("E2", "2", epoch=106, compute=0.25, is_told=False))
    assert join(earlier).client.connection.is_open


def test_a_token_of_an_ended_lease_is_refused_though_the_device_is_shared(broker, node, join):
    ended = broker.token("F1", "2", epoch=201, compute=0.25)
    join(broker.token("F2", "2", epoch=202, compute=0.25))
    broker.wait_until_heard()
    broker.end("F1")
    broker.wait_until_heard()
    assert node.refusal(Hello([1], [], ended, "test")).problem == "lease-revoked"
    never = broker.token("F3", "2", epoch=200, compute=0.25, is_granted=False)
    assert node.refusal(Hello([1], [], never, "test")).problem == "stale-epoch"


def test_a_doubtful_token_is_refused_while_the_broker_cannot_be_asked(broker, node, join):
    join(broker.token("G1", "3", epoch=302, compute=0.25))
    doubtful = broker.token("G2", "3", epoch=301, compute=0.25, is_told=False)
    with broker.changed:
        broker.failures[:] = [503] * 1000
    assert node.refusal(Hello([1], [], doubtful, "test")).problem == "unavailable"
    with broker.changed:
        broker.failures.clear()
    assert join(doubtful).client.connection.is_open


# ---- activity ---------------------------------------------------------------------------------------


def test_a_report_says_how_long_each_lease_was_at_work(broker, join):
    idle, busy = join(broker.token("A1", "0", compute=0.5)), join(broker.token("A2", "0", compute=0.5))
    busy.client.wait(busy.pause(1500))
    since = len(broker.reports)
    busy.client.connection.close()
    report = broker.wait_for_report(lambda report: report["busy_s"].get("A2", 0) > 0, since)
    assert report["busy_s"]["A1"] < 0.5
    assert idle.client.connection.is_open


def test_what_a_lease_worked_is_forgotten_with_it(broker, join):
    one = join(broker.token("B1", "0", compute=0.5))
    broker.wait_for_report(lambda report: "B1" in report["busy_s"])
    one.client.connection.close()
    broker.end("B1")
    since = len(broker.reports)
    broker.wait_for_report(lambda report: "B1" not in report["busy_s"], since)
