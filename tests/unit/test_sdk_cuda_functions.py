"""Launches: what is sent for a call, and what is refused before."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.cuda_rig import FakeCuda, cuda_context

import accelpool.cuda.driver as cuda
from accelpool.cuda.compiler import SourceModule
from accelpool.errors import LogicError as LowerLogicError
from accelpool_wire import messages as m


@pytest.fixture
def fake():
    return FakeCuda()


@pytest.fixture
def context(fake):
    with cuda_context(fake) as context:
        yield context


@pytest.fixture
def scale(context):
    """A kernel."""
    return SourceModule("__global__ void scale(float *x, float a) {}").get_function("scale")


@pytest.fixture
def memory(context):
    return cuda.mem_alloc(1000)


def launches(fake):
    return fake.sent(m.EnqueueNDRangeKernel)


def test_a_launch_is_one_posted_message_with_all_parameters_in_one_block(fake, context, scale, memory):
    before, trips = len(fake.posted), context.round_trips
    scale(memory, np.float32(2), grid=(4, 3), block=(32, 2, 1))
    assert (len(fake.posted), context.round_trips) == (before + 1, trips)
    launch = fake.posted[-1]
    assert (launch.global_size, launch.local_size, launch.offset) == ([128, 6, 1], [32, 2, 1], None)
    assert (launch.kernel, launch.event, launch.wait_for) == (scale._handle, 0, None)
    assert launch.args == [int(memory).to_bytes(8, "little") + np.float32(2).tobytes()]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"block": (8,)}, ([8, 1, 1], [8, 1, 1])),
        ({"block": [8, 2], "grid": [2]}, ([16, 2, 1], [8, 2, 1])),
        ({"block": (np.int32(8), 1, 1), "grid": (np.int64(5), 1, 2)}, ([40, 1, 2], [8, 1, 1])),
    ],
)
def test_grids_and_blocks_become_sizes(fake, scale, sizes, expected):
    for _ in range(2):  # the second time they are known
        scale(**sizes)
        assert (launches(fake)[-1].global_size, launches(fake)[-1].local_size) == expected


def test_a_kernel_without_parameters_has_none(fake, scale):
    scale(block=(1, 1, 1))
    assert launches(fake)[-1].args == []


def test_dynamic_shared_memory_follows_the_parameters(fake, scale):
    scale(np.int32(1), block=(1, 1, 1), shared=4096)
    assert launches(fake)[-1].args == [b"\1\0\0\0", m.LocalMemory(4096)]
    scale(block=(1, 1, 1), shared=16)
    assert launches(fake)[-1].args == [m.LocalMemory(16)]


def test_a_launch_in_a_stream_is_in_its_queue(fake, scale):
    stream = cuda.Stream()
    scale(block=(1, 1, 1), stream=stream)
    assert launches(fake)[-1].queue == stream._lane.queue._handle


def test_arrays_are_copied_in_and_out_around_the_call(fake, context, scale):
    source, target, both = np.ones(4, np.uint8), np.zeros(4, np.uint8), np.full(4, 2, np.uint8)
    fake.content = b"abcd"
    assert scale(cuda.In(source), cuda.Out(target), cuda.InOut(both), block=(1, 1, 1)) is None
    kinds = [
        type(message)
        for message in fake.posted
        if isinstance(message, (m.EnqueueWriteBuffer, m.EnqueueNDRangeKernel))
    ]
    assert kinds == [m.EnqueueWriteBuffer, m.EnqueueWriteBuffer, m.EnqueueNDRangeKernel]
    assert target.tobytes() == both.tobytes() == b"abcd"
    assert source.tobytes() == b"\1" * 4
    assert len(launches(fake)[-1].args[0]) == 24


def test_what_is_read_after_a_call_in_a_stream_waits_for_that_stream(fake, scale):
    stream = cuda.Stream(1)
    scale(cuda.Out(np.zeros(4, np.uint8)), block=(1, 1, 1), stream=stream)
    assert m.Finish(stream._lane.queue._handle) in fake.asked


def test_what_is_no_array_is_a_type_error(scale):
    with pytest.raises(TypeError, match="an array is needed"):
        scale(cuda.In(5), block=(1, 1, 1))


def test_a_timed_call_waits_before_and_after(fake, context, scale):
    trips = context.round_trips
    assert scale(block=(1, 1, 1), time_kernel=True) >= 0
    assert context.round_trips == trips + 2
    with pytest.raises(AssertionError, match="asynchronous"):
        scale(block=(1, 1, 1), time_kernel=True, stream=cuda.Stream())


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ({}, ValueError),
        ({"block": (1, 1, 1), "wait": 1}, ValueError),
        ({"block": (1.5, 1, 1)}, TypeError),
        ({"block": (1, 1, 1, 1)}, cuda.LogicError),
        ({"block": (0, 1, 1)}, cuda.LogicError),
        ({"block": (1, 1, 1), "grid": (1, 0)}, cuda.LogicError),
        ({"block": (2048, 1, 1)}, cuda.LogicError),
        ({"block": (1024, 1, 1)}, cuda.LaunchError),
        ({"block": (1, 1, 1), "texrefs": [object()]}, cuda.LogicError),
    ],
)
def test_impossible_launches_are_refused_before_anything_is_sent(fake, scale, sizes, error):
    with pytest.raises(error):
        scale(**sizes)
    assert not launches(fake)


def test_a_prepared_kernel_packs_by_its_format(fake, scale, memory):
    assert scale.prepare("Pf") is scale
    scale.prepared_call((4, 1), (32, 1, 1), memory, 2.0)
    scale.prepared_async_call((4, 1), (32, 1, 1), cuda.Stream(), int(memory), 2, shared_size=8)
    block = int(memory).to_bytes(8, "little") + np.float32(2).tobytes()
    assert [launch.args for launch in launches(fake)] == [[block], [block, m.LocalMemory(8)]]


def test_a_prepared_timed_call_tells_the_devices_time(fake, scale):
    scale.prepare("")
    ended = scale.prepared_timed_call((1, 1), (1, 1, 1))
    start, end = (message.event for message in fake.sent(m.EnqueueMarker) if message.wait_for)
    fake.endings = {
        start: m.EventDone(start, 0, [0, 0, 0, 0]),
        end: m.EventDone(end, 0, [0, 0, 0, 2_000_000]),
    }
    assert ended() == pytest.approx(2e-3)


def test_attributes_cost_one_round_trip_once(fake, context, scale):
    trips = context.round_trips
    assert scale.num_regs == scale.get_attribute(cuda.function_attribute.NUM_REGS) == 104
    assert context.round_trips == trips + 1
    assert fake.asked[-1] == m.GetInfo(m.WORK_GROUP, scale._handle, 0x20004, 0)
    assert scale.shared_size_bytes == 101
    with pytest.raises(AttributeError):
        scale.colour  # noqa: B018 - it asks
    fake.answers[m.GetInfo] = LowerLogicError("cuFuncGetAttribute", -30, "CUDA_ERROR_INVALID_VALUE: no")
    with pytest.raises(cuda.LogicError, match="invalid value"):
        scale.ptx_version  # noqa: B018 - it asks


def test_attributes_are_set_in_one_round_trip_and_asked_for_anew(fake, context, scale):
    shared = cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
    assert scale.get_attribute(shared) == 108
    trips = context.round_trips
    scale.set_attribute(shared, np.int64(65536))
    assert fake.asked[-1] == m.SetKernelAttribute(scale._handle, 0x20008, 65536)
    fake.answers[m.GetInfo] = m.Info(0, 65536)
    assert scale.max_dynamic_shared_size_bytes == 65536
    assert context.round_trips == trips + 2
    scale.set_cache_config(cuda.func_cache.PREFER_L1)
    assert fake.asked[-1] == m.SetKernelAttribute(scale._handle, 0x20100, 2)


def test_an_attribute_that_cannot_be_is_refused_at_once(fake, scale):
    refusal = LowerLogicError("clSetKernelExecInfo", -30, "CUDA_ERROR_INVALID_VALUE: too much")
    fake.answers[m.SetKernelAttribute] = refusal
    with pytest.raises(cuda.LogicError, match="cuFuncSetAttribute failed: invalid value"):
        scale.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 30)
    with pytest.raises(ValueError, match="17"):
        scale.set_cache_config(17)


def test_a_node_that_knows_nothing_of_attributes_is_not_asked(fake, scale):
    fake.features = frozenset({"svm", "addresses"})
    asked = len(fake.asked)
    scale.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 65536)
    scale.set_cache_config(cuda.func_cache.PREFER_SHARED)
    scale.set_shared_config(cuda.shared_config.FOUR_BYTE_BANK_SIZE)
    assert len(fake.asked) == asked
