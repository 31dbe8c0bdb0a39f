"""CUDA over REST on a GPU of a pool on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool_kernels import names

from ..conftest import Pool, running
from ..cuda_rest_cases import added, run_of_the_library
from ..integration.rest_client import Client, leased
from ..kernel_library import assert_agrees

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine shows no NVIDIA GPU"),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one node with this machine's GPUs through CUDA."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("cuda-pool"), backend="cuda"))


@pytest.fixture(scope="module")
def client(pool: Pool) -> Iterator[Client]:
    yield from leased(pool, api="cuda")


@pytest.mark.parametrize("name", names())
def test_a_kernel_of_the_library_agrees_with_its_twin(name: str, client: Client) -> None:
    written, arguments = run_of_the_library(client, name)
    assert_agrees(name, written, arguments)


def test_a_source_of_the_clients_own_is_launched(client: Client) -> None:
    assert added(client).tolist() == [3.5, 3.5, 1]
