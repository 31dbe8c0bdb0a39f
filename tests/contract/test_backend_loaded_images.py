"""Which binary a device is loaded with, as every worker tells its agent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from accelpool_node import control
from accelpool_wire.errors import Error

from ..conftest import wait_until
from ..integration.wire_client import Client
from ..integration.worker_rig import Target, Worker

SOURCE = "__kernel void twice(__global float *a) { a[get_global_id(0)] *= 2; }"


@pytest.fixture
def worker(target: Target) -> Iterator[Worker]:
    with Worker(target) as worker:
        yield worker


def loaded(worker: Worker) -> list[tuple[str, str]]:
    heard = [message for message in worker.heard if isinstance(message, control.Loaded)]
    return [(message.device, message.sha256) for message in heard]


def test_a_binary_that_is_built_is_told_and_its_source_is_not(worker: Worker) -> None:
    with worker.connect() as connection:
        client = Client(connection)
        context = client.context()
        program = client.program(context, SOURCE)
        client.build(program)
        (binary,) = connection.fetch_binaries(program)
        assert loaded(worker) == []
        client.build(client.program_from_binary(context, binary))
        expected = [(worker.target.device, hashlib.sha256(binary).hexdigest())]
        wait_until(lambda: loaded(worker) == expected)  # while the session goes on
    worker.ended()
    assert loaded(worker) == expected


def test_a_binary_loaded_right_before_the_end_is_told_too(worker: Worker) -> None:
    with worker.connect() as connection:
        client = Client(connection)
        context = client.context()
        program = client.program(context, SOURCE)
        client.build(program)
        (binary,) = connection.fetch_binaries(program)
        client.build(client.program_from_binary(context, binary))
    worker.ended()
    assert loaded(worker) == [(worker.target.device, hashlib.sha256(binary).hexdigest())]


def test_a_binary_that_is_not_built_or_none_is_not_told(worker: Worker) -> None:
    with worker.connect() as connection:
        client = Client(connection)
        client.program_from_binary(client.context(), SOURCE.encode())
        nonsense = client.program_from_binary(client.context(), b"certainly not a binary" * 10)
        with pytest.raises(Error):
            client.build(nonsense)
    worker.ended()
    assert loaded(worker) == []
