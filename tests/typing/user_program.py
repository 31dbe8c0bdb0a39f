"""What a user writes, in brief: `tests/unit/test_sdk_types.py` checks it as strictly as type checkers can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

import accelpool as cl
import accelpool.array as cl_array  # pyright: ignore[reportMissingModuleSource]  # made at run time
import accelpool.cuda.driver as cuda
from accelpool import aio
from accelpool.cuda.compiler import SourceModule

Floats = npt.NDArray[np.float32]


def doubled(data: Floats) -> Floats:
    result = np.empty_like(data)
    with cl.acquire("gpu", memory="1GiB", compute="25%", wait=5) as ctx:
        queue = cl.CommandQueue(ctx)
        source = cl.Buffer(ctx, cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR, hostbuf=data)
        target = cl.Buffer(ctx, cl.mem_flags.WRITE_ONLY, source.size)
        program = cl.Program(
            ctx, "__kernel void twice(__global const float *a, __global float *b) {}"
        ).build()
        done: cl.Event = program.twice(queue, data.shape, None, source, target)
        cl.enqueue_copy(queue, result, target, wait_for=[done])
        measured: tuple[str, int, int] = (ctx.devices[0].name, source.size // 2, done.profile.end)
        assert measured[0]
    return result


def pictured(ctx: cl.Context) -> int:
    format = cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.FLOAT)
    image = cl.create_image(ctx, cl.mem_flags.READ_WRITE, format, shape=(16, 16))
    return image.width * image.height + image.row_pitch


def summed(ctx: cl.Context, data: Floats) -> float:
    queue = cl.CommandQueue(ctx)
    array = cl_array.to_device(queue, data)
    tripled: cl_array.Array = array + 2 * array
    host: npt.NDArray[np.float32] = tripled.get()
    return float(host[0]) + float(cl_array.sum(tripled).get())


def on_cuda(data: Floats) -> None:
    memory = cuda.mem_alloc(data.nbytes)
    cuda.memcpy_htod(memory, data)
    module = SourceModule("__global__ void twice(float *a) { a[threadIdx.x] *= 2; }")
    module.get_function("twice")(memory, block=(data.size, 1, 1))
    copy = cuda.Memcpy2D()
    copy.dst_pitch = copy.src_pitch + 16
    cuda.memcpy_dtoh(data, memory)


async def awaited(data: Floats) -> None:
    async with aio.acquire("any") as ctx:
        queue = cl.CommandQueue(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, data.nbytes)
        await aio.enqueue_copy(queue, buffer, data)
        await aio.finish(queue)


def mapped(ctx: cl.Context, parts: Sequence[Floats]) -> int:
    with cl.map("__kernel void twice() {}", parts, over=ctx, fill=np.empty_like, attempts=2) as results:
        return sum(1 for _ in results)


def refused() -> str:
    try:
        cl.acquire("gpu", wait=False)
    except cl.errors.Unsatisfiable as problem:
        return f"{problem.title} ({problem.status}): {problem.detail}"
    return ""


@pytest.mark.accelerator("gpu", lease="test")
def test_doubles(accelerator: cl.Context) -> None:
    assert len(accelerator.devices) == accelerator.num_devices
