"""Mistakes with images, samplers and rectangles, and what comes of them."""

from __future__ import annotations

import warnings

import numpy as np

from .image_calls import FLOATS, PIXELS

HOST = np.zeros(1000, np.float32)
FLOAT = {"order": "R", "kind": "FLOAT"}
WHOLE = {"origin": (0, 0), "region": (8, 6)}
RECT = {"buffer_origin": (0, 0), "host_origin": (0, 0)}

ERRORS = {
    "image of no dimension": lambda b: b.image(()),
    "image of 4 dimensions": lambda b: b.image((1, 1, 1, 1)),
    "image of 0 pixels": lambda b: b.image((0, 3)),
    "image too large": lambda b: b.image((1 << 20, 3)),
    "format that there is not": lambda b: b.cl.create_image(b.ctx, 0, b.cl.ImageFormat(1, 2), (4, 3)),
    "format not supported": lambda b: b.image((4, 3), "RGB", "FLOAT"),
    "no format": lambda b: b.cl.create_image(b.ctx, 0, None, (4, 3)),
    "no shape": lambda b: b.image(None),
    "pitches without host memory": lambda b: b.image((4, 3), pitches=(16,)),
    "flag without host memory": lambda b: b.image((4, 3), flags=b.mf.COPY_HOST_PTR),
    "host memory not contiguous": lambda b: b.image((4, 3), hostbuf=PIXELS[:, ::2]),
    "row pitch too small": lambda b: b.image((4, 3), **FLOAT, pitches=(8,), hostbuf=HOST),
    "row pitch odd": lambda b: b.image((4, 3), **FLOAT, pitches=(17,), hostbuf=HOST),
    "too many pitches": lambda b: b.image((4, 3), **FLOAT, pitches=(16, 16, 16), hostbuf=HOST),
    "slice pitch odd": lambda b: b.image((4, 2, 2), **FLOAT, pitches=(16, 40), hostbuf=HOST),
    "slice pitch too small": lambda b: b.image((4, 2, 2), **FLOAT, pitches=(16, 16), hostbuf=HOST),
    "flags that exclude each other": lambda b: b.image((4, 3), flags=b.mf.READ_ONLY | b.mf.WRITE_ONLY),
    "an array over a buffer": lambda b: b.image((4,), buffer=b.buffer(64), is_array=True),
    "2d by shape over a buffer": lambda b: b.image((4, 4), buffer=b.buffer(64)),
    "buffer too small": lambda b: b.image((400,), buffer=b.buffer(64)),
    "array of nothing": lambda b: b.image((4,), is_array=True),
    "descriptor empty": lambda b: b.cl.Image(b.ctx, 0, b.format("R", "FLOAT"), desc=b.cl.ImageDescriptor()),
    "descriptor with mip levels": lambda b: b.described("IMAGE2D", (4, 3), num_mip_levels=1),
    "descriptor with samples": lambda b: b.described("IMAGE2D", (4, 3), num_samples=2),
    "descriptor of a buffer": lambda b: b.described("BUFFER", (4, 3)),
    "descriptor with pitches alone": lambda b: b.described("IMAGE2D", (4, 3), pitches=(64, 0)),
    "descriptor without its buffer": lambda b: b.described("IMAGE1D_BUFFER", (4,)),
    "descriptor of 4 dimensions": lambda b: b.descriptor("IMAGE2D", (4, 3, 2, 1)),
    "descriptor and shape": lambda b: b.cl.Image(
        b.ctx, 0, b.format("R", "FLOAT"), (4, 3), desc=b.descriptor("IMAGE2D", (4, 3))
    ),
    "no such image info": lambda b: b.pixels().get_image_info(5),
    "read beyond the image": lambda b: b.copy(HOST, b.floats(), origin=(1, 0), region=(8, 6)),
    "read a layer that is not": lambda b: b.copy(HOST, b.floats(), origin=(0, 0, 1), region=(8, 6)),
    "read layers that are not": lambda b: b.copy(HOST, b.floats(), origin=(0, 0), region=(4, 3, 2)),
    "read from too many": lambda b: b.copy(HOST, b.floats(), origin=(0, 0, 0, 0), region=(8, 6)),
    "read no region": lambda b: b.copy(HOST, b.floats(), origin=(0, 0)),
    "read no origin": lambda b: b.copy(HOST, b.floats()),
    "read no pitches": lambda b: b.copy(HOST, b.floats(), **WHOLE, pitches=()),
    "read into read-only": lambda b: b.copy(bytes(192), b.floats(), **WHOLE),
    "read not contiguous": lambda b: b.copy(HOST[::2], b.floats(), **WHOLE),
    "read unknown option": lambda b: b.copy(HOST, b.floats(), **WHOLE, bogus=1),
    "write beyond the image": lambda b: b.copy(b.floats(), HOST, origin=(0, 1), region=(8, 6)),
    "write not contiguous": lambda b: b.copy(b.floats(), HOST[::2], **WHOLE),
    "copy onto itself": lambda b: (
        lambda x: b.copy(x, x, src_origin=(0, 0), dest_origin=(2, 0), region=(4, 6))
    )(b.floats()),
    "copy between formats": lambda b: b.copy(
        b.floats(), b.pixels(), src_origin=(0, 0), dest_origin=(0, 0), region=(4, 6)
    ),
    "copy beyond the image": lambda b: b.copy(
        b.pixels(), b.pixels(), src_origin=(0, 0), dest_origin=(0, 4), region=(4, 3)
    ),
    "copy without places": lambda b: b.copy(b.pixels(), b.pixels()),
    "copy to a small buffer": lambda b: b.copy(b.buffer(190), b.pixels(), offset=0, **WHOLE),
    "copy to a buffer somewhere": lambda b: b.copy(b.buffer(256), b.pixels(), **WHOLE),
    "copy from a small buffer": lambda b: b.copy(b.pixels(), b.buffer(256), offset=100, **WHOLE),
    "fill beyond the image": lambda b: b.cl.enqueue_fill_image(b.queue, b.pixels(), HOST, (0, 0), (9, 6)),
    "fill a buffer's pixels": lambda b: b.cl.enqueue_fill_image(b.queue, b.buffer(64), HOST, (0,), (1,)),
    "fill with a number": lambda b: b.cl.enqueue_fill_image(b.queue, b.pixels(), 5, (0, 0), (8, 6)),
    "sampler property alone": lambda b: b.sampler([b.cl.sampler_properties.NORMALIZED_COORDS]),
    "sampler property twice": lambda b: b.sampler([b.cl.sampler_properties.NORMALIZED_COORDS, 1] * 2),
    "sampler property unknown": lambda b: b.sampler([5, 1]),
    "sampler mode unknown": lambda b: b.sampler(False, 5, b.cl.filter_mode.LINEAR),
    "sampler filter unknown": lambda b: b.sampler(False, b.cl.addressing_mode.CLAMP, 7),
    "sampler with an int": lambda b: b.sampler(1, b.cl.addressing_mode.CLAMP, b.cl.filter_mode.LINEAR),
    "no such sampler info": lambda b: b.sampler().get_info(5),
    "no lod of a sampler": lambda b: b.sampler().lod_min,
    "format of one number": lambda b: b.cl.ImageFormat(1),
    "format of a negative number": lambda b: b.cl.ImageFormat(-1, 2),
    "channels of no format": lambda b: b.cl.ImageFormat(1, 2).channel_count,
    "bytes of no format": lambda b: b.cl.ImageFormat(1, 2).dtype_size,
    "formats of buffers": lambda b: b.cl.get_supported_image_formats(b.ctx, b.mf.READ_ONLY, 0x10F0),
    "formats of impossible flags": lambda b: b.cl.get_supported_image_formats(b.ctx, 6, 0x10F1),
    "array not in order": lambda b: b.cl.image_from_array(b.ctx, FLOATS.T),
    "array of longs": lambda b: b.cl.image_from_array(b.ctx, np.zeros((4, 4), np.int64)),
    "array of 5 channels": lambda b: b.cl.image_from_array(b.ctx, np.zeros((4, 5), np.float32), 5),
    "array in no mode": lambda b: b.cl.image_from_array(b.ctx, FLOATS, mode="x"),
    "buffer for an image": lambda b: b.kernel("sample").set_arg(0, b.buffer(64)),
    "sampler for an image": lambda b: b.kernel("sample").set_arg(0, b.sampler()),
    "3d for a 2d image": lambda b: b.kernel("sample").set_arg(0, b.image((4, 4, 4), "R", "FLOAT")),
    "None for an image": lambda b: b.kernel("sample").set_arg(0, None),
    "scalar for an image": lambda b: b.kernel("sample").set_arg(0, np.int32(1)),
    "image not to be read": lambda b: b.kernel("sample").set_arg(0, b.image((4, 4), flags=b.mf.WRITE_ONLY)),
    "image not to be written": lambda b: b.kernel("paint").set_arg(0, b.image((4, 4), flags=b.mf.READ_ONLY)),
    "image for a sampler": lambda b: b.kernel("sample").set_arg(1, b.floats()),
    "None for a sampler": lambda b: b.kernel("sample").set_arg(1, None),
    "scalar for a sampler": lambda b: b.kernel("sample").set_arg(1, np.uint32(0)),
    "image for a buffer": lambda b: b.kernel("sample").set_arg(3, b.floats()),
    "sampler for a buffer": lambda b: b.kernel("sample").set_arg(3, b.sampler()),
    "image for a scalar": lambda b: b.kernel("sample").set_arg(2, b.floats()),
    "rectangle's pitch too small": lambda b: b.copy(
        HOST, b.buffer(64), **RECT, region=(4, 4), buffer_pitches=(2,)
    ),
    "host's pitch too small": lambda b: b.copy(HOST, b.buffer(64), **RECT, region=(4, 4), host_pitches=(2,)),
    "rectangle's slices too near": lambda b: b.copy(
        HOST, b.buffer(64), **RECT, region=(4, 4), buffer_pitches=(4, 8)
    ),
    "rectangle of nothing": lambda b: b.copy(HOST, b.buffer(64), **RECT, region=(0, 4)),
    "rectangle of 4 dimensions": lambda b: b.copy(HOST, b.buffer(64), **RECT, region=(1, 1, 1, 1)),
    "3 pitches": lambda b: b.copy(HOST, b.buffer(64), **RECT, region=(4, 4), buffer_pitches=(4, 16, 64)),
    "rectangle without its place": lambda b: b.copy(HOST, b.buffer(64), buffer_origin=(0, 0), region=(4, 4)),
    "rectangle and offset": lambda b: b.copy(HOST, b.buffer(64), **RECT, region=(4, 4), src_offset=4),
    "rectangle not contiguous": lambda b: b.copy(HOST[::2], b.buffer(64), **RECT, region=(4, 4)),
    "rectangle into read-only": lambda b: b.copy(bytes(64), b.buffer(64), **RECT, region=(4, 4)),
    "rectangle onto itself": lambda b: (
        lambda x: b.copy(x, x, src_origin=(0, 0), dst_origin=(1, 1), region=(4, 4))
    )(b.buffer(64)),
}  # fmt: skip


def failure(call, b):
    """Return the class, code and routine of what a call raises at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(b)
        except Exception as error:
            return type(error).__name__, getattr(error, "code", None), getattr(error, "routine", None)
    return None
