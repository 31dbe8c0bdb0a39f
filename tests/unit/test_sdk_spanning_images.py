"""Images in a context over several nodes stay where they are made; rectangles migrate with their buffers."""

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import fake_spanning_context
from accelpool_wire import messages as m

from .spanning_rig import COPY, DATA, forget, only

FORMAT = cl.ImageFormat(cl.channel_order.R, cl.channel_type.FLOAT)


@pytest.fixture
def ctx(fakes):
    return fake_spanning_context(fakes)


@pytest.fixture
def queues(ctx):
    return [cl.CommandQueue(ctx, device) for device in ctx.devices]


@pytest.fixture
def image(ctx):
    return cl.create_image(ctx, cl.mem_flags.READ_WRITE, FORMAT, (4, 4))


def test_an_image_is_made_and_used_on_the_node_of_the_first_device(fakes, queues, image):
    where = {"origin": (0, 0), "region": (4, 4)}
    cl.enqueue_copy(queues[0], image, DATA.reshape(4, 4), **where)
    assert only(fakes[0], m.EnqueueWriteImage).image == only(fakes[0], m.CreateImage).image
    with pytest.raises(cl.LogicError, match="an image does not migrate") as caught:
        cl.enqueue_copy(queues[1], np.empty((4, 4), np.float32), image, **where)
    assert caught.value.code == cl.status_code.INVALID_OPERATION


def test_a_buffer_migrates_to_the_image_that_it_is_copied_to(fakes, ctx, queues, image):
    buffer = cl.Buffer(ctx, 0, 64)
    cl.enqueue_copy(queues[1], buffer, DATA)
    cl.enqueue_copy(queues[0], image, buffer, offset=0, origin=(0, 0), region=(4, 4))
    assert only(fakes[1], m.SendBuffer).buffer == buffer._handle
    assert only(fakes[0], m.EnqueueCopyBufferToImage).wait_for == [only(fakes[0], m.ReceiveBuffer).event]


def test_a_sampler_is_everywhere(fakes, ctx):
    forget(*fakes)
    sampler = cl.Sampler(ctx, False, cl.addressing_mode.CLAMP, cl.filter_mode.NEAREST)
    assert [only(fake, m.CreateSampler).sampler for fake in fakes] == [sampler._handle] * 2


def test_the_formats_of_images_are_those_of_the_node_that_has_them(fakes, ctx):
    assert cl.get_supported_image_formats(ctx, cl.mem_flags.READ_WRITE, cl.mem_object_type.IMAGE2D)
    assert (len(fakes[0].asked), fakes[1].asked) == (1, [])


def test_rectangles_migrate_with_their_buffer(fakes, ctx, queues):
    buffer, out = cl.Buffer(ctx, COPY, hostbuf=DATA), np.zeros((2, 8), np.uint8)
    cl.enqueue_copy(
        queues[1], out, buffer, buffer_origin=(0, 0), host_origin=(0, 0), region=(8, 2), buffer_pitches=(16,)
    )
    assert fakes[1].asked[-1].wait_for == [only(fakes[1], m.ReceiveBuffer).event]
    cl.enqueue_copy(
        queues[1], buffer, out, buffer_origin=(0, 0), host_origin=(0, 0), region=(8, 2), buffer_pitches=(16,)
    )
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert ctx.migrations == 2
