"""Images in a context over several nodes stay where they are made; those over buffers migrate with them."""

import gc

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import built, fake_spanning_context, kernel_info
from accelpool_wire import messages as m

from .spanning_rig import COPY, DATA, count, forget, only

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


def image_over(ctx, buffer, pixels=16):
    return cl.create_image(ctx, cl.mem_flags.READ_WRITE, FORMAT, (pixels,), buffer=buffer)


def read(queue, image):
    cl.enqueue_copy(queue, np.empty(4, np.float32), image, origin=(0,), region=(4,))


def made(fake):
    """Return the objects of memory that a node was told to make, in their order."""
    kinds = (m.CreateBuffer, m.CreateSubBuffer, m.CreateImage)
    return [type(message) for message in fake.posted if isinstance(message, kinds)]


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


# ---- images over buffers -----------------------------------------------------------------------------


def test_an_image_over_a_buffer_is_made_where_it_is_used_and_its_content_goes_there(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    image = image_over(ctx, buffer)
    read(queues[1], image)
    assert [made(fake) for fake in fakes] == [[m.CreateBuffer], [m.CreateBuffer, m.CreateImage]]
    created = only(fakes[1], m.CreateImage)
    assert (created.image, created.buffer) == (image._handle, buffer._handle)
    assert fakes[1].asked[-1].wait_for == [only(fakes[1], m.ReceiveBuffer).event]


def test_what_is_written_through_an_image_is_in_its_buffer_everywhere(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    image = image_over(ctx, buffer)
    cl.enqueue_copy(queues[1], image, DATA[:4], origin=(0,), region=(4,))
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert only(fakes[1], m.SendBuffer).buffer == buffer._handle
    read(queues[0], image)
    assert ctx.migrations == 2


def test_an_image_over_a_region_has_it_made_first_on_every_node(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=np.zeros(64, np.float32))
    image = image_over(ctx, buffer[128:256])
    gc.collect()  # nothing but the image refers to the region
    for fake, queue in zip(fakes, queues, strict=True):
        read(queue, image)
        assert made(fake) == [m.CreateBuffer, m.CreateSubBuffer, m.CreateImage]
        assert only(fake, m.CreateImage).buffer == only(fake, m.CreateSubBuffer).sub_buffer
    assert only(fakes[0], m.SendBuffer).size == 256


def test_an_image_over_a_region_in_a_context_on_one_of_the_nodes_works_too(fakes, ctx):
    forget(*fakes)
    other = cl.Context(ctx.devices[1:])
    image = image_over(other, cl.Buffer(other, COPY, hostbuf=np.zeros(64, np.float32))[128:256])
    read(cl.CommandQueue(other), image)
    assert made(fakes[1]) == [m.CreateBuffer, m.CreateSubBuffer, m.CreateImage]
    assert fakes[0].posted == []


def test_an_image_keeps_what_it_is_over(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=np.zeros(64, np.float32))
    region = buffer[128:256]
    image = image_over(ctx, region)
    handles = {memory._handle for memory in (buffer, region, image)}
    for memory in (buffer, region):
        memory.release()
    read(queues[1], image)
    assert handles.isdisjoint(fakes[1].released)
    image.release()
    cl.enqueue_marker(queues[1])
    assert handles <= {*fakes[1].released}


def test_an_image_that_a_kernel_only_reads_stays_valid_everywhere(fakes, ctx, queues):
    for fake in fakes:
        info = kernel_info("look", "global image1d_buffer_t pixels")
        info.args[0] = m.ArgInfo("pixels", "image1d_buffer_t", 0x119B, 0x11A0, 0)
        fake.answers[m.BuildProgram] = built(info)
    image = image_over(ctx, cl.Buffer(ctx, COPY, hostbuf=DATA))
    kernel = cl.Program(ctx, "source").build().look
    for queue in [*queues, *queues]:
        kernel(queue, (16,), None, image)
    assert ctx.migrations == 1
    assert count(fakes[0], m.CreateImage) == 1


def test_an_image_over_what_is_released_is_refused(ctx):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    buffer.release()
    with pytest.raises(cl.LogicError) as caught:
        image_over(ctx, buffer)
    assert caught.value.code == cl.status_code.INVALID_MEM_OBJECT
