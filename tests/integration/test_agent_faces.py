"""An agent whose devices have two faces: what is lent by one is taken of what the other has."""

from __future__ import annotations

import os
import signal

import pytest
import requests

from accelpool_wire.errors import Timeout
from accelpool_wire.messages import Hello

from ..conftest import wait_until
from ..metrics_rig import Exposition
from .agent_rig import FakeBroker, Node, worker_of
from .session_rig import joining
from .test_worker_sharing import SHARE

OPENCL, CUDA, OTHER = "null/null-0", "null-cuda/null-cuda-0", "null-cuda/null-cuda-1"


@pytest.fixture(scope="module")
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def node(broker, tmp_path_factory):
    state = tmp_path_factory.mktemp("agent") / "state"
    with Node(broker, state, "--backend", "null-both:2", "--metrics", "127.0.0.1:0") as node:
        yield node


@pytest.fixture
def join(node):
    """Opens sessions with tokens."""
    with joining(node) as open_one:
        yield open_one


def test_a_node_tells_the_broker_which_devices_are_the_same_hardware(broker, node):
    told = {
        device["name"]: (device["api"], device["hardware"]) for device in broker.registrations[0]["devices"]
    }
    assert told == {
        "null/null-0": ("null", "0000:00:00"),
        "null/null-1": ("null", "0000:01:00"),
        "null-cuda/null-cuda-0": ("cuda", "0000:00:00"),
        "null-cuda/null-cuda-1": ("cuda", "0000:01:00"),
    }
    assert node.ready["devices"] == 2


def test_leases_of_both_faces_have_their_own_memory_each(broker, join):
    one = join(broker.token("M1", OPENCL, memory_bytes=SHARE, compute=0.5))
    other = join(broker.token("M2", CUDA, memory_bytes=SHARE // 2, compute=0.5))
    one.client.buffer(one.context, SHARE)
    one.client.sync()
    assert not one.can_take(1)
    assert other.can_take(SHARE // 2)
    assert not other.can_take(SHARE // 2 + 1)


def test_metrics_tell_of_both_faces_what_leases_have_of_the_hardware(broker, node, join):
    one = join(broker.token("T1", OPENCL, memory_bytes=SHARE, compute=0.5))
    one.client.buffer(one.context, SHARE)
    one.client.sync()
    told = Exposition(requests.get(f"http://127.0.0.1:{node.ready['metrics_port']}/metrics", timeout=60).text)
    for name in ("leases", "memory_limit_bytes", "memory_allocated_bytes", "compute_limit_ratio"):
        faces = [
            value
            for labels, value in told.of("accelpool_agent_device_" + name)
            if labels["hardware"] == "0000:00:00"
        ]
        assert len(faces) == 2
        assert faces[0] == faces[1] > 0


def first_that_waits(member):
    """Return the first command of a session that somebody else's keeps from running."""
    for _ in range(100):
        event = member.pause(0)
        try:
            member.client.wait(event, timeout_s=0.5)
        except Timeout:
            return event
    pytest.fail("nothing has to wait")


def test_whoever_waits_for_one_face_has_its_turn_when_the_user_of_the_other_is_killed(broker, node, join):
    dead = join(broker.token("K1", OPENCL, compute=0.5))
    waiting = join(broker.token("K2", CUDA, compute=0.5))
    elsewhere = join(broker.token("K3", OTHER, compute=0.5))
    dead.client.wait(dead.pause(1))
    dead.pause(60_000)
    event = first_that_waits(waiting)
    elsewhere.client.wait(elsewhere.pause(0), timeout_s=45)
    os.kill(worker_of(node, dead.client.connection.session), signal.SIGKILL)
    waiting.client.wait(event, timeout_s=45)


def test_a_lease_of_one_face_that_is_resized_is_so_though_the_other_is_lent_too(broker, join):
    join(broker.token("R1", OPENCL, memory_bytes=SHARE, compute=0.5))
    resized = join(broker.token("R2", CUDA, memory_bytes=SHARE, compute=0.25))
    broker.resize("R2", 2 * SHARE, 0.5)
    wait_until(lambda: resized.can_take(2 * SHARE))


def test_a_token_of_a_face_is_stale_once_the_other_was_granted_later(broker, node, join):
    join(broker.token("E2", CUDA, epoch=500, compute=0.25))
    before = broker.token("E1", OPENCL, epoch=499, is_granted=False)
    assert node.refusal(Hello([1], [], before, "test")).problem == "stale-epoch"
