"""Images and samplers: pixels go in, move about, come out, and nothing beyond them is touched."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import (
    IMAGE1D,
    IMAGE1D_ARRAY,
    IMAGE1D_BUFFER,
    IMAGE2D,
    IMAGE2D_ARRAY,
    IMAGE3D,
)

from ..integration.wire_client import READ_WRITE, WAIT_S, Client
from .image_painter import RGBA8, RGBA_F, START, Painter, pixels

WRITE_ONLY, READ_ONLY = 1 << 1, 1 << 2
SOURCE = """
__kernel void take(read_only image2d_t image, sampler_t sampler, __global float4 *out)
{ int x = get_global_id(0), y = get_global_id(1);
  out[y * get_global_size(0) + x] = read_imagef(image, sampler, (int2)(x, y)); }
typedef read_only image2d_t picture;
__kernel void show(picture image, sampler_t sampler, __global float4 *out)
{ int x = get_global_id(0), y = get_global_id(1);
  out[y * get_global_size(0) + x] = read_imagef(image, sampler, (int2)(x, y)); }
__kernel void plane(read_only image3d_t image, write_only image2d_t out) { }
"""
EXTENTS = {
    IMAGE1D: [6, 1, 1], IMAGE1D_ARRAY: [6, 5, 1], IMAGE2D: [6, 5, 1], IMAGE2D_ARRAY: [6, 5, 4],
    IMAGE3D: [6, 5, 4],
}  # fmt: skip
KINDS = list(EXTENTS)


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


@pytest.mark.usefixtures("painter")
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


@pytest.mark.parametrize("name", ["take", "show"])
def test_kernels_read_images_through_samplers(
    painter: Painter, built: int, computes: bool, name: str
) -> None:
    client = painter.client
    content = struct.pack("<24f", *range(24))
    image, out = painter.image([3, 2, 1], content, format=RGBA_F), client.buffer(painter.context, 96)
    client.launch(painter.queue, client.kernel(built, name), [3, 2], image, painter.sampler(), out)
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
    "a buffer for an image behind a typedef": ("show", 0, "buffer", ErrorCode.INVALID_MEM_OBJECT),
    "nothing for an image behind a typedef": ("show", 0, "nothing", ErrorCode.INVALID_MEM_OBJECT),
    "an image behind a typedef that is not read": ("show", 0, "unread", ErrorCode.INVALID_ARG_VALUE),
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


def test_commands_with_images_wait_for_user_events_and_the_session_does_not(painter: Painter) -> None:
    client, image = painter.client, painter.image([6, 5, 1], bytes(120))
    event, written = client.new(), client.new()
    client.post(m.CreateUserEvent(event, painter.context))
    write = m.EnqueueWriteImage(painter.queue, image, START, [6, 5, 1], written, [event])
    client.post(write, pixels(30))
    target = bytearray(120)
    message = m.EnqueueReadImage(painter.queue, image, START, [6, 5, 1], client.new())
    pending = client.connection.read(message, memoryview(target))
    client.sync()
    assert not pending.is_done
    client.post(m.SetUserEventStatus(event, 0))
    pending.wait(WAIT_S)
    assert bytes(target) == pixels(30)
