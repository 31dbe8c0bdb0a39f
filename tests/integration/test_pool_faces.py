"""A pool whose one GPU has two faces: programs of OpenCL and of CUDA have it in turns, or parts of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

import accelpool as cl
import accelpool.cuda
import accelpool.cuda.driver as cuda
from accelpool import errors
from accelpool.cuda.compiler import SourceModule

from ..conftest import Pool, running, wait_until


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one GPU."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("pool"), backend="null-both:1"))


@pytest.fixture(scope="module")
def broker(pool):
    with cl.connect(pool.url, pool.token) as broker:
        yield broker


def test_one_gpu_is_listed_with_both_faces_and_counts_once(broker):
    faces = broker.devices()
    assert sorted(face["api"] for face in faces) == ["cuda", "null"]
    assert len({face["hardware"] for face in faces}) == 1
    assert [node["device_count"] for node in broker.nodes()] == [1]


def test_a_program_has_half_of_a_gpu_by_each_face_at_once(broker):
    x = np.arange(64, dtype=np.float32)
    with (
        broker.acquire(compute=0.5, wait=20) as ctx,
        accelpool.cuda.acquire(compute=0.5, broker=broker, wait=20),
    ):
        assert {face["free"]["compute"] for face in broker.devices()} == {0.0}
        queue = cl.CommandQueue(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
        memory = cuda.to_device(x)
        SourceModule("__global__ void nothing() {}").get_function("nothing")(block=(1, 1, 1))
        by_opencl, by_cuda = np.empty_like(x), cuda.from_device_like(memory, x)
        cl.enqueue_copy(queue, by_opencl, buffer)
        np.testing.assert_array_equal(by_opencl, x)
        np.testing.assert_array_equal(by_cuda, x)
    wait_until(lambda: {face["free"]["compute"] for face in broker.devices()} == {1.0})


def test_who_wants_the_other_face_of_a_whole_gpu_is_told_why_and_has_it_next(broker):
    got = threading.Event()

    def want():
        with accelpool.cuda.acquire(broker=broker, wait=20):
            got.set()

    with broker.acquire(wait=20) as ctx:
        with pytest.raises(errors.LeaseTimeout, match="1 leased as null"):
            accelpool.cuda.acquire(broker=broker, wait=0.1)
        waiting = threading.Thread(target=want)
        waiting.start()
        wait_until(lambda: any(lease["state"] == "queued" for lease in broker.leases()))
        assert not got.is_set()
        assert ctx.devices
    assert got.wait(20)
    waiting.join()
