"""Images and samplers: pixels go in, move about, come out, and nothing beyond them is touched."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, LogicError
from accelpool_wire.image_layout import (
    IMAGE1D,
    IMAGE1D_ARRAY,
    IMAGE1D_BUFFER,
    IMAGE2D,
    IMAGE2D_ARRAY,
    IMAGE3D,
)

from ..integration.wire_client import READ_WRITE, WAIT_S, Client

RGBA8, RGBA_F = m.ImageFormat(0x10B5, 0x10DA), m.ImageFormat(0x10B5, 0x10DE)
WRITE_ONLY, READ_ONLY = 1 << 1, 1 << 2
CLAMP_TO_EDGE, NEAREST = 0x1131, 0x1140
SOURCE = """
__kernel void take(read_only image2d_t image, sampler_t sampler, __global float4 *out)
{ int x = get_global_id(0), y = get_global_id(1);
  out[y * get_global_size(0) + x] = read_imagef(image, sampler, (int2)(x, y)); }
__kernel void plane(read_only image3d_t image, write_only image2d_t out) { }
"""
EXTENTS = {
    IMAGE1D: [6, 1, 1], IMAGE1D_ARRAY: [6, 5, 1], IMAGE2D: [6, 5, 1], IMAGE2D_ARRAY: [6, 5, 4],
    IMAGE3D: [6, 5, 4],
}  # fmt: skip
KINDS = list(EXTENTS)
START = [0, 0, 0]


@dataclass
class Painter:
    """A client that knows images."""

    client: Client
    context: int
    queue: int

    def image(
        self,
        extent: Sequence[int],
        content: bytes | None = None,
        *,
        kind: int = IMAGE2D,
        format: m.ImageFormat = RGBA8,
        flags: int = READ_WRITE,
        buffer: int = 0,
        row_pitch: int = 0,
        context: int = 0,
    ) -> int:
        handle = self.client.new()
        place = (handle, context or self.context, flags, kind, format, list(extent), buffer, row_pitch)
        self.client.post(m.CreateImage(*place), content)
        return handle

    def sampler(self, addressing: int = CLAMP_TO_EDGE, filtering: int = NEAREST) -> int:
        handle = self.client.new()
        self.client.post(m.CreateSampler(handle, self.context, False, addressing, filtering))
        return handle

    def write(self, image: int, content: bytes, origin: Sequence[int], region: Sequence[int]) -> None:
        message = m.EnqueueWriteImage(self.queue, image, list(origin), list(region))
        self.client.post(message, content)

    def read(self, image: int, origin: Sequence[int], region: Sequence[int], size: int = 0) -> bytes:
        target = bytearray(size or 4 * math.prod(region))
        message = m.EnqueueReadImage(self.queue, image, list(origin), list(region))
        self.client.connection.read(message, memoryview(target)).wait(WAIT_S)
        return bytes(target)

    def failure(self) -> tuple[str, int]:
        error = self.client.failure()
        return error.routine, error.code


@pytest.fixture
def painter(client: Client, context: int, queue: int) -> Painter:
    return Painter(client, context, queue)


def pixels(count: int, first: int = 0) -> bytes:
    return bytes(number % 251 for number in range(first, first + 4 * count))


def part(content: bytes, extent: Sequence[int], origin: Sequence[int], region: Sequence[int]) -> bytes:
    """Return a region's pixels of a whole image's."""
    found = b""
    for z in range(origin[2], origin[2] + region[2]):
        for y in range(origin[1], origin[1] + region[1]):
            start = 4 * ((z * extent[1] + y) * extent[0] + origin[0])
            found += content[start : start + 4 * region[0]]
    return found


# ---- pixels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_made_with_content_holds_it(painter: Painter, kind: int) -> None:
    extent = EXTENTS[kind]
    content = pixels(math.prod(extent))
    image = painter.image(extent, content, kind=kind)
    assert painter.read(image, START, extent) == content


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_is_read_from_where_it_is(painter: Painter, kind: int) -> None:
    extent = EXTENTS[kind]
    content = pixels(math.prod(extent))
    image = painter.image(extent, content, kind=kind)
    origin, region = [n // 3 for n in extent], [max(n // 2, 1) for n in extent]
    assert painter.read(image, origin, region) == part(content, extent, origin, region)


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_is_written_and_nothing_else(painter: Painter, kind: int) -> None:
    extent = EXTENTS[kind]
    image = painter.image(extent, bytes(4 * math.prod(extent)), kind=kind)
    origin, region = [n // 3 for n in extent], [max(n // 2, 1) for n in extent]
    painter.write(image, b"\xff" * 4 * math.prod(region), origin, region)
    whole = painter.read(image, START, extent)
    assert part(whole, extent, origin, region) == b"\xff" * 4 * math.prod(region)
    assert whole.count(0xFF) == 4 * math.prod(region)


def test_large_images_go_in_and_out(painter: Painter) -> None:
    content = pixels(1024 * 300)
    image = painter.image([1024, 300, 1])
    painter.write(image, content, START, [1024, 300, 1])
    assert painter.read(image, START, [1024, 300, 1]) == content


def test_regions_are_copied_between_images(painter: Painter) -> None:
    content = pixels(30)
    source, target = painter.image([6, 5, 1], content), painter.image([8, 8, 1], bytes(256))
    message = m.EnqueueCopyImage(painter.queue, source, target, [1, 2, 0], [4, 5, 0], [3, 2, 1])
    painter.client.post(message)
    assert painter.read(target, [4, 5, 0], [3, 2, 1]) == part(content, [6, 5, 1], [1, 2, 0], [3, 2, 1])
    assert painter.read(target, START, [4, 8, 1]) == bytes(128)


def test_regions_go_to_and_from_buffers(painter: Painter) -> None:
    content, client = pixels(30), painter.client
    image, buffer = painter.image([6, 5, 1], content), client.buffer(painter.context, content=bytes(64))
    client.post(m.EnqueueCopyImageToBuffer(painter.queue, image, buffer, [2, 1, 0], [2, 3, 1], 8))
    taken = part(content, [6, 5, 1], [2, 1, 0], [2, 3, 1])
    assert client.read(painter.queue, buffer, 64) == bytes(8) + taken + bytes(32)
    client.post(m.EnqueueCopyBufferToImage(painter.queue, buffer, image, 8, [4, 3, 0], [2, 2, 1]))
    assert painter.read(image, [4, 3, 0], [2, 2, 1]) == taken[:16]


def test_a_region_is_filled_with_a_color(painter: Painter) -> None:
    image = painter.image([6, 5, 1], bytes(120))
    color = struct.pack("<4I", 1, 2, 3, 4)
    painter.client.post(m.EnqueueFillImage(painter.queue, image, color, [1, 1, 0], [2, 2, 1]))
    assert painter.read(image, [1, 1, 0], [2, 2, 1]) == bytes([1, 2, 3, 4] * 4)
    assert painter.read(image, START, [6, 1, 1]) == bytes(24)


def test_float_images_are_filled_with_floats(painter: Painter) -> None:
    image = painter.image([3, 2, 1], format=RGBA_F)
    color = struct.pack("<4f", 0.5, -1, 2, 1e9)
    painter.client.post(m.EnqueueFillImage(painter.queue, image, color, START, [3, 2, 1]))
    assert painter.read(image, START, [3, 2, 1], 96) == color * 6


def test_a_1d_buffer_image_shows_its_buffer(painter: Painter) -> None:
    client, content = painter.client, pixels(16)
    buffer = client.buffer(painter.context, content=content)
    image = painter.image([12, 1, 1], kind=IMAGE1D_BUFFER, buffer=buffer)
    client.release(buffer)
    client.sync()
    assert painter.read(image, [2, 0, 0], [8, 1, 1]) == content[8:40]


def test_formats_are_told_and_work(painter: Painter) -> None:
    message = m.GetSupportedImageFormats(painter.context, READ_WRITE, IMAGE2D)
    answer = painter.client.connection.ask(message, m.ImageFormats, WAIT_S)
    assert RGBA8 in answer.formats
    assert RGBA_F in answer.formats


def test_an_image_gives_its_memory_back(open_session: Callable[..., Client]) -> None:
    client = open_session(memory_bytes=400_000)
    context = client.context()
    painter = Painter(client, context, client.queue(context))
    first = painter.image([256, 256, 1])
    client.sync()
    client.release(first)
    second = painter.image([300, 300, 1])
    client.sync()
    painter.image([100, 101, 1])
    assert painter.failure() == ("clCreateImage", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE)
    painter.image([100, 100, 1], pixels(10_000))
    client.sync()
    client.release(second)
    client.sync()


# ---- kernels ---------------------------------------------------------------------------------------------


@pytest.fixture
def built(client: Client, context: int) -> int:
    program = client.program(context, SOURCE)
    client.build(program, "-cl-kernel-arg-info")
    return program


def test_kernels_read_images_through_samplers(painter: Painter, built: int, computes: bool) -> None:
    client = painter.client
    content = struct.pack("<24f", *range(24))
    image, out = painter.image([3, 2, 1], content, format=RGBA_F), client.buffer(painter.context, 96)
    client.launch(painter.queue, client.kernel(built, "take"), [3, 2], image, painter.sampler(), out)
    found = client.read(painter.queue, out, 96)
    assert found == content or not computes


def test_an_image_released_since_it_was_set_is_refused(painter: Painter, built: int) -> None:
    client, kernel = painter.client, painter.client.kernel(built, "take")
    image, sampler = painter.image([3, 2, 1], format=RGBA_F), painter.sampler()
    client.set_args(kernel, image, sampler, client.buffer(painter.context, 96))
    client.release(image)
    client.launch(painter.queue, kernel, [3, 2])
    assert painter.failure() == ("clEnqueueNDRangeKernel", ErrorCode.INVALID_MEM_OBJECT)


def test_a_sampler_released_since_it_was_set_is_refused(painter: Painter, built: int) -> None:
    client, kernel = painter.client, painter.client.kernel(built, "take")
    image, sampler = painter.image([3, 2, 1], format=RGBA_F), painter.sampler()
    client.set_args(kernel, image, sampler, client.buffer(painter.context, 96))
    client.release(sampler)
    client.launch(painter.queue, kernel, [3, 2])
    assert painter.failure() == ("clEnqueueNDRangeKernel", ErrorCode.INVALID_SAMPLER)


WRONG = {
    "a buffer for an image": ("take", 0, "buffer", ErrorCode.INVALID_MEM_OBJECT),
    "a 3D for a 2D image": ("take", 0, "volume", ErrorCode.INVALID_MEM_OBJECT),
    "a 2D for a 3D image": ("plane", 0, "image", ErrorCode.INVALID_MEM_OBJECT),
    "a sampler for an image": ("take", 0, "sampler", ErrorCode.INVALID_MEM_OBJECT),
    "nothing for an image": ("take", 0, "nothing", ErrorCode.INVALID_MEM_OBJECT),
    "bytes for an image": ("take", 0, "bytes", ErrorCode.INVALID_MEM_OBJECT),
    "an image that is not read": ("take", 0, "unread", ErrorCode.INVALID_ARG_VALUE),
    "an image that is not written": ("plane", 1, "unwritten", ErrorCode.INVALID_ARG_VALUE),
    "an image for a sampler": ("take", 1, "image", ErrorCode.INVALID_SAMPLER),
    "bytes for a sampler": ("take", 1, "bytes", ErrorCode.INVALID_SAMPLER),
    "local memory for a sampler": ("take", 1, "local", ErrorCode.INVALID_SAMPLER),
    "an image for a buffer": ("take", 2, "image", ErrorCode.INVALID_MEM_OBJECT),
    "a sampler for a buffer": ("take", 2, "sampler", ErrorCode.INVALID_MEM_OBJECT),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_of_the_wrong_kind_is_a_typed_error_where_the_compiler_tells_kinds(
    painter: Painter, built: int, computes: bool, name: str
) -> None:
    kernel, index, thing, code = WRONG[name]
    client = painter.client
    things: dict[str, Callable[[], m.KernelArg]] = {
        "buffer": lambda: client.buffer(painter.context, 64),
        "image": lambda: painter.image([4, 4, 1]),
        "volume": lambda: painter.image([4, 4, 4], kind=IMAGE3D),
        "unread": lambda: painter.image([4, 4, 1], flags=WRITE_ONLY),
        "unwritten": lambda: painter.image([4, 4, 1], flags=READ_ONLY),
        "sampler": painter.sampler,
        "bytes": lambda: bytes(8),
        "local": lambda: m.LocalMemory(16),
        "nothing": lambda: None,
    }
    client.set_args(client.kernel(built, kernel), things[thing](), first=index)
    failed = [(error.routine, error.code) for error in client.failures()]
    assert failed == ([("clSetKernelArg", code)] if computes else [])


def test_arguments_are_found_among_all_kinds_of_objects(painter: Painter, built: int) -> None:
    client, image = painter.client, painter.image([3, 2, 1], format=RGBA_F)
    buffer = client.buffer(painter.context, 96)
    client.launch(painter.queue, client.kernel(built, "take"), [3, 2], image, painter.sampler(), buffer)
    client.finish(painter.queue)


# ---- what is refused -------------------------------------------------------------------------------------

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
