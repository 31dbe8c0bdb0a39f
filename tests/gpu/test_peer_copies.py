"""Copies between contexts on GPUs: on a node with several between these, elsewhere within one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelpool
import accelpool.cuda
import accelpool.cuda.driver as cuda
from accelpool.cuda.compiler import SourceModule

from ..conftest import Pool, running

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine shows no NVIDIA GPU"),
]
ADD = "__global__ void add(int *x, int n) { for (int i = threadIdx.x; i < n; i += blockDim.x) x[i] += 1; }"
COUNT = 1 << 22


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A pool of this machine's GPUs."""
    for pool in running(Pool(folder=tmp_path_factory.mktemp("peers-pool"), backend="cuda")):
        with accelpool.connect(pool.url, pool.token) as broker:
            yield broker


def add_and_pass_on(contexts: list[Any]) -> np.ndarray:
    """Numbers after each context has added 1 to them, again and again, without a wait in between."""
    memories, kernels = [], []
    for context in contexts:
        context.push()
        memories.append(cuda.mem_alloc(4 * COUNT))
        kernels.append(SourceModule(ADD).get_function("add"))
        context.pop()
    contexts[0].push()
    cuda.memset_d32(memories[0], 0, COUNT)
    contexts[0].pop()
    here = 0
    for turn in range(10):
        kernels[here](memories[here], np.int32(COUNT), block=(256, 1, 1))
        there = (turn + 1) % len(contexts)
        cuda.memcpy_peer(memories[there], memories[here], 4 * COUNT, contexts[there], contexts[here])
        here = there
    contexts[here].push()
    got = cuda.from_device(memories[here], COUNT, np.int32)
    contexts[here].pop()
    return got


def test_several_devices_of_one_lease_pass_memory_on(broker: Any) -> None:
    if len(broker.devices()) < 2:
        pytest.skip("this machine has one GPU")
    contexts = accelpool.cuda.acquire_all(broker=broker, count=2, wait=60)
    try:
        trips = contexts[0].round_trips
        np.testing.assert_array_equal(add_and_pass_on(contexts), np.full(COUNT, 10))
        assert contexts[0].round_trips - trips < 10, "copies do not wait"
    finally:
        for context in contexts:
            context.detach()


def test_leases_of_one_device_pass_memory_on_by_way_of_the_client(broker: Any) -> None:
    with (
        accelpool.cuda.acquire(broker=broker, memory="1GiB", wait=60) as one,
        accelpool.cuda.acquire(broker=broker, memory="1GiB", wait=60) as other,
    ):
        np.testing.assert_array_equal(add_and_pass_on([one, other]), np.full(COUNT, 10))
