"""Images and samplers that are not possible, and what does not fit them: typed errors, nothing touched."""

from __future__ import annotations

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, LogicError
from accelpool_wire.image_layout import IMAGE1D, IMAGE1D_BUFFER, IMAGE2D, IMAGE2D_ARRAY, IMAGE3D

from ..integration.wire_client import READ_WRITE, WAIT_S, Client
from .conftest import IMAGE_SUPPORT
from .image_painter import CLAMP_TO_EDGE, NEAREST, RGBA_F, START, Painter, pixels

HUGE = (1 << 64) - 1
BAD_REGIONS = [
    ([1, 0, 0], [6, 5, 1]), ([0, 1, 0], [6, 5, 1]), ([0, 0, 1], [1, 1, 1]), (START, [1, 1, 2]),
    (START, [0, 1, 1]), (START, [-1, 1, 1]), ([-1, 0, 0], [1, 1, 1]), ([HUGE, 0, 0], [1, 1, 1]),
    (START, [HUGE, HUGE, 1]), (START, [1, 1]), ([0, 0], [1, 1, 1]), ([], []), ([0] * 4, [1] * 4),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "region"), BAD_REGIONS)
def test_regions_beyond_an_image_are_refused_by_every_command(
    painter: Painter, origin: list[int], region: list[int]
) -> None:
    client, queue = painter.client, painter.queue
    content = pixels(30)
    image, buffer = painter.image([6, 5, 1], content), client.buffer(painter.context, 4096)
    other = painter.image([6, 5, 1])
    with pytest.raises(LogicError) as caught:
        painter.read(image, origin, region, size=4)
    assert (caught.value.routine, caught.value.code) == ("clEnqueueReadImage", ErrorCode.INVALID_VALUE)
    painter.write(image, b"xxxx", origin, region)
    assert painter.failure() == ("clEnqueueWriteImage", ErrorCode.INVALID_VALUE)
    for message in (
        m.EnqueueCopyImage(queue, image, other, origin, START, region),
        m.EnqueueCopyImage(queue, other, image, START, origin, region),
        m.EnqueueCopyImageToBuffer(queue, image, buffer, origin, region, 0),
        m.EnqueueCopyBufferToImage(queue, buffer, image, 0, origin, region),
        m.EnqueueFillImage(queue, image, bytes(16), origin, region),
    ):
        client.post(message)
        assert painter.failure()[1] == ErrorCode.INVALID_VALUE
    assert painter.read(image, START, [6, 5, 1]) == content


@pytest.mark.parametrize("size", [3, 5, 119, 121])
def test_a_write_of_another_size_than_its_region_is_refused(painter: Painter, size: int) -> None:
    image = painter.image([6, 5, 1], bytes(120))
    painter.write(image, b"x" * size, START, [6, 5, 1])
    assert painter.failure() == ("clEnqueueWriteImage", ErrorCode.INVALID_VALUE)
    assert painter.read(image, START, [6, 5, 1]) == bytes(120)


@pytest.mark.parametrize("offset", [-1, 57, HUGE])
def test_bytes_beyond_a_buffer_are_refused(painter: Painter, offset: int) -> None:
    client, image = painter.client, painter.image([6, 5, 1])
    buffer = client.buffer(painter.context, 64)
    for message in (
        m.EnqueueCopyImageToBuffer(painter.queue, image, buffer, START, [2, 1, 1], offset),
        m.EnqueueCopyBufferToImage(painter.queue, buffer, image, offset, START, [2, 1, 1]),
    ):
        client.post(message)
        assert painter.failure()[1] == ErrorCode.INVALID_VALUE


def test_copies_onto_themselves_and_between_formats_are_refused(painter: Painter) -> None:
    image, floats = painter.image([6, 5, 1]), painter.image([6, 5, 1], format=RGBA_F)
    post, queue = painter.client.post, painter.queue
    post(m.EnqueueCopyImage(queue, image, image, START, [1, 0, 0], [3, 3, 1]))
    assert painter.failure() == ("clEnqueueCopyImage", ErrorCode.MEM_COPY_OVERLAP)
    post(m.EnqueueCopyImage(queue, image, floats, START, START, [3, 3, 1]))
    assert painter.failure() == ("clEnqueueCopyImage", ErrorCode.IMAGE_FORMAT_MISMATCH)


@pytest.mark.parametrize("size", [0, 4, 15, 17])
def test_a_color_has_16_bytes(painter: Painter, size: int) -> None:
    image = painter.image([6, 5, 1])
    painter.client.post(m.EnqueueFillImage(painter.queue, image, bytes(size), START, [1, 1, 1]))
    assert painter.failure() == ("clEnqueueFillImage", ErrorCode.INVALID_VALUE)


DESCRIPTOR, SIZE = ErrorCode.INVALID_IMAGE_DESCRIPTOR, ErrorCode.INVALID_IMAGE_SIZE
FORMAT = ErrorCode.INVALID_IMAGE_FORMAT_DESCRIPTOR
IMPOSSIBLE = {
    "no pixels": ({"extent": [0, 5, 1]}, DESCRIPTOR),
    "fewer than none": ({"extent": [-1, 5, 1]}, DESCRIPTOR),
    "two numbers": ({"extent": [6, 5]}, DESCRIPTOR),
    "a flat image with layers": ({"extent": [6, 5, 2]}, DESCRIPTOR),
    "a line with rows": ({"extent": [6, 5, 1], "kind": IMAGE1D}, DESCRIPTOR),
    "a buffer's type": ({"extent": [6, 5, 1], "kind": 0x10F0}, DESCRIPTOR),
    "a type that there is not": ({"extent": [6, 5, 1], "kind": -1}, DESCRIPTOR),
    "a pitch for nothing": ({"extent": [6, 5, 1], "row_pitch": 64}, DESCRIPTOR),
    "over no buffer": ({"extent": [6, 1, 1], "kind": IMAGE1D_BUFFER}, DESCRIPTOR),
    "wider than any": ({"extent": [HUGE, 1, 1]}, SIZE),
    "too many layers": ({"extent": [1, 1, 1 << 30], "kind": IMAGE2D_ARRAY}, SIZE),
    "an order that there is not": ({"extent": [6, 5, 1], "format": m.ImageFormat(-1, 0x10DA)}, FORMAT),
    "a channel that there is not": ({"extent": [6, 5, 1], "format": m.ImageFormat(0x10B5, HUGE)}, FORMAT),
    "flags that are none": ({"extent": [6, 5, 1], "flags": 1 << 60}, ErrorCode.INVALID_VALUE),
    "negative flags": ({"extent": [6, 5, 1], "flags": -1}, ErrorCode.INVALID_VALUE),
    "flags that exclude each other": ({"extent": [6, 5, 1], "flags": 6}, ErrorCode.INVALID_VALUE),
    "beyond the share": ({"extent": [2048, 2048, 2048], "kind": IMAGE3D}, -4),
    "in no context": ({"extent": [6, 5, 1], "context": 999_999}, ErrorCode.INVALID_CONTEXT),
    "over nothing": (
        {"extent": [6, 1, 1], "kind": IMAGE1D_BUFFER, "buffer": 999_999}, ErrorCode.INVALID_MEM_OBJECT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_images_are_typed_errors(painter: Painter, name: str) -> None:
    asked, code = IMPOSSIBLE[name]
    painter.image(**asked)
    assert painter.failure()[1] == code


@pytest.mark.parametrize(
    ("extent", "kind", "row_pitch"),
    [([17, 1, 1], IMAGE1D_BUFFER, 0), ([4, 5, 1], IMAGE2D, 0), ([2, 2, 1], IMAGE2D, 4),
     ([2, 2, 1], IMAGE2D, 9), ([2, 2, 1], IMAGE2D, HUGE), ([2, 2, 1], IMAGE2D, -8), ([2, 2, 2], IMAGE3D, 0)],
)  # fmt: skip
def test_images_beyond_their_buffer_are_refused(
    painter: Painter, extent: list[int], kind: int, row_pitch: int
) -> None:
    buffer = painter.client.buffer(painter.context, 64)
    painter.image(extent, kind=kind, buffer=buffer, row_pitch=row_pitch)
    assert painter.failure() == ("clCreateImage", DESCRIPTOR)


@pytest.mark.parametrize("size", [1, 119, 121])
def test_content_of_another_size_is_refused_before_it_is_kept(painter: Painter, size: int) -> None:
    painter.image([6, 5, 1], b"x" * size)
    assert painter.failure() == ("clCreateImage", ErrorCode.INVALID_VALUE)


def test_an_image_is_no_buffer_and_a_buffer_no_image(painter: Painter) -> None:
    client, queue = painter.client, painter.queue
    image, buffer = painter.image([6, 5, 1]), client.buffer(painter.context, 64)
    client.fill(queue, image, b"x", 4)
    assert painter.failure() == ("clEnqueueFillBuffer", ErrorCode.INVALID_MEM_OBJECT)
    client.sub_buffer(image, 0, 4)
    assert painter.failure() == ("clCreateSubBuffer", ErrorCode.INVALID_MEM_OBJECT)
    client.post(m.EnqueueFillImage(queue, buffer, bytes(16), START, [1, 1, 1]))
    assert painter.failure() == ("clEnqueueFillImage", ErrorCode.INVALID_MEM_OBJECT)


@pytest.mark.parametrize(
    ("addressing", "filtering"), [(0, NEAREST), (CLAMP_TO_EDGE, 0), (-1, HUGE), (0x1135, NEAREST)]
)
def test_impossible_samplers_are_refused(painter: Painter, addressing: int, filtering: int) -> None:
    painter.sampler(addressing, filtering)
    assert painter.failure() == ("clCreateSamplerWithProperties", ErrorCode.INVALID_VALUE)


@pytest.mark.parametrize(("flags", "kind"), [(READ_WRITE, 0x10F0), (6, IMAGE2D), (-1, IMAGE2D), (1, HUGE)])
def test_formats_of_nothing_are_refused(painter: Painter, flags: int, kind: int) -> None:
    message = m.GetSupportedImageFormats(painter.context, flags, kind)
    with pytest.raises(Error) as caught:
        painter.client.connection.ask(message, m.ImageFormats, WAIT_S)
    assert caught.value.code == ErrorCode.INVALID_VALUE


def test_a_failed_image_fails_what_uses_it(painter: Painter) -> None:
    image = painter.image([0, 0, 0])
    painter.client.post(m.EnqueueFillImage(painter.queue, image, bytes(16), START, [1, 1, 1]))
    assert painter.failure() == ("clCreateImage", DESCRIPTOR)


def test_images_are_where_the_device_says_so_and_refused_elsewhere(
    client: Client, context: int, queue: int
) -> None:
    painter = Painter(client, context, queue)
    has_images = client.connection.devices[0].info.get(IMAGE_SUPPORT)
    for make, routine in (
        (lambda: painter.image([4, 4, 1]), "clCreateImage"),
        (painter.sampler, "clCreateSamplerWithProperties"),
    ):
        make()
        expected = [] if has_images else [(routine, ErrorCode.INVALID_OPERATION)]
        assert [(error.routine, error.code) for error in client.failures()] == expected
