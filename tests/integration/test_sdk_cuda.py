"""PyCUDA's names against a real broker and agent with null CUDA devices: the whole path but a GPU."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest

import accelpool as cl
import accelpool.cuda
import accelpool.cuda.driver as cuda
from accelpool import errors
from accelpool.cuda.compiler import SourceModule

from ..conftest import Pool, running

SOURCE = """
__constant__ float table[64];
__device__ int counter;
__global__ void scale(float *x, float a, int n) {}
__global__ void nothing() {}
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two devices."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("null-cuda-pool"), backend="null-cuda:2"))


@pytest.fixture(scope="module")
def broker(pool):
    with cl.connect(pool.url, pool.token) as broker:
        yield broker


@pytest.fixture
def context(broker):
    with accelpool.cuda.acquire(broker=broker, wait=20) as context:
        yield context


def states(broker):
    return {lease["id"]: lease["state"] for lease in broker.leases()}


def test_memory_is_written_copied_filled_and_read_by_address(context):
    x = np.arange(1000, dtype=np.float32)
    memory, other = cuda.mem_alloc(x.nbytes), cuda.mem_alloc(x.nbytes)
    cuda.memcpy_htod(memory, x)
    cuda.memcpy_dtod(other, memory, x.nbytes)
    cuda.memset_d32(int(other) + 40, 0, 10)
    got = np.empty_like(x)
    cuda.memcpy_dtoh(got, other)
    x[10:20] = 0
    np.testing.assert_array_equal(got, x)
    assert cuda.from_device(int(memory) + 400, 1, np.float32)[0] == 100


def test_an_address_is_the_devices(context):
    memory = cuda.mem_alloc(16)
    assert int(memory) > 4096
    assert cuda.mem_get_address_range(int(memory) + 15) == (int(memory), 16)


def test_a_module_launches_and_tells_its_attributes(context):
    module = SourceModule(SOURCE)
    scale = module.get_function("scale")
    memory = cuda.mem_alloc(4000)
    before = context.round_trips
    for _ in range(10):
        scale(memory, np.float32(2), np.int32(1000), grid=(8, 1), block=(128, 1, 1), shared=256)
        scale(memory, np.float32(2), np.int32(1000), grid=(8, 1), block=(128, 1, 1))
    module.get_function("nothing")(block=(1, 1, 1), shared=16)
    assert context.round_trips == before
    cuda.Context.synchronize()
    assert scale.max_threads_per_block == 1024
    target = np.zeros(4, np.float32)
    scale(cuda.InOut(target), np.float32(1), np.int32(4), block=(4, 1, 1))
    scale.prepare("Pfi").prepared_call((1, 1), (4, 1, 1), memory, 1.0, 4)
    cuda.Context.synchronize()


def test_attributes_of_a_function_are_set_or_refused_at_once(context):
    scale = SourceModule(SOURCE).get_function("scale")
    scale.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 65536)
    assert scale.max_dynamic_shared_size_bytes == 65536
    with pytest.raises(cuda.LogicError, match="invalid value"):
        scale.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 65537)
    with pytest.raises(cuda.LogicError, match="invalid value"):
        scale.set_attribute(cuda.function_attribute.NUM_REGS, 8)
    scale.set_cache_config(cuda.func_cache.PREFER_SHARED)
    assert scale.max_dynamic_shared_size_bytes == 65536


def test_a_launch_with_too_few_parameters_is_told_later_as_cudas_error(context):
    scale = SourceModule(SOURCE).get_function("scale")
    scale(block=(1, 1, 1))
    with pytest.raises(cuda.LogicError, match="invalid value"):
        cuda.Context.synchronize()
    cuda.Context.synchronize()


def test_variables_are_memory(context):
    module = SourceModule(SOURCE)
    address, size = module.get_global("table")
    assert size == 256
    cuda.memcpy_htod(address + 8, np.float32(3))
    np.testing.assert_array_equal(cuda.from_device(address, 4, np.float32), [0, 0, 3, 0])
    assert module.get_global("counter")[1] == 4
    with pytest.raises(cuda.LogicError, match="not found"):
        module.get_global("other")


def test_what_does_not_compile_says_why(context):
    with pytest.raises(cuda.CompileError, match="no kernel in the source"):
        SourceModule("int x")
    cubin = accelpool.cuda.compiler.compile(SOURCE)
    cuda.module_from_buffer(cubin).get_function("scale")


def test_streams_are_ordered_and_events_have_times(context):
    streams = [cuda.Stream(), cuda.Stream(1)]
    memory = cuda.mem_alloc(1 << 20)
    start, end = cuda.Event().record(), cuda.Event()
    for turn in range(20):
        cuda.memset_d32_async(memory, turn, 1 << 18, streams[turn % 2])
        cuda.memset_d32(memory, turn, 1 << 18)
    end.record(streams[0]).synchronize()
    assert end.time_since(start) >= 0
    assert end.query()
    streams[1].wait_for_event(end)
    got = cuda.pagelocked_empty(4, np.int32)
    cuda.memcpy_dtoh_async(got, memory, streams[1])
    streams[1].synchronize()
    assert streams[1].is_done()
    np.testing.assert_array_equal(got, [19] * 4)


def test_rectangles_go_and_come_back(context):
    x = np.arange(64 * 48, dtype=np.float32).reshape(64, 48)
    memory, pitch = cuda.mem_alloc_pitch(x.shape[1] * 4, x.shape[0], 4)
    copy = cuda.Memcpy2D()
    copy.set_src_host(x)
    copy.set_dst_device(memory)
    copy.width_in_bytes = copy.src_pitch = x.strides[0]
    copy.dst_pitch, copy.height = pitch, x.shape[0]
    copy(aligned=True)
    got = np.zeros((8, 4), np.float32)
    back = cuda.Memcpy2D()
    back.set_src_device(memory)
    back.src_pitch, back.src_y, back.src_x_in_bytes = pitch, 5, 12
    back.set_dst_host(got)
    back.dst_pitch = back.width_in_bytes = 16
    back.height = 8
    back(aligned=True)
    np.testing.assert_array_equal(got, x[5:13, 3:7])


def test_devices_of_one_lease_copy_to_each_other_on_their_node(broker):
    one, other = accelpool.cuda.acquire_all(broker=broker, count=2, wait=20)
    assert one.lease.id == other.lease.id
    x = np.arange(1000, dtype=np.float32)
    source = cuda.to_device(x)
    other.push()
    target = cuda.mem_alloc(x.nbytes)
    other.pop()
    trips = one.round_trips
    cuda.memcpy_peer(target, source, x.nbytes, other, one)
    cuda.memset_d8(source, 0, x.nbytes)
    assert one.round_trips == trips
    other.push()
    np.testing.assert_array_equal(cuda.from_device_like(target, x), x)
    other.pop()
    other.detach()
    assert states(broker)[one.lease.id] == "active"
    one.detach()
    assert states(broker)[one.lease.id] == "released"


def test_devices_of_two_leases_copy_to_each_other_by_way_of_this_process(broker):
    with accelpool.cuda.acquire(broker=broker, wait=20) as one:
        x = np.arange(1000, dtype=np.float32)
        source = cuda.to_device(x)
        with accelpool.cuda.acquire(broker=broker, wait=20) as other:
            target = cuda.mem_alloc(x.nbytes)
            cuda.memcpy_peer(target, source, x.nbytes, other, one)
            np.testing.assert_array_equal(cuda.from_device_like(target, x), x)
        assert cuda.Context.get_current() is one


def test_contexts_under_one_lease_are_on_one_node_and_of_cuda(broker):
    for options in ({"placement": "spread"}, {"api": "opencl"}):
        with pytest.raises(errors.Invalid, match=next(iter(options))):
            accelpool.cuda.acquire_all(broker=broker, count=2, **options)
    with pytest.raises(errors.Invalid, match="acquire_all returns several"):
        accelpool.cuda.acquire(broker=broker, count=2)


def test_freed_memory_of_the_share_is_there_for_the_next(broker):
    with accelpool.cuda.acquire(broker=broker, memory="16MiB", wait=20):
        _, total = cuda.mem_get_info()
        assert total == 16 << 20
        for _ in range(3):
            memory = cuda.mem_alloc(total * 6 // 10)
            del memory
        kept = cuda.mem_alloc(total * 6 // 10)
        with pytest.raises(cuda.MemoryError):
            cuda.mem_alloc(total * 6 // 10)
        kept.free()
        cuda.mem_alloc(total * 6 // 10)


def test_a_device_has_a_number_and_its_context_is_on_it(broker, monkeypatch):
    monkeypatch.setattr("accelpool.cuda.devices.default_broker", lambda: broker)
    assert cuda.Device.count() == 2
    device = cuda.Device(1)
    assert device.compute_capability() == (7, 5)
    context = device.make_context()
    try:
        assert cuda.Context.get_device() == device
        assert device.warp_size == 32
    finally:
        context.detach()


def test_who_does_not_ask_for_cuda_gets_none_unless_it_is_named(broker):
    with pytest.raises(errors.Unsatisfiable) as caught:
        broker.acquire("any")
    assert "it is for programs of cuda, not of OpenCL" in str(caught.value.members["devices"])
    with broker.acquire(device=broker.devices()[0]["id"], wait=20) as context:
        assert context.devices
    assert broker.get_platforms() == []


def test_the_lease_ends_with_the_block_or_the_last_reference(broker, wait_until):
    with accelpool.cuda.acquire(broker=broker, wait=20) as context:
        lease = context.lease.id
        assert states(broker)[lease] == "active"
    assert states(broker)[lease] == "released"
    context = accelpool.cuda.acquire(broker=broker, wait=20)
    lease = context.lease.id
    context.pop()
    del context
    gc.collect()
    wait_until(lambda: states(broker)[lease] == "released")


def test_autoinit_is_all_that_a_program_needs(pool, broker):
    program = """
    import numpy as np
    import accelpool.cuda.autoinit
    import accelpool.cuda.driver as cuda
    from accelpool.cuda.compiler import SourceModule
    x = np.arange(8, dtype=np.float32)
    scale = SourceModule("__global__ void scale(float *x) {}").get_function("scale")
    scale(cuda.InOut(x), block=(8, 1, 1))
    print(accelpool.cuda.autoinit.device.name(), x.sum(), accelpool.cuda.autoinit.context.lease.id)
    """
    known = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    name, total, lease = done.stdout.split()
    assert (name.startswith("null-cuda"), float(total)) == (True, 28.0)
    assert states(broker)[lease] == "released"
