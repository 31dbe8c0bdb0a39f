"""Builders as processes: what dies costs its own session a build of its own, and nobody else anything."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading

import pytest

from accelpool_node import control
from accelpool_node.backends.null import NullBackend
from accelpool_node.builder import messages as b
from accelpool_wire.client import Connection

from ..conftest import children, command, wait_until
from .agent_rig import FakeBroker, Node, wait_for_exit
from .builder_rig import Builder
from .wire_client import Client
from .worker_rig import NULL_TARGET, Worker

SOURCE = "__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }"
LIMIT_S = 60.0


@pytest.fixture
def builder():
    with Builder(NULL_TARGET) as builder:
        yield builder


def build(client: Client, source: str = SOURCE) -> list[str]:
    return [kernel.name for kernel in client.build(client.program(client.context(), source)).kernels]


def in_thread(function) -> tuple[threading.Thread, list]:
    result: list = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    return thread, result


def test_a_builder_killed_in_the_middle_of_a_build_leaves_it_to_the_worker(builder):
    connect = [builder.connect]
    with Worker(NULL_TARGET, connect_builder=lambda: connect[0]()) as worker, worker.connect() as connection:
        client = Client(connection)
        os.kill(builder.spare(), signal.SIGSTOP)
        building, names = in_thread(lambda: build(client))
        wait_until(lambda: builder_wanted(worker))
        builder.kill()
        building.join(LIMIT_S)
        assert names == [["twice"]]
        with Builder(NULL_TARGET) as another:
            connect[0] = another.connect
            assert build(client) == ["twice"]
            assert another.counts().misses == 1


def builder_wanted(worker: Worker) -> bool:
    return any(isinstance(message, control.WantBuilder) for message in worker.heard)


def test_a_compiler_that_crashes_costs_its_own_build_alone(builder):
    with Worker(NULL_TARGET, connect_builder=builder.connect) as worker, worker.connect() as connection:
        client = Client(connection)
        victim = builder.spare()
        os.kill(victim, signal.SIGSTOP)
        building, names = in_thread(lambda: build(client))
        wait_until(lambda: len(builder.compilers()) == 2)  # the next one is there: this one was taken
        os.kill(victim, signal.SIGKILL)
        building.join(LIMIT_S)
        assert names == [["twice"]]
        assert builder.counts().declined == 1
        assert build(client) == ["twice"]
        assert builder.counts().misses == 1


def test_a_compiler_makes_one_build_and_leaves_nothing(builder):
    with contextlib.closing(builder.connect()) as connection:
        first, (folder,) = builder.spare(), builder.folders()
        build = b.Build(devices=[b.identify(NullBackend(1).devices()[0])], source=SOURCE, options="")
        b.send(connection, b.encode(build))
        assert isinstance(b.decode_answer(b.receive(connection, b.MAX_PRODUCT_BYTES)), b.Product)
        wait_for_exit([first])
    wait_until(lambda: not (builder.folder / folder).exists())


def test_a_builder_ends_with_its_agent_and_leaves_no_process(builder):
    wait_until(builder.compilers)
    left = [builder.process.pid, builder.nursery(), *builder.compilers()]
    builder.agent.shutdown(socket.SHUT_RDWR)
    wait_for_exit(left)


def test_a_builder_whose_nursery_dies_ends(builder):
    os.kill(builder.nursery(), signal.SIGKILL)
    assert builder.process.wait(LIMIT_S) == 1


def test_a_worker_without_a_builder_builds_for_itself():
    with Worker(NULL_TARGET) as worker, worker.connect() as connection:
        assert build(Client(connection)) == ["twice"]
        assert builder_wanted(worker)


def test_a_worker_whose_builder_talks_nonsense_builds_for_itself():
    ours, theirs = socket.socketpair()
    with Worker(NULL_TARGET, connect_builder=lambda: theirs) as worker, worker.connect() as connection, ours:
        ours.sendall(b.LENGTH.pack(8) + b"nonsense")
        assert build(Client(connection)) == ["twice"]


def test_a_worker_whose_builder_sends_binaries_that_do_not_load_builds_for_itself():
    product = b.encode(b.Product(kernels=[], logs=[""], binaries=[b"no kernel"]))
    ours, theirs = socket.socketpair()
    with Worker(NULL_TARGET, connect_builder=lambda: theirs) as worker, worker.connect() as connection, ours:
        b.send(ours, product)
        assert build(Client(connection)) == ["twice"]


# ---- with an agent ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def node(broker, tmp_path):
    with Node(broker, tmp_path / "state") as node:
        yield node


def builders_of(node: Node) -> list[int]:
    return [pid for pid in node.children() if "accelpool_node.builder" in command(pid)]


def logged(node: Node, text: str) -> int:
    return node.log.read_text().count(text)


@contextlib.contextmanager
def session(node: Node, token: str):
    with Connection.open((node.ready["host"], node.ready["port"]), token) as connection:
        yield Client(connection)


def test_two_sessions_of_two_leases_share_the_builder_of_their_node(broker, node):
    with session(node, broker.token("B0", "0")):
        wait_until(lambda: logged(node, "serves null-0"))
    for lease in ("B1", "B2"):
        with session(node, broker.token(lease, "0")) as client:
            assert build(client) == ["twice"]
    wait_until(lambda: logged(node, "1 hits, 1 misses, 0 left to workers; keeps 1 products"))


def test_sessions_build_while_the_builder_is_dead_and_through_its_successor(broker, node):
    with session(node, broker.token("B3", "0")) as client:
        wait_until(lambda: logged(node, "serves null-0"))
        assert build(client) == ["twice"]
        os.kill(builders_of(node)[0], signal.SIGKILL)
        assert build(client, f"{SOURCE} ") == ["twice"]
        wait_until(lambda: logged(node, "serves null-0") == 2)
        assert build(client) == ["twice"]
    wait_until(lambda: logged(node, "0 hits, 1 misses"))


def test_no_builder_runs_before_the_first_session_nor_after_the_agent(broker, node):
    assert not builders_of(node)
    with session(node, broker.token("B4", "0")):
        wait_until(lambda: logged(node, "serves null-0"))
        (builder,) = builders_of(node)
        (nursery,) = children(builder)
    node.process.kill()
    wait_for_exit([builder, nursery])
