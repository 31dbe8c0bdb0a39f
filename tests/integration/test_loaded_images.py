"""Which binary a device is loaded with: kept by the agent beyond sessions."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator

import msgspec
import pytest

from accelpool_node import control
from accelpool_wire import messages as m
from accelpool_wire.client import Connection

from .agent_rig import FakeBroker, Node, worker_of
from .wire_client import Client

SOURCE = "__kernel void twice(__global float *a) { a[get_global_id(0)] *= 2; }"
OTHER = SOURCE.replace("twice", "thrice").replace("2;", "3;")


def image_of(binary: bytes) -> str:
    return hashlib.sha256(binary).hexdigest()


def load(connection: Connection, binary: bytes) -> None:
    client = Client(connection)
    client.build(client.program_from_binary(client.context(), binary))


@pytest.mark.parametrize("sha256", ["", "f" * 63, "f" * 65, "F" * 64, "f" * 63 + "\n", "f" * 64 + "\n"])
def test_what_is_no_hash_is_no_message(sha256: str) -> None:
    packet = msgspec.json.encode({"type": "loaded", "device": "d", "sha256": sha256})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(packet, type=control.ToAgent)


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as broker:
        yield broker


def session(broker: FakeBroker, node: Node, lease: str, *devices: str) -> Connection:
    address = (node.ready["host"], node.ready["port"])
    return Connection.open(address, broker.token(lease, *devices))


def images(report: dict) -> dict[str, str]:
    return {device: image["sha256"] for device, image in report["loaded_images"].items()}


def test_an_agent_reports_what_is_loaded_beyond_the_session_until_another_is(
    broker: FakeBroker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = {"null/null-2": image_of(SOURCE.encode())}, {"null/null-2": image_of(OTHER.encode())}
    with Node(broker, tmp_path_factory.mktemp("images") / "state") as node:
        with session(broker, node, "L1", "1", "2") as connection:
            client = Client(connection)
            program, content = client.new(), SOURCE.encode()
            client.post(
                m.CreateProgramWithBinary(program, client.context([0, 1]), [1], [len(content)]), content
            )
            client.connection.ask(m.BuildProgram(program, []), m.Built, 30)
            broker.wait_for_report(lambda report: report["sessions"] and images(report) == first)
        broker.wait_for_report(lambda report: report["ended"] and images(report) == first)
        since = len(broker.reports)
        with session(broker, node, "L2", "2") as connection:
            load(connection, OTHER.encode())
        broker.wait_for_report(lambda report: images(report) == second, since)


def test_a_crash_leaves_nobody_knowing_what_is_loaded(
    broker: FakeBroker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        Node(broker, tmp_path_factory.mktemp("images") / "state") as node,
        session(broker, node, "L1", "0") as connection,
    ):
        load(connection, SOURCE.encode())
        broker.wait_for_report(images)
        os.kill(worker_of(node, connection.session), signal.SIGKILL)
        broker.wait_for_report(lambda report: report["ended"] and not images(report))
