"""Shared virtual memory on the pool's devices, and the same on PyOpenCL's own objects."""

import gc
import itertools
import weakref

import numpy as np
import pytest

import accelpool

from ..conftest import wait_until
from .test_sdk_parity import Bench
from .test_sdk_program_parity import bench_on
from .worker_rig import opencl_targets

pyopencl = pytest.importorskip("pyopencl")
pytestmark = pytest.mark.opencl

SOURCE = """
typedef struct node { ulong next; ulong value; } node_t;
__kernel void twice(__global float *a) { a[get_global_id(0)] *= 2; }
__kernel void walk(__global node_t *first, __global ulong *sums) {
    ulong sum = 0;
    for (__global node_t *at = first; at; at = (__global node_t *) at->next) sum += at->value;
    sums[0] = sum;
}
__kernel void link(__global node_t *nodes, ulong count) {
    for (ulong i = 0; i < count; ++i) {
        nodes[i].next = i + 1 < count ? (ulong) (nodes + i + 1) : 0;
        nodes[i].value = i;
    }
}
"""
NODE = np.dtype([("next", "u8"), ("value", "u8")])


class SvmBench(Bench):
    """A module with a context, a queue and the programs above."""

    def __init__(self, cl, ctx):
        super().__init__(cl, ctx)
        self.svm = cl.Program(ctx, SOURCE).build("-cl-kernel-arg-info")


@pytest.fixture(scope="module", params=sorted({each.environment.name for each in opencl_targets()}))
def ours(request, opencl_pool):
    for bench in bench_on(opencl_pool, request.param):
        yield SvmBench(accelpool, bench.ctx)


@pytest.fixture(scope="module")
def theirs(ours):
    """What this process sees of the devices; the conformance run compares with Intel's runtime."""
    for platform in pyopencl.get_platforms():
        for device in platform.get_devices():
            if device.name == ours.device.name:
                return SvmBench(pyopencl, pyopencl.Context([device]))
    pytest.skip(f"this process does not see {ours.device.name}, which the pool's node has")


# ---- addresses ---------------------------------------------------------------------------------------


def test_a_list_that_the_host_links_is_walked_by_the_device(ours):
    cl, count = ours.cl, 1000
    nodes = cl.csvm_empty(ours.ctx, count, NODE)
    order = np.random.default_rng(5).permutation(count)
    with cl.SVM(nodes).map_rw(ours.queue) as mapped:
        mapped["value"] = np.arange(count)
        mapped["next"][order[:-1]] = nodes.ctypes.data + order[1:] * NODE.itemsize
        mapped["next"][order[-1]] = 0
    sums, first = ours.buffer(size=8), nodes[order[0] : order[0] + 1]
    ours.svm.walk(ours.queue, (1,), None, cl.SVM(first), sums)
    assert ours.read(sums, np.uint64, 1)[0] == count * (count - 1) // 2


def test_a_list_that_the_device_links_is_walked_by_the_host(ours):
    cl, count = ours.cl, 100
    nodes = cl.csvm_empty(ours.ctx, count, NODE)
    ours.svm.link(ours.queue, (1,), None, cl.SVM(nodes), np.uint64(count))
    with cl.SVM(nodes).map_ro(ours.queue) as mapped:
        walked, at = [], nodes.ctypes.data
        while at:
            place = (at - nodes.ctypes.data) // NODE.itemsize
            walked.append(int(mapped["value"][place]))
            at = int(mapped["next"][place])
    assert walked == list(range(count))


def test_addresses_are_free_here_nearly_always(ours):
    kept = [ours.cl.SVMAllocation(ours.ctx, size, 0, 1) for size in (1, 5000, 1 << 20) for _ in range(50)]
    starts = sorted((each.svm_ptr, each.size) for each in kept)
    assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(starts))


# ---- the same as PyOpenCL ----------------------------------------------------------------------------


def mapped(b):
    array = b.cl.csvm_empty(b.ctx, 100, np.float32)
    with b.cl.SVM(array).map_rw(b.queue) as mine:
        mine[:] = np.arange(100)
    b.cl.Kernel(b.svm, "twice")(b.queue, (50,), None, b.cl.SVM(array[50:]))
    with b.cl.SVM(array).map_ro(b.queue) as mine:
        return mine.copy()


def opaque(b):
    memory = b.cl.SVMAllocation(b.ctx, 400, 64, b.cl.svm_mem_flags.READ_WRITE, b.queue)
    b.cl.enqueue_copy(b.queue, memory, np.arange(100, dtype=np.float32))
    b.cl.Kernel(b.svm, "twice")(b.queue, (100,), None, memory)
    out = np.empty(100, np.float32)
    b.cl.enqueue_copy(b.queue, out, memory)
    memory.release()
    b.queue.finish()  # PoCL frees it in the queue, by a pointer into what PyOpenCL forgets with `memory`
    return out


def filled(b):
    array = b.cl.csvm_empty(b.ctx, (10, 10), np.int32)
    b.cl.enqueue_svm_memfill(b.queue, b.cl.SVM(array), np.int32(7))
    b.cl.enqueue_svm_memfill(b.queue, b.cl.SVM(array[5:]), np.int32(8))
    out = np.empty((10, 10), np.int32)
    b.cl.enqueue_copy(b.queue, out, b.cl.SVM(array))
    return out


def copied(b):
    one, other = (b.cl.csvm_empty(b.ctx, 100, np.int32) for _ in range(2))
    b.cl.enqueue_copy(b.queue, b.cl.SVM(one), np.arange(100, dtype=np.int32))
    b.cl.enqueue_copy(b.queue, b.cl.SVM(other), b.cl.SVM(one))
    out = np.empty(100, np.int32)
    b.cl.enqueue_copy(b.queue, out, b.cl.SVM(other))
    return out


def as_buffer(b):
    memory = b.cl.SVMAllocation(b.ctx, 400, 0, b.cl.svm_mem_flags.READ_WRITE)
    b.cl.enqueue_copy(b.queue, memory, np.arange(100, dtype=np.float32))
    b.cl.Kernel(b.svm, "twice")(b.queue, (100,), None, memory.as_buffer(b.ctx))
    out = np.empty(100, np.float32)
    b.cl.enqueue_copy(b.queue, out, memory)
    return out


def order_and_base(b):
    array = b.cl.csvm_empty(b.ctx, (3, 4), np.float64, order="F")
    like = b.cl.csvm_empty_like(b.ctx, array)
    base = isinstance(array.base, b.cl.SVMAllocation)
    return np.array([*array.strides, *like.strides, base, array.base.size, array.flags.writeable])


RESULTS = [mapped, opaque, filled, copied, as_buffer, order_and_base]


@pytest.mark.parametrize("call", RESULTS, ids=lambda call: call.__name__)
def test_results_are_pyopencls(ours, theirs, call):
    np.testing.assert_array_equal(call(ours), call(theirs))


@pytest.mark.parametrize("call", RESULTS, ids=lambda call: call.__name__)
def test_calls_work_on_every_device(ours, call):
    assert call(ours).size


def raised(call, bench):
    with pytest.raises((bench.cl.Error, TypeError, ValueError, BufferError, NotImplementedError)) as caught:
        call(bench)
    error = caught.value
    return type(error).__name__, getattr(error, "code", None)


def allocation(b, size=400, alignment=0, flags=1, queue=None):
    return b.cl.SVMAllocation(b.ctx, size, alignment, flags, queue)


def released_twice(b):
    memory = allocation(b)
    memory.release()
    memory.release()


def out_of_order(b):
    properties = b.cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE
    allocation(b, queue=b.cl.CommandQueue(b.ctx, properties=properties))


ERRORS = {
    "alignment": lambda b: allocation(b, alignment=3),
    "released twice": released_twice,
    "out of order": out_of_order,
    "no queue": lambda b: allocation(b).enqueue_release(),
    "sizes differ": lambda b: b.cl.enqueue_copy(b.queue, allocation(b), np.zeros(399, np.uint8)),
    "byte count": lambda b: b.cl.enqueue_copy(b.queue, allocation(b), np.zeros(9, np.uint8), byte_count=10),
    "offset": lambda b: b.cl.enqueue_copy(b.queue, allocation(b), np.zeros(400, np.uint8), dst_offset=1),
    "fill": lambda b: b.cl.enqueue_svm_memfill(b.queue, allocation(b), np.uint8(0), byte_count=401),
    "fill at an offset": lambda b: b.cl.enqueue_fill(b.queue, allocation(b), np.uint8(0), 4, offset=4),
    "fill of nothing": lambda b: b.cl.enqueue_fill(b.queue, np.zeros(4), np.uint8(0), 4),
    "map": lambda b: allocation(b).map_rw(b.queue, size=401),
    "shape": lambda b: b.cl.csvm_empty(b.ctx, 1.5, np.float32),
    "order": lambda b: b.cl.csvm_empty(b.ctx, 4, np.float32, order="A"),
    "like": lambda b: b.cl.csvm_empty_like(b.ctx, np.zeros((4, 4))[::2, ::2]),
    "read-only": lambda b: b.cl.SVM(b"content"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_pyopencls(ours, theirs, name):
    assert raised(ERRORS[name], ours) == raised(ERRORS[name], theirs)


# ---- the share, and the end ----------------------------------------------------------------------------


def test_memory_counts_against_the_lease_and_is_given_back(opencl_pool):
    with (
        accelpool.connect(opencl_pool.url, opencl_pool.token) as broker,
        broker.acquire(memory="64MiB", wait=20) as ctx,
    ):
        share = ctx.devices[0].global_mem_size
        for _ in range(3):
            memory = accelpool.SVMAllocation(ctx, share * 3 // 4, 0, 1)
            with pytest.raises(accelpool.MemoryError):
                accelpool.SVMAllocation(ctx, share // 2, 0, 1)
            kept = weakref.ref(memory._memory)
            del memory
            wait_until(lambda kept=kept: gc.collect() >= 0 and kept() is None)  # a thread may be collecting
