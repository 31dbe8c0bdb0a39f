"""Images, samplers, rectangles: what is sent for them, and what is refused before anything is sent."""

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import FakeConnection, built, fake_context, kernel_info
from accelpool_wire import messages as m
from accelpool_wire.pending import Once

mf = cl.mem_flags
RGBA8 = cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.UNSIGNED_INT8)
FLOAT = cl.ImageFormat(cl.channel_order.R, cl.channel_type.FLOAT)
GRID = np.arange(48, dtype=np.float32).reshape(6, 8)
MODES = (False, cl.addressing_mode.CLAMP, cl.filter_mode.NEAREST)


@pytest.fixture
def image(ctx):
    return cl.create_image(ctx, mf.READ_WRITE, FLOAT, (8, 6))


def test_an_image_is_one_message_after_one_question_for_its_formats(fake, ctx):
    made = [cl.create_image(ctx, 0, RGBA8, (4, 3)) for _ in range(3)]
    place = (ctx._handle, mf.READ_WRITE, cl.mem_object_type.IMAGE2D, RGBA8._message(), [4, 3, 1])
    assert fake.posted[-1] == m.CreateImage(made[-1]._handle, *place)
    assert fake.asked == [m.GetSupportedImageFormats(ctx._handle, mf.READ_WRITE, cl.mem_object_type.IMAGE2D)]


def test_pixels_leave_without_gaps(fake, ctx):
    cl.create_image(ctx, mf.COPY_HOST_PTR, FLOAT, (5, 6), pitches=(32,), hostbuf=GRID)
    assert fake.payloads[-1] == np.ascontiguousarray(GRID[:, :5]).tobytes()


def test_pixels_without_gaps_are_not_copied(ctx):
    from accelpool.host import flat_bytes, packed
    from accelpool_wire.rectangles import rectangle

    content = flat_bytes(GRID)
    assert np.shares_memory(packed(content, rectangle((0, 1, 0), (32, 2, 1), 32, 0, "clTest")), GRID)


def test_a_host_array_used_in_place_must_be_writable(ctx):
    locked = GRID.copy()
    locked.flags.writeable = False
    cl.create_image(ctx, mf.USE_HOST_PTR | mf.READ_ONLY, FLOAT, (8, 6), hostbuf=locked)
    with pytest.raises(BufferError):
        cl.create_image(ctx, mf.USE_HOST_PTR | mf.READ_WRITE, FLOAT, (8, 6), hostbuf=locked)


def test_devices_without_images_refuse_them_with_a_clear_text():
    fake = FakeConnection()
    fake.devices[0].info[cl.device_info.IMAGE_SUPPORT] = 0
    ctx = fake_context(fake)
    for make in (lambda: cl.create_image(ctx, 0, RGBA8, (4, 3)), lambda: cl.Sampler(ctx, *MODES)):
        with pytest.raises(cl.LogicError, match="no device of the context has images") as caught:
            make()
        assert caught.value.code == cl.status_code.INVALID_OPERATION


def test_a_write_leaves_without_gaps(fake, queue, image):
    cl.enqueue_copy(queue, image, GRID, origin=(2, 1), region=(3, 2), pitches=(32,))
    assert fake.posted[-1] == m.EnqueueWriteImage(
        queue._handle, image._handle, [2, 1, 0], [3, 2, 1], fake.posted[-1].event
    )
    assert fake.payloads[-1] == np.ascontiguousarray(GRID[:2, :3]).tobytes()


def test_a_blocking_read_scatters_what_came(fake, queue, image):
    fake.content = np.arange(6, dtype=np.float32).tobytes()
    out = np.zeros((4, 5), np.float32)
    cl.enqueue_copy(queue, out, image, origin=(0, 0), region=(3, 2), pitches=(20,))
    np.testing.assert_array_equal(out[:2, :3], [[0, 1, 2], [3, 4, 5]])
    assert out.sum() == 15


def test_a_read_is_scattered_once_by_whoever_waits_first(fake, queue, image):
    fake.content = np.ones(6, np.float32).tobytes()
    out = np.zeros((2, 5), np.float32)
    event = cl.enqueue_copy(queue, out, image, origin=(0, 0), region=(3, 2), pitches=(20,), is_blocking=False)
    assert not out.any()
    queue.finish()
    assert out.sum() == 6
    out[:] = 7
    event.wait()
    assert (out == 7).all()


def test_what_is_done_once_is_done_once():
    done = []
    once = Once(lambda: done.append(1))
    once()
    once()
    assert done == [1]


def test_rectangles_leave_and_come_without_gaps(fake, ctx, queue):
    buffer, data = cl.Buffer(ctx, 0, 100), np.arange(60, dtype=np.uint8)
    where = {"buffer_origin": (1, 2), "region": (3, 2), "buffer_pitches": (10,), "host_pitches": (20,)}
    cl.enqueue_copy(queue, buffer, data, host_origin=(4, 1), **where)
    sent = m.EnqueueWriteBufferRect(queue._handle, buffer._handle, [1, 2, 0], [3, 2, 1], 10, 20)
    assert fake.posted[-1] == m.EnqueueWriteBufferRect(*list(_fields(sent))[:6], fake.posted[-1].event)
    assert fake.payloads[-1] == bytes([24, 25, 26, 44, 45, 46])
    fake.content = b"abcdef"
    cl.enqueue_copy(queue, data, buffer, host_origin=(4, 1), **where)
    assert data.tobytes()[24:27] + data.tobytes()[44:47] == b"abcdef"


def _fields(message):
    return (getattr(message, name) for name in message.__struct_fields__)


def test_nothing_is_sent_for_what_is_refused(fake, queue, image):
    count = len(fake.posted)
    for place in ({"origin": (1, 0), "region": (8, 6)}, {"origin": (0, -1), "region": (1, 1)}):
        with pytest.raises((cl.LogicError, TypeError)):
            cl.enqueue_copy(queue, image, GRID, **place)
    assert len(fake.posted) == count


def test_copies_with_an_offset_by_its_old_name_warn(fake, ctx, queue):
    one, two = cl.Buffer(ctx, 0, 64), cl.Buffer(ctx, 0, 64)
    with pytest.warns(DeprecationWarning, match="dst_offset"):
        cl.enqueue_copy(queue, one, two, byte_count=4, dest_offset=8)
    assert fake.posted[-1].target_offset == 8
    with pytest.warns(DeprecationWarning, match="src_offset"):
        cl.enqueue_copy(queue, np.zeros(4, np.uint8), one, device_offset=4)
    assert fake.asked[-1].offset == 4
    with pytest.raises(TypeError, match="both 'device_offset' and 'dst_offset'"):
        cl.enqueue_copy(queue, one, b"abcd", device_offset=4, dst_offset=4)


@pytest.fixture
def kernel(fake, ctx):
    fake.answers[m.BuildProgram] = built(
        kernel_info("look", "global image2d_t image", "sampler_t sampler", "global float* out")
    )
    return cl.Kernel(cl.Program(ctx, "source").build(), "look")


def test_images_and_samplers_go_along_by_their_handles(fake, ctx, queue, image, kernel):
    sampler, out = cl.Sampler(ctx, *MODES), cl.Buffer(ctx, 0, 64)
    kernel(queue, (1,), None, image, sampler, out)
    assert fake.posted[-1].args == [image._handle, sampler._handle, out._handle]


@pytest.mark.parametrize("index", [0, 1])
def test_images_and_samplers_of_another_session_are_refused(kernel, index):
    other = fake_context(FakeConnection())
    strangers = [cl.create_image(other, 0, FLOAT, (8, 6)), cl.Sampler(other, *MODES)]
    codes = [cl.status_code.INVALID_MEM_OBJECT, cl.status_code.INVALID_SAMPLER]
    with pytest.raises(cl.LogicError, match="of the kernel's context") as caught:
        kernel.set_arg(index, strangers[index])
    assert caught.value.code == codes[index]


def test_arguments_of_unknown_types_may_be_images_and_samplers(fake, ctx, queue, image):
    info = kernel_info("look", "int a", "int b")
    fake.answers[m.BuildProgram] = built(m.KernelInfo("look", 2, "", [], info.work_groups))
    sampler = cl.Sampler(ctx, *MODES)
    cl.Kernel(cl.Program(ctx, "source").build(), "look")(queue, (1,), None, image, sampler)
    assert fake.posted[-1].args == [image._handle, sampler._handle]


def test_a_released_image_is_of_no_use(queue, image):
    image.release()
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_copy(queue, image, GRID, origin=(0, 0), region=(8, 6))
    assert caught.value.code == cl.status_code.INVALID_MEM_OBJECT


def test_an_image_keeps_the_buffer_that_it_is_over(fake, ctx):
    image = cl.create_image(ctx, 0, FLOAT, (4,), buffer=cl.Buffer(ctx, 0, 64))
    assert fake.posted[-1].buffer == image.buffer._handle
    assert fake.released == []


def test_vector_types_have_channels(fake, ctx):
    cltypes = pytest.importorskip("accelpool.cltypes")
    pairs = np.zeros((4, 5), cltypes.float2)
    image = cl.image_from_array(ctx, pairs)
    assert (image.format.channel_order, image.shape) == (cl.channel_order.RG, (5, 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda ctx: cl.create_image(None, 0, RGBA8, (1, 1)),
        lambda ctx: cl.create_image(ctx, 0, RGBA8, (1.5, 1)),
        lambda ctx: cl.create_image(ctx, 0, RGBA8, (-1, 1)),
        lambda ctx: cl.Sampler(None, *MODES),
        lambda ctx: cl.Sampler(ctx, False),
        lambda ctx: setattr(cl.ImageDescriptor(), "buffer", 5),
    ],
)
def test_values_of_the_wrong_type_are_refused(ctx, make):
    with pytest.raises(TypeError):
        make(ctx)
