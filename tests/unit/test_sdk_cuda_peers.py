"""Copies between contexts: on the node where one session has both, by way of this process elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.cuda_rig import FakeCuda, cuda_contexts

import accelpool.cuda.driver as cuda
from accelpool.cuda import peer_copies
from accelpool_wire import messages as m

COMMANDS = (m.EnqueueMarker, m.EnqueueCopyBuffer, m.EnqueueBarrier, m.EnqueueFillBuffer)


@pytest.fixture
def fake():
    return FakeCuda(2)


@pytest.fixture
def contexts(fake):
    """Two contexts of one session, none of them current."""
    contexts = cuda_contexts(fake)
    yield contexts
    for context in contexts:
        context.detach()


@pytest.fixture
def strangers():
    """Two contexts of two sessions, and the connections behind them."""
    fakes = [FakeCuda(), FakeCuda()]
    contexts = [cuda_contexts(fake)[0] for fake in fakes]
    yield contexts, fakes
    for context in contexts:
        context.detach()


def memory(context, size):
    context.push()
    try:
        return cuda.mem_alloc(size)
    finally:
        context.pop()


def test_a_copy_within_a_session_is_one_on_its_node_after_all_before_it(fake, contexts):
    (one, other), trips = contexts, contexts[0].round_trips
    source, target = memory(one, 64), memory(other, 64)
    before, trips = len(fake.posted), contexts[0].round_trips
    cuda.memcpy_peer(int(target) + 8, int(source) + 16, 32, other, one)
    marker, copy, barrier = fake.posted[before:]
    null, there = (context._lanes.null.queue._handle for context in contexts)
    assert marker == m.EnqueueMarker(null, marker.event, None)
    assert (copy.queue, copy.source, copy.target) == (there, source._buffer._handle, target._buffer._handle)
    assert (copy.source_offset, copy.target_offset, copy.size) == (16, 8, 32)
    assert copy.wait_for == [marker.event]
    assert barrier == m.EnqueueBarrier(null, 0, [copy.event])
    assert {marker.event, copy.event} <= set(fake.released)
    assert one.round_trips == trips


def test_it_comes_after_blocking_streams_of_both_contexts(fake, contexts):
    one, other = contexts
    source, target = memory(one, 64), memory(other, 64)
    streams = []
    for context, place in ((one, source), (other, target)):
        context.push()
        streams.append(cuda.Stream())
        cuda.memset_d8_async(place, 1, 64, streams[-1])
        context.pop()
    before = len(fake.posted)
    cuda.memcpy_peer(target, source, 64, other, one)
    sent = [message for message in fake.posted[before:] if isinstance(message, COMMANDS)]
    marked = {message.event: message.queue for message in sent if isinstance(message, m.EnqueueMarker)}
    copy = next(message for message in sent if isinstance(message, m.EnqueueCopyBuffer))
    queues = {stream._lane.queue._handle for stream in streams}
    waited = [each for each in copy.wait_for if marked[each] in queues]
    assert len(waited) == 1, "that of the context that is copied to"
    null = next(each for each in copy.wait_for if each not in waited)
    marker = next(message for message in sent if getattr(message, "event", 0) == null)
    assert [marked[each] for each in marker.wait_for] == [streams[0]._lane.queue._handle]


@pytest.mark.parametrize("place", [0, 1])
def test_a_copy_in_a_stream_is_ordered_there_alone(fake, contexts, place):
    source, target = memory(contexts[0], 64), memory(contexts[1], 64)
    contexts[place].push()
    stream = cuda.Stream(1)
    before = len(fake.posted)
    cuda.memcpy_peer_async(target, source, 64, contexts[1], contexts[0], stream)
    (copy,) = fake.posted[before:]
    assert (copy.queue, copy.event, copy.wait_for) == (stream._lane.queue._handle, 0, None)
    contexts[place].pop()


def test_a_copy_within_a_context_is_an_ordinary_one(fake, contexts):
    contexts[0].push()
    source, target = cuda.mem_alloc(64), cuda.mem_alloc(64)
    before = len(fake.posted)
    cuda.memcpy_peer(target, source, 64)
    (copy,) = fake.posted[before:]
    assert copy.queue == contexts[0]._lanes.null.queue._handle
    cuda.memcpy_peer(target, source, 0, contexts[0], contexts[0])
    assert len(fake.posted) == before + 1
    contexts[0].pop()


def test_a_copy_between_sessions_goes_by_way_of_this_process_in_bands(strangers, monkeypatch):
    monkeypatch.setattr(peer_copies, "BAND_BYTES", 4)
    (one, other), (near, far) = strangers
    source, target = memory(one, 64), memory(other, 64)
    near.content = b"abcd"
    cuda.memcpy_peer(int(target) + 1, int(source) + 2, 10, other, one)
    reads = [message for message in near.asked if isinstance(message, m.EnqueueReadBuffer)]
    writes = far.sent(m.EnqueueWriteBuffer)
    assert [(read.offset, read.size) for read in reads] == [(2, 4), (6, 4), (10, 2)]
    assert [write.offset for write in writes] == [1, 5, 9]
    sent = [content for content in far.payloads if content]
    assert sent == [b"abcd", b"abcd", b"ab"]
    assert cuda.Context.get_current() is None


def test_a_node_that_knows_nothing_of_such_copies_is_not_asked_for_one(fake, contexts):
    fake.features = frozenset({"addresses"})
    source, target = memory(contexts[0], 64), memory(contexts[1], 64)
    cuda.memcpy_peer(target, source, 64, contexts[1], contexts[0])
    assert not fake.sent(m.EnqueueCopyBuffer)
    assert len(fake.sent(m.EnqueueWriteBuffer)) == 1


def test_what_is_not_there_is_refused_before_anything_is_sent(fake, contexts, strangers):
    source, target = memory(contexts[0], 64), memory(contexts[1], 64)
    before = len(fake.posted)
    for size, from_, to in ((65, source, target), (64, target, target), (64, source, source)):
        with pytest.raises(cuda.LogicError, match="invalid value"):
            cuda.memcpy_peer(to, from_, size, contexts[1], contexts[0])
    strangers[0][0].push()
    with pytest.raises(cuda.LogicError, match="is of neither context"):
        cuda.memcpy_peer_async(target, source, 64, contexts[1], contexts[0], cuda.Stream())
    strangers[0][0].pop()
    assert len(fake.posted) == before
    with pytest.raises(cuda.LogicError, match="no context is current"):
        cuda.memcpy_peer(target, source, 64)


def test_a_box_goes_from_context_to_context(strangers):
    (one, other), (near, far) = strangers
    source, target = memory(one, 4096), memory(other, 4096)
    near.content = bytes(range(24))
    copy = cuda.Memcpy3DPeer()
    copy.set_src_device(source)
    copy.set_dst_device(target)
    copy.set_src_context(one)
    copy.set_dst_context(other)
    copy.width_in_bytes, copy.height, copy.depth = 4, 3, 2
    copy.src_pitch, copy.src_height, copy.dst_pitch, copy.dst_height = 16, 8, 32, 4
    copy()
    (write,) = far.sent(m.EnqueueWriteBufferRect)
    assert (write.region, write.row_pitch, write.slice_pitch) == ([4, 3, 2], 32, 128)
    assert far.payloads[far.posted.index(write)] == bytes(range(24))


def test_a_box_of_host_memory_goes_to_the_context_that_was_said(strangers):
    (one, other), (_, far) = strangers
    target = memory(other, 64)
    copy = cuda.Memcpy3DPeer()
    copy.set_src_host(np.arange(8, dtype=np.uint8))
    copy.set_dst_device(target)
    copy.set_src_context(one)
    copy.set_dst_context(other)
    copy.width_in_bytes, copy.height = 8, 1
    copy()
    assert len(far.sent(m.EnqueueWriteBufferRect)) == 1


def test_kernels_reach_no_peers_memory_and_it_is_said(contexts):
    one, other = contexts
    assert not one._device.can_access_peer(other._device)
    with pytest.raises(cuda.LogicError, match="peer access unsupported"):
        one.enable_peer_access(other)
    with pytest.raises(cuda.LogicError, match="peer access not enabled"):
        one.disable_peer_access(other)
