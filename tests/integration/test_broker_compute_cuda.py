"""CUDA over REST on null devices, which compute nothing: the whole way of the requests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from accelpool_kernels import names

from ..conftest import Pool, running
from ..cuda_rest_cases import added, run_of_the_library
from .rest_client import Client, leased


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one null device that speaks CUDA."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("null-cuda-pool"), backend="null-cuda:1"))


@pytest.fixture
def client(pool: Pool) -> Iterator[Client]:
    yield from leased(pool, api="cuda")


@pytest.mark.parametrize("name", names())
def test_a_kernel_of_the_library_is_cudas_and_knows_its_sizes(name: str, client: Client) -> None:
    written, arguments = run_of_the_library(client, name)
    assert all(np.array_equal(array, arguments[key]) for key, array in written.items())


def test_a_source_of_the_clients_own_is_launched(client: Client) -> None:
    assert added(client).tolist() == [1, 1, 1]


def test_shared_memory_comes_after_the_parameters(client: Client) -> None:
    source = "__global__ void f(int n) { }"
    program = client.make("/programs", {"source": source})["id"]
    launch = {"program": program, "kernel": "f", "global_size": [32]}
    shared, number = {"local_bytes": 64}, {"type": "int", "value": 1}
    assert client.make("/launches", launch | {"args": [number, shared]})["status"] == "complete"
    for args in ([shared], [number, shared, shared], [number, number]):
        answer = client.at("POST", "/launches", json=launch | {"args": args})
        assert (answer.status_code, "takes 1 arguments" in answer.json()["detail"]) == (422, True)


def test_a_value_needs_its_type(client: Client) -> None:
    program = client.make("/programs", {"source": "__global__ void f(int n) { }"})["id"]
    launch = {"program": program, "kernel": "f", "global_size": [32], "args": [{"value": 1}]}
    answer = client.at("POST", "/launches", json=launch)
    assert (answer.status_code, "a value needs its type" in answer.json()["detail"]) == (422, True)
