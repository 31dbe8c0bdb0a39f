"""The same calls on PyOpenCL's own objects and on the pool's: the same results, the same errors."""

import warnings

import numpy as np
import pytest

import accelpool

pyopencl = pytest.importorskip("pyopencl")
pytestmark = pytest.mark.opencl

SOURCE = """
__kernel void saxpy(float a, __global const float *x, __global float *y, int n) {
    int i = get_global_id(0);
    if (i < n) y[i] += a * x[i];
}
__kernel void ids(__global int *out) {
    int i = get_global_id(0) - get_global_offset(0);
    out[i * 3] = get_global_id(0); out[i * 3 + 1] = get_local_size(0); out[i * 3 + 2] = get_group_id(0);
}
__kernel void sum(__global const int *in, __global int *out, __local int *scratch) {
    int l = get_local_id(0);
    scratch[l] = in[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (l == 0) {
        int s = 0;
        for (int i = 0; i < get_local_size(0); ++i) s += scratch[i];
        out[get_group_id(0)] = s;
    }
}
__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void four(__global int *out) {
    out[get_global_id(0)] = 4;
}
typedef struct { int a; float b; } pair_t;
__kernel void take(pair_t p, float4 v, uchar c, long l, __global float *out) {
    out[0] = p.a; out[1] = p.b; out[2] = v.w; out[3] = c; out[4] = l;
}
"""


class Bench:
    """A module with a context, a queue and a built program on a device."""

    def __init__(self, cl, ctx):
        self.cl, self.ctx, self.device = cl, ctx, ctx.devices[0]
        self.queue = cl.CommandQueue(ctx, properties=cl.command_queue_properties.PROFILING_ENABLE)
        self.prg = cl.Program(ctx, SOURCE).build("-cl-kernel-arg-info")

    def kernel(self, name):
        return self.cl.Kernel(self.prg, name)

    def buffer(self, data=None, size=0):
        flags = self.cl.mem_flags.READ_WRITE
        if data is not None:
            flags |= self.cl.mem_flags.COPY_HOST_PTR
        return self.cl.Buffer(self.ctx, flags, size, data)

    def read(self, buffer, dtype, count):
        out = np.empty(count, dtype)
        self.cl.enqueue_copy(self.queue, out, buffer)
        return out


@pytest.fixture(scope="module")
def ours(opencl_pool):
    with accelpool.connect(opencl_pool.url, opencl_pool.token) as broker, broker.acquire(wait=20) as ctx:
        yield Bench(accelpool, ctx)


@pytest.fixture(scope="module")
def theirs(ours):
    name = ours.device.name
    for platform in pyopencl.get_platforms():
        for device in platform.get_devices():
            if device.name == name:
                return Bench(pyopencl, pyopencl.Context([device]))
    pytest.skip(f"this process does not see {name}, which the pool's node has")


def saxpy(b):
    x, y = np.arange(1000, dtype=np.float32), np.ones(1000, np.float32)
    bx, by = b.buffer(x), b.buffer(y)
    b.prg.saxpy(b.queue, x.shape, None, np.float32(3), bx, by, np.int32(1000))
    return b.read(by, np.float32, 1000)


def offset_launch(b):
    out = b.buffer(size=3 * 16 * 4)
    kernel = b.kernel("ids")
    kernel.set_args(out)
    b.cl.enqueue_nd_range_kernel(b.queue, kernel, (4,), (4,), (8,), g_times_l=True)
    return b.read(out, np.int32, 48)


def local_memory(b):
    data, out = np.arange(64, dtype=np.int32), b.buffer(size=16)
    b.kernel("sum")(b.queue, (64,), (16,), b.buffer(data), out, b.cl.LocalMemory(64))
    return b.read(out, np.int32, 4)


def structs_and_vectors(b):
    pair = np.zeros((), dtype=[("a", "i4"), ("b", "f4")])
    pair["a"], pair["b"] = 7, 2.5
    out = b.buffer(size=20)
    b.kernel("take")(
        b.queue, (1,), None, pair, np.arange(4, dtype=np.float32), np.uint8(200), np.int64(-5), out
    )
    return b.read(out, np.float32, 5)


def declared_scalars(b):
    y = b.buffer(np.ones(8, np.float32))
    kernel = b.kernel("saxpy")
    kernel.set_scalar_arg_dtypes([np.float32, None, None, np.int32])
    kernel(b.queue, (8,), None, 2, b.buffer(np.ones(8, np.float32)), y, 8)
    return b.read(y, np.float32, 8)


def copies_and_fills(b):
    one, two = b.buffer(np.arange(64, dtype=np.uint8)), b.buffer(size=64)
    b.cl.enqueue_fill_buffer(b.queue, two, np.uint16(0x0102), 0, 64)
    b.cl.enqueue_copy(b.queue, two, one, byte_count=16, src_offset=8, dst_offset=32)
    b.cl.enqueue_copy(b.queue, two, np.full(4, 9, np.uint8), dst_offset=60)
    out = np.zeros(60, np.uint8)
    b.cl.enqueue_copy(b.queue, out, two, src_offset=4)
    return out


def regions(b):
    data = np.arange(4096, dtype=np.uint8)
    buffer = b.buffer(data)
    region = buffer[1024:2048]
    b.cl.enqueue_fill_buffer(b.queue, region, np.uint8(7), 0, 4)
    return b.read(buffer, np.uint8, 4096)


def out_of_order(b):
    queue = b.cl.CommandQueue(b.ctx, properties=b.cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE)
    y = b.buffer(np.zeros(64, np.float32))
    x = b.buffer(np.ones(64, np.float32))
    first = b.kernel("saxpy")(queue, (64,), None, np.float32(1), x, y, np.int32(64))
    second = b.kernel("saxpy")(queue, (64,), None, np.float32(2), x, y, np.int32(64), wait_for=[first])
    out = np.empty(64, np.float32)
    b.cl.enqueue_copy(queue, out, y, wait_for=[second], is_blocking=False).wait()
    return out


def binary(b):
    prg = b.cl.Program(b.ctx, [b.device], [b.prg.binaries[0]]).build()
    out = b.buffer(size=16)
    b.cl.Kernel(prg, "four")(b.queue, (4,), (4,), out)
    return b.read(out, np.int32, 4)


def user_events(b):
    event, buffer, out = b.cl.UserEvent(b.ctx), b.buffer(np.zeros(8, np.uint8)), np.zeros(8, np.uint8)
    filled = b.cl.enqueue_fill_buffer(b.queue, buffer, np.uint8(7), 0, 4, wait_for=[event])
    read = b.cl.enqueue_copy(b.queue, out, buffer, is_blocking=False)
    seen = [event.command_type, event.command_execution_status, filled.command_execution_status > 0]
    event.set_status(b.cl.command_execution_status.COMPLETE)
    read.wait()
    return [*seen, event.command_execution_status, *out]


def failed_user_event(b):
    event, buffer = b.cl.UserEvent(b.ctx), b.buffer(np.zeros(8, np.uint8))
    filled = b.cl.enqueue_fill_buffer(b.queue, buffer, np.uint8(7), 0, 4, wait_for=[event])
    event.set_status(-5)
    codes = [failure(lambda _, e=e: e.wait(), b)[1] for e in (event, filled)]
    return [*codes, event.command_execution_status, *b.read(buffer, np.uint8, 8)]


def mapping(b):
    flags, buffer = b.cl.map_flags, b.buffer(np.arange(64, dtype=np.uint8))
    array, event = b.cl.enqueue_map_buffer(
        b.queue, buffer, flags.READ | flags.WRITE, 8, (2, 4), np.int16, "F"
    )
    seen = [event.command_type, array.strides[0], array.strides[1], *array.ravel()]
    array[1, 2] = 999
    seen.append(array.base.release().command_type)
    array, event = b.cl.enqueue_map_buffer(b.queue, buffer, flags.READ, 0, (64,), np.uint8, is_blocking=False)
    event.wait()
    return [*seen, *array]


def mapped_host_memory(b):
    flags, host = b.cl.map_flags, np.arange(64, dtype=np.uint8)
    buffer = b.cl.Buffer(b.ctx, b.cl.mem_flags.USE_HOST_PTR, hostbuf=host)
    b.cl.enqueue_fill_buffer(b.queue, buffer, np.uint8(7), 16, 16)
    array, _ = b.cl.enqueue_map_buffer(b.queue, buffer, flags.READ | flags.WRITE, 8, (24,), np.uint8)
    seen = [array.ctypes.data - host.ctypes.data, *host]
    array[:4] = 1
    array.base.release()
    return [*seen, *b.read(buffer, np.uint8, 64)]


def dropped_mapping(b):
    flags, buffer = b.cl.map_flags, b.buffer(np.zeros(8, np.uint8))
    b.cl.enqueue_map_buffer(b.queue, buffer, flags.WRITE_INVALIDATE_REGION, 0, (8,), np.uint8)[0][:] = 5
    return b.read(buffer, np.uint8, 8)


def migration(b):
    buffer = b.buffer(np.arange(8, dtype=np.uint8))
    events = [b.cl.enqueue_migrate_mem_objects(b.queue, [buffer], flags) for flags in (0, 1)]
    return [*(event.command_type for event in events), *b.read(buffer, np.uint8, 8)]


RESULTS = [
    saxpy, offset_launch, local_memory, structs_and_vectors, declared_scalars, copies_and_fills, regions,
    out_of_order, binary, user_events, failed_user_event, mapping, mapped_host_memory, dropped_mapping,
    migration,
]  # fmt: skip


@pytest.mark.parametrize("run", RESULTS, ids=lambda run: run.__name__)
def test_the_same_call_gives_the_same_result(ours, theirs, run):
    np.testing.assert_array_equal(run(ours), run(theirs))


INFOS = {
    "arg_type": lambda b: b.kernel("saxpy").get_arg_info(1, b.cl.kernel_arg_info.TYPE_NAME),
    "arg_address": lambda b: b.kernel("saxpy").get_arg_info(1, b.cl.kernel_arg_info.ADDRESS_QUALIFIER),
    "arg_name": lambda b: b.kernel("saxpy").get_arg_info(0, b.cl.kernel_arg_info.NAME),
    "num_args": lambda b: b.kernel("saxpy").num_args,
    "required": lambda b: b.kernel("four").get_work_group_info(
        b.cl.kernel_work_group_info.COMPILE_WORK_GROUP_SIZE, b.device
    ),
    "group_size": lambda b: b.kernel("saxpy").get_work_group_info(
        b.cl.kernel_work_group_info.WORK_GROUP_SIZE, b.device
    ),
    "kernel_names": lambda b: sorted(b.prg.kernel_names.split(";")),
    "status": lambda b: b.prg.get_build_info(b.device, b.cl.program_build_info.STATUS),
    "queue_properties": lambda b: b.queue.properties,
    "buffer": lambda b: (lambda x: (x.size, x.flags, x.type, x.offset))(b.buffer(size=64)),
    "region": lambda b: (lambda x: (x.size, x.offset))(b.buffer(size=4096)[1024:2048]),
    "event_type": lambda b: b.cl.enqueue_marker(b.queue).command_type,
    "device": lambda b: (b.device.name, b.device.version, b.device.type, b.device.max_work_item_sizes),
    "platform": lambda b: (b.device.platform.name, b.device.platform.version, b.device.platform.profile),
    "identifier": lambda b: b.device.hashable_model_and_version_identifier,
}


@pytest.mark.parametrize("name", INFOS)
def test_the_same_question_has_the_same_answer(ours, theirs, name):
    assert INFOS[name](ours) == INFOS[name](theirs)


def test_profiling_times_are_in_order(ours):
    event = ours.kernel("four")(ours.queue, (4,), (4,), ours.buffer(size=16))
    event.wait()
    profile = event.profile
    assert 0 < profile.queued <= profile.submit <= profile.start <= profile.end


HOST = np.zeros(16, np.float32)

ERRORS = {
    "buffer of 0 bytes": lambda b: b.buffer(size=0),
    "buffer too large": lambda b: b.buffer(size=1 << 50),
    "hostbuf without flag": lambda b: b.cl.Buffer(b.ctx, b.cl.mem_flags.READ_WRITE, hostbuf=HOST),
    "flag without hostbuf": lambda b: b.cl.Buffer(b.ctx, b.cl.mem_flags.COPY_HOST_PTR, 8),
    "size beyond hostbuf": lambda b: b.cl.Buffer(b.ctx, b.cl.mem_flags.COPY_HOST_PTR, 999, HOST),
    "hostbuf not contiguous": lambda b: b.buffer(HOST[::2]),
    "hostbuf no buffer": lambda b: b.buffer(5),
    "write overrun": lambda b: b.cl.enqueue_copy(b.queue, b.buffer(size=60), HOST),
    "write offset overrun": lambda b: b.cl.enqueue_copy(b.queue, b.buffer(size=64), HOST, dst_offset=4),
    "read overrun": lambda b: b.cl.enqueue_copy(b.queue, HOST, b.buffer(size=60)),
    "read into read-only": lambda b: b.cl.enqueue_copy(b.queue, bytes(8), b.buffer(size=64)),
    "read not contiguous": lambda b: b.cl.enqueue_copy(b.queue, HOST[::2], b.buffer(size=64)),
    "host to host": lambda b: b.cl.enqueue_copy(b.queue, HOST, HOST),
    "copy overrun": lambda b: b.cl.enqueue_copy(b.queue, b.buffer(size=8), b.buffer(size=16), byte_count=16),
    "copy of 0 bytes": lambda b: b.cl.enqueue_copy(b.queue, b.buffer(size=8), b.buffer(size=8), byte_count=0),
    "copy unknown option": lambda b: b.cl.enqueue_copy(b.queue, b.buffer(size=64), HOST, bogus=1),
    "fill overrun": lambda b: b.cl.enqueue_fill_buffer(b.queue, b.buffer(size=8), b"a", 0, 9),
    "fill misaligned": lambda b: b.cl.enqueue_fill_buffer(b.queue, b.buffer(size=8), np.float32(1), 2, 4),
    "region overrun": lambda b: b.buffer(size=64).get_sub_region(0, 65),
    "region of 0 bytes": lambda b: b.buffer(size=64).get_sub_region(0, 0),
    "region misaligned": lambda b: b.buffer(size=64).get_sub_region(4, 8),
    "region of a region": lambda b: b.buffer(size=64)[0:32][0:16],
    "slice with a step": lambda b: b.buffer(size=64)[0:32:2],
    "slice of nothing": lambda b: b.buffer(size=64)[8:8],
    "index": lambda b: b.buffer(size=64)[8],
    "source that does not compile": lambda b: b.cl.Program(b.ctx, "kernel void f() { x }").build(),
    "no such kernel": lambda b: b.kernel("nothing"),
    "no such attribute": lambda b: b.prg.nothing,
    "binary count": lambda b: b.cl.Program(b.ctx, [b.device], []),
    "too few arguments": lambda b: b.kernel("saxpy").set_args(np.float32(1)),
    "too many arguments": lambda b: b.kernel("four").set_args(b.buffer(size=8), 1),
    "wrong scalar size": lambda b: b.kernel("saxpy").set_arg(0, np.float64(1)),
    "scalar for buffer": lambda b: b.kernel("saxpy").set_arg(1, np.float32(1)),
    "array for buffer": lambda b: b.kernel("saxpy").set_arg(1, HOST),
    "string for scalar": lambda b: b.kernel("saxpy").set_arg(0, "abcd"),
    "None for scalar": lambda b: b.kernel("saxpy").set_arg(0, None),
    "no such argument": lambda b: b.kernel("saxpy").set_arg(9, np.float32(1)),
    "negative argument": lambda b: b.kernel("saxpy").set_arg(-1, np.float32(1)),
    "no such argument info": lambda b: b.kernel("saxpy").get_arg_info(9, b.cl.kernel_arg_info.NAME),
    "too few types": lambda b: b.kernel("saxpy").set_scalar_arg_dtypes([None]),
    "unset arguments": lambda b: b.cl.enqueue_nd_range_kernel(b.queue, b.kernel("saxpy"), (4,), None),
    "4 dimensions": lambda b: b.kernel("four")(b.queue, (1, 1, 1, 1), None, b.buffer(size=64)),
    "no dimensions": lambda b: b.kernel("four")(b.queue, (), None, b.buffer(size=64)),
    "size no tuple": lambda b: b.kernel("four")(b.queue, 4, None, b.buffer(size=64)),
    "local of other dimensions": lambda b: b.kernel("four")(b.queue, (4, 4), (4,), b.buffer(size=64)),
    "offset of other dimensions": lambda b: b.kernel("four")(
        b.queue, (4,), (4,), b.buffer(size=64), global_offset=(1, 1)
    ),
    "local too large": lambda b: b.kernel("sum")(
        b.queue, (1 << 20,), (1 << 20,), b.buffer(size=64), b.buffer(size=64), b.cl.LocalMemory(64)
    ),
    "local not as required": lambda b: b.kernel("four")(b.queue, (16,), (8,), b.buffer(size=64)),
    "wait for nothing": lambda b: b.cl.wait_for_events([]),
    "wait for an event itself": lambda b: b.cl.enqueue_marker(b.queue, b.cl.enqueue_marker(b.queue)),
    "no profiling": lambda b: b.cl.enqueue_marker(b.cl.CommandQueue(b.ctx)).profile.start,
    "no such profiling info": lambda b: b.cl.enqueue_marker(b.queue).get_profiling_info(5),
    "no such event info": lambda b: b.cl.enqueue_marker(b.queue).get_info(5),
    "no such device info": lambda b: b.device.get_info(5),
    "no such platform info": lambda b: b.device.platform.get_info(5),
    "no such context info": lambda b: b.ctx.get_info(5),
    "user event set twice": lambda b: [event := b.cl.UserEvent(b.ctx), *map(event.set_status, (0, 0))],
    "user event set to running": lambda b: b.cl.UserEvent(b.ctx).set_status(1),
    "times of a user event": lambda b: b.cl.UserEvent(b.ctx).profile.end,
    "map overrun": lambda b: b.cl.enqueue_map_buffer(b.queue, b.buffer(size=8), 1, 4, (8,), np.uint8),
    "mapping released twice": lambda b: [
        base := b.cl.enqueue_map_buffer(b.queue, b.buffer(size=8), 1, 0, (8,), np.uint8)[0].base,
        base.release(),
        base.release(),
    ],
    "host array without host memory": lambda b: b.buffer(size=8).get_host_array((8,), np.uint8),
    "host pointer": lambda b: b.buffer(size=8).get_info(b.cl.mem_info.HOST_PTR),
    "migrate nothing": lambda b: b.cl.enqueue_migrate_mem_objects(b.queue, []),
    "migrate with unknown flags": lambda b: b.cl.enqueue_migrate_mem_objects(b.queue, [b.buffer(size=8)], 64),
    "copy between AMD's devices": lambda b: b.cl.enqueue_copy_buffer_p2p_amd(
        b.device.platform, b.queue, b.buffer(size=8), b.buffer(size=8)
    ),
    "context of no devices": lambda b: b.cl.Context([]),
    "context of devices and a type": lambda b: b.cl.Context([b.device], dev_type=2),
}


def failure(call, b):
    """Return the class, code and routine of what a call raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(b)
            b.queue.finish()
        except Exception as error:
            return type(error).__name__, getattr(error, "code", None), getattr(error, "routine", None)
    return None


@pytest.mark.parametrize("name", ERRORS)
def test_the_same_mistake_is_the_same_error(ours, theirs, name):
    ours_failed, theirs_failed = failure(ERRORS[name], ours), failure(ERRORS[name], theirs)
    assert theirs_failed is not None
    assert ours_failed == theirs_failed


def test_after_all_mistakes_the_session_goes_on(ours):
    np.testing.assert_array_equal(saxpy(ours)[:3], [1, 4, 7])
