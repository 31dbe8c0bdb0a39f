"""Image layouts: pixels, extents, limits of devices."""

import pytest

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.image_layout import (
    IMAGE1D,
    IMAGE1D_ARRAY,
    IMAGE2D,
    IMAGE3D,
    checked_layout,
    pixel_bytes,
)

R, RGB, RGBA = 0x10B0, 0x10B4, 0x10B5
UINT8, FLOAT, UNORM_565, UNORM_101010 = 0x10DA, 0x10DE, 0x10D4, 0x10D6
DEVICE = {0x1016: 1, 0x1011: 100, 0x1012: 100, 0x1013: 50, 0x1014: 50, 0x1015: 50, 0x1040: 10, 0x1041: 20}


def layout(kind, extent, devices=(DEVICE,), order=RGBA, channel=UINT8):
    return checked_layout(kind, order, channel, extent, devices)


@pytest.mark.parametrize(
    ("order", "channel", "size"),
    [(R, UINT8, 1), (RGBA, UINT8, 4), (RGBA, FLOAT, 16), (RGB, UNORM_565, 2), (RGB, UNORM_101010, 4)],
)
def test_a_pixel_has_so_many_bytes(order, channel, size):
    assert pixel_bytes(order, channel) == size


@pytest.mark.parametrize(("order", "channel"), [(0, UINT8), (RGBA, 0), (0, UNORM_565), (-1, -1)])
def test_formats_that_there_are_not_are_refused(order, channel):
    with pytest.raises(Error) as caught:
        pixel_bytes(order, channel)
    assert caught.value.code == ErrorCode.INVALID_IMAGE_FORMAT_DESCRIPTOR


def test_a_layout_knows_its_bytes():
    found = layout(IMAGE3D, [5, 4, 3])
    assert (found.size, found.region_bytes([2, 2, 1])) == (240, 16)


@pytest.mark.parametrize(
    ("kind", "extent", "code"),
    [
        (0, [1, 1, 1], ErrorCode.INVALID_IMAGE_DESCRIPTOR),
        (IMAGE2D, [1, 1], ErrorCode.INVALID_IMAGE_DESCRIPTOR),
        (IMAGE2D, [0, 1, 1], ErrorCode.INVALID_IMAGE_DESCRIPTOR),
        (IMAGE2D, [1, 1, 2], ErrorCode.INVALID_IMAGE_DESCRIPTOR),
        (IMAGE1D, [1, 2, 1], ErrorCode.INVALID_IMAGE_DESCRIPTOR),
        (IMAGE2D, [101, 1, 1], ErrorCode.INVALID_IMAGE_SIZE),
        (IMAGE3D, [51, 1, 1], ErrorCode.INVALID_IMAGE_SIZE),
        (IMAGE1D_ARRAY, [100, 21, 1], ErrorCode.INVALID_IMAGE_SIZE),
    ],
)
def test_images_that_no_device_has_are_refused(kind, extent, code):
    with pytest.raises(Error) as caught:
        layout(kind, extent)
    assert caught.value.code == code


def test_one_device_that_has_it_is_enough():
    assert layout(IMAGE2D, [101, 1, 1], [{}, DEVICE, {0x1016: 1, 0x1011: 200}]).extent == (101, 1, 1)


def test_without_devices_with_images_there_are_none():
    with pytest.raises(Error, match="no device of the context has images") as caught:
        layout(IMAGE2D, [1, 1, 1], [{**DEVICE, 0x1016: 0}, {}])
    assert caught.value.code == ErrorCode.INVALID_OPERATION


@pytest.mark.parametrize(
    ("origin", "region"),
    [
        ([0, 0, 0], [6, 5, 1]),
        ([-1, 0, 0], [1, 1, 1]),
        ([0, 0, 0], [1, 0, 1]),
        ([0, 0, 0], [1, 1]),
        ([0, 0], [1] * 3),
    ],
)
def test_regions_beyond_an_image_are_refused(origin, region):
    found = layout(IMAGE2D, [5, 5, 1])
    found.check_region([0, 0, 0], [5, 5, 1], "clTest")
    with pytest.raises(Error) as caught:
        found.check_region(origin, region, "clTest")
    assert (caught.value.code, caught.value.routine) == (ErrorCode.INVALID_VALUE, "clTest")
