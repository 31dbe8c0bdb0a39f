"""Memory that one tenant gave back is another one's next: it has nothing left of the first one's bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from accelpool_wire import messages as m

from .sessions import Tenant, tenant

MARK = b"a tenant's secret"
SIZES = (64, 4096, 65536, 1 << 20, 24 << 20)
SECRET_PASSES = 3
LOCAL = """
kernel void leave(global uchar *mark, local uchar *left, ulong size)
{
    for (ulong i = 0; i < size; ++i) left[i] = mark[i];
}
kernel void dump(global uchar *out, local uchar *left, ulong size)
{
    for (ulong i = 0; i < size; ++i) out[i] = left[i];
}
"""
LOCAL_BYTES = 16384


@pytest.fixture(params=["opencl_pool", "null_pool"])
def pool(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@contextlib.contextmanager
def next_on(pool: Any, first: Tenant, name: str) -> Iterator[Tenant]:
    """Give the next tenant of the first one's device."""
    with tenant(pool, name, device=first.device) as found:
        yield found


def fill_memory(one: Tenant, *, is_released: bool) -> None:
    """Leave the mark all over a device's memory: in buffers of many sizes."""
    client = one.client
    context = client.context()
    queue = client.queue(context)
    for _ in range(SECRET_PASSES):
        made = [client.buffer(context, content=(MARK * (size // len(MARK) + 1))[:size]) for size in SIZES]
        for buffer, size in zip(made, SIZES, strict=True):
            assert client.read(queue, buffer, size)[: len(MARK)] == MARK
        if is_released:
            client.release(*made)
    client.finish(queue)


def find_mark(one: Tenant) -> list[int]:
    """Return the sizes of fresh buffers in which the mark is."""
    client = one.client
    context = client.context()
    queue = client.queue(context)
    found = []
    for size in SIZES * SECRET_PASSES:
        buffer = client.buffer(context, size)
        if MARK[:8] in client.read(queue, buffer, size):
            found.append(size)
    return found


@pytest.mark.parametrize("is_released", [True, False])
def test_a_fresh_buffer_has_nothing_of_the_tenant_before(pool: Any, is_released: bool) -> None:
    with tenant(pool, "before") as first:
        fill_memory(first, is_released=is_released)
    with next_on(pool, first, "after") as second:
        assert find_mark(second) == []


def test_a_fresh_buffer_has_nothing_of_a_tenant_beside(pool: Any) -> None:
    with tenant(pool, "beside", compute=0.5, memory_fraction=0.4) as first:
        fill_memory(first, is_released=True)
        with tenant(pool, "other", compute=0.5, memory_fraction=0.4, device=first.device) as second:
            assert find_mark(second) == []


@pytest.mark.opencl
def test_local_memory_has_nothing_of_the_tenant_before(opencl_pool: Any) -> None:
    with tenant(opencl_pool, "before", kind="cpu") as first:
        touch_local_memory(first, "leave", MARK * (LOCAL_BYTES // len(MARK) + 1))
    with next_on(opencl_pool, first, "after") as second:
        assert MARK[:8] not in touch_local_memory(second, "dump", bytes(LOCAL_BYTES))


def touch_local_memory(one: Tenant, name: str, content: bytes) -> bytes:
    """Run a kernel on local memory and a buffer; return what the buffer has afterwards."""
    client = one.client
    context = client.context()
    queue = client.queue(context)
    program = client.program(context, LOCAL)
    client.build(program)
    kernel = client.kernel(program, name)
    out = client.buffer(context, content=content[:LOCAL_BYTES])
    size = LOCAL_BYTES.to_bytes(8, "little")
    client.launch(queue, kernel, [1], out, m.LocalMemory(LOCAL_BYTES), size, local=[1])
    return client.read(queue, out, LOCAL_BYTES)


def test_an_image_is_blank(pool: Any) -> None:
    with tenant(pool, "before") as first:
        fill_memory(first, is_released=True)
    with next_on(pool, first, "after") as second:
        client = second.client
        context = client.context()
        queue, image = client.queue(context), client.new()
        client.post(m.CreateImage(image, context, 1, 0x10F1, m.ImageFormat(0x10B5, 0x10DC), [256, 256, 1]))
        target = bytearray(256 * 256 * 16)
        message = m.EnqueueReadImage(queue, image, [0, 0, 0], [256, 256, 1])
        client.connection.read(message, memoryview(target)).wait(20)
        assert MARK[:8] not in target
