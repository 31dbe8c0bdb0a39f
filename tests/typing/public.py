"""The SDK's public types, stated by assignment: checked by mypy and pyright, never run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

import accelpool as cl
from accelpool import aio


def acquiring() -> None:
    ctx: cl.Context = cl.acquire("gpu", count=1, memory="2GiB", wait=5, ttl=30.0)
    with cl.acquire() as other:
        devices: list[cl.Device] = other.devices
    with cl.connect("http://127.0.0.1:8750", "token") as broker:
        from_broker: cl.Context = broker.acquire("any", wait=False, device="dev_1")
        kept: cl.Reservation = broker.reserve("gpu", starts_at=datetime.now(), ends_at=1.8e9)
        later: cl.Context = broker.reservation(kept.id).acquire(wait=5)
        kept.withdraw()
        listed: list[dict[str, Any]] = broker.devices()
    trips: int = ctx.round_trips
    waited_s: float = (ctx.stats - ctx.stats).by_call["Finish"].waited_s
    is_open: bool = ctx.is_open
    cl.Context(devices)
    cl.Context(dev_type=cl.device_type.GPU)
    some: cl.Context = cl.create_some_context(interactive=False, answers=["0"])
    also: cl.Reservation = cl.reserve(starts_at=1.8e9, ends_at=1.8e9 + 60)
    _ = (from_broker, listed, trips, waited_s, is_open, some, later, also)


async def awaiting(ctx: cl.Context, data: npt.NDArray[np.float32]) -> None:
    async with aio.acquire("gpu", count=2, wait=5) as other:
        devices: list[cl.Device] = other.devices
    with cl.connect() as broker:
        context: cl.Context = await aio.acquire(broker=broker)
        await aio.release(context)
    queue = cl.CommandQueue(ctx)
    program: cl.Program = await aio.build(cl.Program(ctx, "source"), ["-w"])
    copied: cl.Event = await aio.enqueue_copy(queue, data, cl.Buffer(ctx, 0, 8), is_blocking=False)
    await copied
    await aio.wait_for_events([copied])
    await aio.finish(queue)
    mapped: aio.Results = aio.map("saxpy", [data], over=ctx)
    await mapped.aclose()
    _ = (devices, program)


def progressing(done: list[int]) -> None:
    def report(step: cl.ProgressStep) -> None:
        if step.kind in (cl.ProgressKind.UPLOAD, cl.ProgressKind.DOWNLOAD):
            done.append(step.done)

    with cl.progress(), cl.progress(report):
        cl.acquire().release()


def mapping(ctx: cl.Context, data: npt.NDArray[np.float32]) -> None:
    with cl.map("source", [data], over=[ctx], fill=np.empty_like, progress=print, attempts=2) as results:
        first: Any = next(results)
    _ = first


def devices(ctx: cl.Context) -> None:
    platform: cl.Platform = cl.get_platforms()[0]
    device: cl.Device = platform.get_devices(cl.device_type.GPU)[0]
    name: str = device.name
    units: int = device.max_compute_units
    sizes: list[int] = device.max_work_item_sizes
    platform_of: cl.Platform = ctx.devices[0].platform
    version: str = platform.version
    flag: int = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
    told: str = cl.status_code.to_string(-11)
    _ = (name, units, sizes, platform_of, version, flag, told)


def computing(ctx: cl.Context, data: npt.NDArray[np.float32]) -> None:
    with cl.CommandQueue(ctx, properties=cl.command_queue_properties.PROFILING_ENABLE) as queue:
        buffer: cl.Buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=data)
        region: cl.Buffer = buffer[0:1024]
        size: int = region.size
        program: cl.Program = cl.Program(ctx, "source").build(["-w"])
        again: cl.Program = cl.Program(ctx, ctx.devices, program.binaries).build()
        kernel: cl.Kernel = program.saxpy
        kernel.set_args(np.float32(2), buffer, None, cl.LocalMemory(64), 7)
        launched: cl.Event = cl.enqueue_nd_range_kernel(queue, kernel, data.shape, None)
        called: cl.Event = kernel(queue, (64,), (8,), 2.0, buffer, wait_for=[launched], g_times_l=True)
        from_library: cl.Event = ctx.kernels.saxpy(queue, 8, 2.0, buffer, buffer, wait_for=[called])
        copied: cl.Event = cl.enqueue_copy(queue, data, buffer, is_blocking=False)
        cl.wait_for_events([called, copied, from_library])
        start: int = called.profile.start
        names: str = program.kernel_names
    _ = (size, again, start, names)


def failing() -> None:
    try:
        cl.acquire("gpu", wait=False)
    except cl.errors.Unsatisfiable as problem:
        detail: str = problem.detail
        _ = detail
    except (cl.LogicError, cl.RuntimeError, cl.MemoryError) as error:
        code: int = error.code
        routine: str = error.routine
        _ = (code, routine)
    except cl.errors.SessionLost as lost:
        root: cl.AccelpoolError = lost
        raise root from lost
