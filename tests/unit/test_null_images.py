"""Colors as pixels, as the null device has them."""

import struct

import pytest

from accelpool_node.backends.null.images import pixel_of
from accelpool_wire.messages import ImageFormat

R, RG, RGBA, BGRA = 0x10B0, 0x10B2, 0x10B5, 0x10B6
SNORM8, UNORM8, SINT16, UINT8, HALF, FLOAT = 0x10D0, 0x10D2, 0x10D8, 0x10DA, 0x10DD, 0x10DE
FLOATS = struct.pack("<4f", -2.0, 0.5, 1.0, 1e9)
NAN = struct.pack("<4f", float("nan"), 0, 0, 0)


@pytest.mark.parametrize(
    ("order", "channel", "color", "pixel"),
    [
        (RGBA, UNORM8, FLOATS, bytes([0, 128, 255, 255])),
        (RGBA, SNORM8, FLOATS, struct.pack("4b", -127, 64, 127, 127)),
        (R, UNORM8, NAN, bytes([0])),
        (BGRA, UINT8, struct.pack("<4I", 1, 2, 3, 4), bytes([3, 2, 1, 4])),
        (RG, UINT8, struct.pack("<4I", 300, 2, 3, 4), bytes([255, 2])),
        (R, SINT16, struct.pack("<4i", -40_000, 0, 0, 0), struct.pack("<h", -32768)),
        (RG, FLOAT, FLOATS, FLOATS[:8]),
        (RGBA, HALF, FLOATS, struct.pack("<4e", -2, 0.5, 1, float("inf"))),
    ],
)
def test_a_color_is_a_pixel_of_each_format(order, channel, color, pixel):
    assert pixel_of(color, ImageFormat(order, channel)) == pixel
