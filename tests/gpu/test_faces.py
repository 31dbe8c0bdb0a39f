"""A GPU of this machine by both its faces, where NVIDIA's OpenCL and CUDA both show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import accelpool as cl
import accelpool.cuda
import accelpool.cuda.driver as cuda
from accelpool import errors
from accelpool.cuda.compiler import SourceModule

from ..conftest import Pool, running

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine shows no NVIDIA GPU"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cl.Broker]:
    """A pool of one node with all that this machine's drivers show."""
    for pool in running(Pool(folder=tmp_path_factory.mktemp("faces-pool"), backend="auto")):
        with cl.connect(pool.url, pool.token) as broker:
            yield broker


@pytest.fixture(scope="module")
def faces(broker: cl.Broker) -> dict[str, str]:
    """The ids of two faces of a GPU, by API."""
    found: dict[str, dict[str, str]] = {}
    for device in broker.devices():
        if not device["fault"]:
            found.setdefault(device["hardware"], {})[device["api"]] = device["id"]
    both = [ids for ids in found.values() if ids.keys() >= {"opencl", "cuda"}]
    if not both:
        pytest.skip("no GPU works here both by OpenCL and by CUDA")
    return both[0]


def test_both_faces_compute_at_once_in_a_half_each(broker: cl.Broker, faces: dict[str, str]) -> None:
    x = np.arange(1000, dtype=np.float32)
    with (
        broker.acquire(device=faces["opencl"], compute=0.5, wait=20) as ctx,
        accelpool.cuda.acquire(broker=broker, device=faces["cuda"], compute=0.5, wait=20),
    ):
        program = cl.Program(
            ctx, "__kernel void doubled(__global float *x) { x[get_global_id(0)] *= 2; }"
        ).build()
        module = SourceModule("__global__ void tripled(float *x) { x[threadIdx.x] *= 3; }")
        queue = cl.CommandQueue(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
        memory = cuda.to_device(x)
        program.doubled(queue, x.shape, None, buffer)
        module.get_function("tripled")(memory, block=(1000, 1, 1))
        doubled = np.empty_like(x)
        cl.enqueue_copy(queue, doubled, buffer)
        np.testing.assert_array_equal(doubled, 2 * x)
        np.testing.assert_array_equal(cuda.from_device_like(memory, x), 3 * x)


def test_one_face_is_refused_while_the_other_is_had_whole(broker: cl.Broker, faces: dict[str, str]) -> None:
    with (
        broker.acquire(device=faces["opencl"], wait=20),
        pytest.raises(errors.LeaseTimeout, match="1 leased as opencl"),
    ):
        accelpool.cuda.acquire(broker=broker, device=faces["cuda"], wait=0.1)
