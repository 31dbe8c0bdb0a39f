"""Calls on images, samplers and rectangles, for PyOpenCL's own objects and for the pool's."""

from __future__ import annotations

import numpy as np

SOURCE = """
__kernel void sample(read_only image2d_t image, sampler_t sampler, float scale, __global float *out) {
    int x = get_global_id(0), y = get_global_id(1);
    out[y * get_global_size(0) + x] = read_imagef(image, sampler, (float2)(x * scale, y * scale)).x;
}
__kernel void paint(write_only image2d_t image) {
    int x = get_global_id(0), y = get_global_id(1);
    write_imageui(image, (int2)(x, y), (uint4)(x, y, x + y, 7));
}
__kernel void volume(read_only image3d_t image, __global int *out) {
    const sampler_t near = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_NONE | CLK_FILTER_NEAREST;
    int4 at = (int4)(get_global_id(0), get_global_id(1), get_global_id(2), 0);
    out[at.x + 4 * (at.y + 3 * at.z)] = read_imagei(image, near, at).x;
}
__kernel void layers(read_only image2d_array_t image, __global int *out) {
    const sampler_t near = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_NONE | CLK_FILTER_NEAREST;
    int4 at = (int4)(get_global_id(0), get_global_id(1), get_global_id(2), 0);
    out[at.x + 4 * (at.y + 3 * at.z)] = read_imagei(image, near, at).x;
}
__kernel void rows(read_only image1d_array_t image, __global float *out) {
    const sampler_t near = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_NONE | CLK_FILTER_NEAREST;
    int x = get_global_id(0), y = get_global_id(1);
    out[y * 8 + x] = read_imagef(image, near, (int2)(x, y)).x;
}
__kernel void line(read_only image1d_buffer_t image, __global int *out) {
    out[get_global_id(0)] = read_imagei(image, (int)get_global_id(0)).x;
}
"""
RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 255, (6, 8, 4), dtype=np.uint8)
FLOATS = RNG.random((6, 8), dtype=np.float32)
INTS = RNG.integers(-99, 99, (2, 3, 4), dtype=np.int32)


class Bench:
    """A module with a context, a queue and a built program on a device."""

    def __init__(self, cl, ctx):
        self.cl, self.ctx, self.device = cl, ctx, ctx.devices[0]
        self.queue = cl.CommandQueue(ctx)
        self.prg = cl.Program(ctx, SOURCE).build("-cl-kernel-arg-info")
        self.mf = cl.mem_flags
        self.kept = cl.Buffer(ctx, self.mf.READ_WRITE, 256)

    def format(self, order, kind):
        return self.cl.ImageFormat(getattr(self.cl.channel_order, order), getattr(self.cl.channel_type, kind))

    def image(self, shape, order="RGBA", kind="UNSIGNED_INT8", flags=0, **options):
        flags = flags or self.mf.READ_WRITE
        if options.get("hostbuf") is not None:
            flags |= self.mf.COPY_HOST_PTR
        return self.cl.create_image(self.ctx, flags, self.format(order, kind), shape, **options)

    def pixels(self):
        return self.image((8, 6), hostbuf=PIXELS)

    def floats(self):
        return self.image((8, 6), "R", "FLOAT", hostbuf=FLOATS)

    def buffer(self, size):
        buffer = self.cl.Buffer(self.ctx, self.mf.READ_WRITE, size)
        self.cl.enqueue_fill_buffer(self.queue, buffer, np.uint8(9), 0, size)
        return buffer

    def copy(self, dest, src, **options):
        return self.cl.enqueue_copy(self.queue, dest, src, **options)

    def content(self, image, region, like):
        out = np.zeros_like(like)
        self.copy(out, image, origin=(0, 0), region=region)
        return out

    def read(self, buffer, dtype, count):
        out = np.empty(count, dtype)
        self.copy(out, buffer)
        return out

    def sampler(self, *modes):
        addressing, filtering = self.cl.addressing_mode, self.cl.filter_mode
        return self.cl.Sampler(self.ctx, *(modes or (False, addressing.CLAMP_TO_EDGE, filtering.NEAREST)))

    def kernel(self, name):
        return self.cl.Kernel(self.prg, name)

    def descriptor(self, kind, shape, **more):
        found = self.cl.ImageDescriptor()
        found.image_type, found.shape = getattr(self.cl.mem_object_type, kind), shape
        found.pitches, found.buffer = (0, 0), None
        for name, value in more.items():
            setattr(found, name, value)
        return found

    def described(self, *args, flags=0, hostbuf=None, **more):
        desc = self.descriptor(*args, **more)
        return self.cl.Image(self.ctx, flags, self.format("R", "FLOAT"), hostbuf=hostbuf, desc=desc)


# ---- results ---------------------------------------------------------------------------------------------


def content_of_a_2d_image(b):
    return b.content(b.pixels(), (8, 6), PIXELS)


def content_with_pitches(b):
    wide = np.arange(6 * 12, dtype=np.float32).reshape(6, 12)
    image = b.image((8, 6), "R", "FLOAT", hostbuf=wide, pitches=(48,))
    out = np.zeros((6, 16), np.float32)
    b.copy(out, image, origin=(0, 0), region=(8, 6), pitches=(64,))
    return out


def content_in_fortran_order(b):
    return b.content(b.image((8, 6), "R", "FLOAT", hostbuf=np.asfortranarray(FLOATS)), (8, 6), FLOATS)


def content_of_3d_images_and_arrays(b):
    kernels = {"volume": False, "layers": True}
    found = []
    for name, is_array in kernels.items():
        image = b.image((4, 3, 2), "R", "SIGNED_INT32", hostbuf=INTS, is_array=is_array)
        out = b.buffer(INTS.nbytes)
        b.kernel(name)(b.queue, (4, 3, 2), None, image, out)
        found += [b.read(out, np.int32, 24), b.content(image, (4, 3, 2), INTS).ravel()]
    return found


def slice_pitches(b):
    tall = np.arange(2 * 5 * 6, dtype=np.int32)
    image = b.image((4, 3, 2), "R", "SIGNED_INT32", hostbuf=tall, pitches=(24, 120))
    out = np.zeros((2, 4, 8), np.int32)
    b.copy(out, image, origin=(0, 0, 0), region=(4, 3, 2), pitches=(32, 128))
    return out


def a_1d_buffer_image(b):
    buffer = b.buffer(64)
    b.copy(buffer, np.arange(16, dtype=np.int32))
    image, out = b.image((10,), "R", "SIGNED_INT32", buffer=buffer), b.buffer(40)
    b.kernel("line")(b.queue, (10,), None, image, out)
    return b.read(out, np.int32, 10)


def a_2d_image_over_a_buffer(b):
    buffer = b.cl.Buffer(b.ctx, b.mf.READ_WRITE | b.mf.COPY_HOST_PTR, hostbuf=np.arange(1024, dtype="f4"))
    image = b.described("IMAGE2D", (16, 3), pitches=(256, 0), buffer=buffer)
    out = np.zeros((3, 16), np.float32)
    b.copy(out, image, origin=(0, 0), region=(16, 3))
    return out


def an_array_of_1d_images(b):
    image = b.described("IMAGE1D_ARRAY", (8,), array_size=6, hostbuf=FLOATS, flags=b.mf.COPY_HOST_PTR)
    out = b.buffer(6 * 8 * 4)
    b.kernel("rows")(b.queue, (8, 6), None, image, out)
    return b.read(out, np.float32, 48)


def parts_written_and_read(b):
    image = b.pixels()
    b.copy(image, np.full((2, 3, 4), 200, np.uint8), origin=(4, 1), region=(3, 2))
    part = np.zeros((4, 4, 4), np.uint8)
    event = b.copy(part, image, origin=(3, 0), region=(4, 4), is_blocking=False)
    event.wait()
    return [part, b.content(image, (8, 6), PIXELS)]


def reads_with_gaps_that_nobody_waits_for(b):
    out = np.zeros((6, 16), np.float32)
    b.copy(out, b.floats(), origin=(0, 0), region=(8, 6), pitches=(64,), is_blocking=False)
    b.queue.finish()
    return out


def copies_between_images_and_buffers(b):
    image, other, buffer = b.pixels(), b.image((8, 6)), b.buffer(256)
    b.cl.enqueue_fill_image(b.queue, other, np.array([1, 2, 3, 4], np.uint32), (0, 0), (8, 6))
    b.copy(other, image, src_origin=(2, 1), dest_origin=(0, 3), region=(4, 2))
    b.copy(buffer, image, offset=16, origin=(0, 0), region=(8, 6))
    b.copy(other, buffer, offset=40, origin=(5, 0), region=(3, 2))
    return [b.content(other, (8, 6), PIXELS), b.read(buffer, np.uint8, 256).reshape(8, 8, 4)[:6]]


def fills(b):
    image, floats = b.pixels(), b.floats()
    b.cl.enqueue_fill_image(b.queue, image, np.array([9, 8, 7, 300], np.uint32), (1, 1), (2, 2))
    b.cl.enqueue_fill_image(b.queue, floats, np.array([0.5, 1, 1, 1], np.float32), (3,), (4,))
    normed = b.image((4, 4), kind="UNORM_INT8")
    b.cl.enqueue_fill_image(b.queue, normed, np.array([0, 0.5, 1, 2], np.float32), (0, 0), (4, 4))
    out = np.zeros((4, 4, 4), np.uint8)
    b.copy(out, normed, origin=(0, 0), region=(4, 4))
    return [b.content(image, (8, 6), PIXELS).ravel(), b.content(floats, (8, 6), FLOATS).ravel(), out.ravel()]


def samplers(b):
    image, out = b.floats(), b.buffer(6 * 8 * 4)
    addressing, filtering = b.cl.addressing_mode, b.cl.filter_mode
    found = []
    for modes, scale in (
        ((False, addressing.CLAMP_TO_EDGE, filtering.NEAREST), 1.5),
        ((True, addressing.REPEAT, filtering.NEAREST), 0.25),
        ((True, addressing.MIRRORED_REPEAT, filtering.LINEAR), 0.3),
        (([b.cl.sampler_properties.NORMALIZED_COORDS, 0],), 1.0),
    ):
        b.kernel("sample")(b.queue, (8, 6), None, image, b.sampler(*modes), np.float32(scale), out)
        found.append(b.read(out, np.float32, 48))
    return found


def arguments_set_before(b):
    kernel, out = b.kernel("sample"), b.buffer(6 * 8 * 4)
    image, sampler = b.floats(), b.sampler()  # PyOpenCL's kernels do not keep them alive
    kernel.set_args(b.floats(), sampler, np.float32(1), out)
    kernel.set_arg(0, image)
    b.cl.enqueue_nd_range_kernel(b.queue, kernel, (8, 6), None)
    return b.read(out, np.float32, 48)


def painting(b):
    image = b.image((8, 6), flags=b.mf.WRITE_ONLY)
    b.kernel("paint")(b.queue, (8, 6), None, image)
    return b.content(image, (8, 6), PIXELS)


def images_from_arrays(b):
    found = []
    for array, channels, mode, is_normed in (
        (FLOATS, None, "r", False), (PIXELS, 4, "w", True), (PIXELS, 4, "r", False), (INTS, 1, "r", False),
    ):  # fmt: skip
        image = b.cl.image_from_array(b.ctx, array, channels, mode, is_normed)
        found += [repr(image.format).partition("(")[2], image.shape, image.flags]
        found.append(b.content(image, image.shape, array).tolist())
    return repr(found)


def host_memory_used_in_place(b):
    data = FLOATS.copy()
    image = b.cl.create_image(
        b.ctx, b.mf.READ_WRITE | b.mf.USE_HOST_PTR, b.format("R", "FLOAT"), (8, 6), hostbuf=data
    )
    return b.content(image, (8, 6), FLOATS)


def rectangles_between_buffers_and_host(b):
    data, buffer, other = np.arange(400, dtype=np.uint8), b.buffer(600), b.buffer(600)
    b.copy(
        buffer, data, buffer_origin=(2, 1, 1), host_origin=(3, 2), region=(5, 4, 3),
        buffer_pitches=(10, 100), host_pitches=(8, 80),
    )  # fmt: skip
    b.copy(
        other, buffer, src_origin=(2, 1, 1), dst_origin=(1, 0, 0), region=(5, 4, 2), src_pitches=(10, 100),
        dst_pitches=(12,),
    )  # fmt: skip
    out = np.full(500, 77, np.uint8)
    b.copy(
        out, other, buffer_origin=(0, 0), host_origin=(4, 1), region=(7, 6), buffer_pitches=(12,),
        host_pitches=(20,), is_blocking=False,
    ).wait()  # fmt: skip
    return [b.read(buffer, np.uint8, 600), b.read(other, np.uint8, 600), np.resize(out, 600)]


def rectangles_without_gaps(b):
    buffer = b.buffer(64)
    b.copy(buffer, np.arange(16, dtype=np.uint8), buffer_origin=(0, 1), host_origin=(0, 0), region=(4, 4))
    out = np.zeros(16, np.uint8)
    b.copy(out, buffer, buffer_origin=(0, 0), host_origin=(0,), region=(4, 3))
    return [b.read(buffer, np.uint8, 16), out]


def rectangles_within_a_buffer(b):
    buffer = b.buffer(64)
    b.copy(buffer, np.arange(64, dtype=np.uint8))
    b.copy(
        buffer,
        buffer,
        src_origin=(0, 0),
        dst_origin=(4, 0),
        region=(4, 8),
        src_pitches=(8,),
        dst_pitches=(8,),
    )
    return b.read(buffer, np.uint8, 64)


def a_mapped_image(b):
    flags, image = b.cl.map_flags, b.image((8, 6), "R", "FLOAT", hostbuf=FLOATS.copy())
    array, event, row_pitch, slice_pitch = b.cl.enqueue_map_image(
        b.queue, image, flags.READ | flags.WRITE, (2, 1), (4, 3), (3,), np.float32
    )
    first, kind = array.copy(), event.command_type
    array[:] = 5
    array.base.release(b.queue).wait()
    out = np.empty_like(FLOATS)
    b.copy(out, image, origin=(0, 0), region=(8, 6))
    return [first, np.array([kind, slice_pitch, row_pitch >= 16]), out]


RESULTS = [
    content_of_a_2d_image, content_with_pitches, content_in_fortran_order, content_of_3d_images_and_arrays,
    slice_pitches, a_1d_buffer_image, a_2d_image_over_a_buffer, an_array_of_1d_images,
    parts_written_and_read, reads_with_gaps_that_nobody_waits_for, copies_between_images_and_buffers, fills,
    samplers, arguments_set_before, painting, images_from_arrays, host_memory_used_in_place,
    rectangles_between_buffers_and_host, rectangles_without_gaps, rectangles_within_a_buffer, a_mapped_image,
]  # fmt: skip


# ---- infos -----------------------------------------------------------------------------------------------

KINDS = {
    "1d": lambda b: b.image((17,)),
    "1d over a buffer": lambda b: b.image((17,), buffer=b.kept),
    "1d array": lambda b: b.image((17, 3), is_array=True),
    "2d": lambda b: b.image((17, 5)),
    "2d array": lambda b: b.image((17, 5, 3), is_array=True),
    "3d": lambda b: b.image((17, 5, 3), flags=b.mf.READ_ONLY),
    "from an array": lambda b: b.image(None, "R", "FLOAT", hostbuf=FLOATS),
}
INFOS = ["ELEMENT_SIZE", "ROW_PITCH", "SLICE_PITCH", "WIDTH", "HEIGHT", "DEPTH", "ARRAY_SIZE",
         "NUM_MIP_LEVELS", "NUM_SAMPLES"]  # fmt: skip


def told(b, image):
    """Return all that an image says of itself, as plain values."""
    found = [image.get_image_info(getattr(b.cl.image_info, name)) for name in INFOS]
    found += [getattr(image, name.lower()) for name in INFOS]
    found += [image.type, image.flags, image.size, image.offset, image.map_count, image.format.itemsize]
    found += [image.buffer is None, image.associated_memobject is None, image.hostbuf is None]
    return [*found, image.context is not None, repr(image.format).partition("(")[2]]


def formats(b):
    found = b.cl.get_supported_image_formats(b.ctx, b.mf.READ_ONLY, b.cl.mem_object_type.IMAGE2D)
    return [(known.channel_order, known.channel_data_type) for known in found]


def sampler_infos(b):
    properties = b.cl.sampler_properties
    modes = (True, b.cl.addressing_mode.REPEAT, b.cl.filter_mode.LINEAR)
    found = []
    for sampler in (b.sampler(*modes), b.sampler([properties.FILTER_MODE, modes[2]]), b.sampler([])):
        found += [sampler.normalized_coords, sampler.addressing_mode, sampler.filter_mode]
        found += [sampler.reference_count, list(sampler.properties), sampler.context is not None]
    return found


def format_attributes(b):
    known, other = b.format("RGBA", "HALF_FLOAT"), b.format("RG", "UNORM_INT8")
    same = b.format("RGBA", "HALF_FLOAT")
    return [known == same, hash(known) == hash(same), known == other, known != other, known.itemsize,
            known.channel_count, known.dtype_size, hasattr(known, "__dict__"), known == 5]  # fmt: skip


def descriptor_attributes(b):
    desc = b.descriptor("IMAGE2D", (4, 5))
    return [desc.shape, desc.pitches, desc.buffer, desc.array_size, desc.num_mip_levels, desc.num_samples]


def event_types(b):
    image, buffer, host = b.pixels(), b.buffer(256), PIXELS.copy()
    place = {"origin": (0, 0), "region": (8, 6)}
    rect = {"buffer_origin": (0,), "host_origin": (0,), "region": (4, 4)}
    color = np.zeros(4, np.uint32)
    return [event.command_type for event in (
        b.copy(host, image, **place), b.copy(image, host, **place), b.copy(buffer, image, offset=0, **place),
        b.copy(image, buffer, offset=0, **place), b.copy(host, buffer, **rect), b.copy(buffer, host, **rect),
        b.copy(b.image((8, 6)), image, src_origin=(0,), dest_origin=(0,), region=(8, 6)),
        b.copy(b.buffer(64), buffer, src_origin=(0,), dst_origin=(0,), region=(4, 4)),
        b.cl.enqueue_fill_image(b.queue, image, color, (0, 0), (8, 6)),
    )]  # fmt: skip


QUESTIONS = [formats, sampler_infos, format_attributes, descriptor_attributes, event_types]
