"""The types of PyCUDA's names, stated by assignment: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import accelpool.cuda
import accelpool.cuda.driver as cuda
from accelpool.cuda.compiler import SourceModule, compile


def acquiring() -> None:
    with accelpool.cuda.acquire("gpu", memory="2GiB", wait=5) as context:
        device: cuda.Device = context.get_device()
        trips: int = context.round_trips
    cuda.init()
    count: int = cuda.Device.count()
    made: cuda.Context = cuda.Device(0).make_context()
    capability: tuple[int, int] = device.compute_capability()
    warp: int = device.warp_size
    attributes: dict[cuda.device_attribute, int] = device.get_attributes()
    current: cuda.Context | None = cuda.Context.get_current()
    _ = (trips, count, made, capability, warp, attributes, current)


def memory(data: npt.NDArray[np.float32]) -> None:
    allocation: cuda.DeviceAllocation = cuda.mem_alloc(data.nbytes)
    address: int = int(allocation) + 16
    cuda.memcpy_htod(allocation, data)
    cuda.memcpy_dtoh_async(data, address, cuda.Stream())
    cuda.memset_d32(np.intp(address), 0, 4)
    free, total = cuda.mem_get_info()
    locked: npt.NDArray[np.float32] = cuda.pagelocked_empty((3, 4), np.float32, order="F")
    pooled: cuda.PooledDeviceAllocation = cuda.DeviceMemoryPool().allocate(1000)
    allocation.free()
    _ = (free + total, locked, pooled)


def computing(data: npt.NDArray[np.float32], stream: cuda.Stream) -> None:
    module = SourceModule("source", options=["-lineinfo"], no_extern_c=True)
    function: cuda.Function = module.get_function("scale")
    seconds: float | None = function(
        cuda.InOut(data), np.float32(2), block=(32, 1, 1), grid=(4,), shared=16, time_kernel=True
    )
    prepared: cuda.Function = function.prepare("Pf")
    prepared.prepared_async_call((4, 1), (32, 1, 1), stream, 0, 2.0)
    timed: Callable[[], float] = prepared.prepared_timed_call((4, 1), (32, 1, 1), 0, 2.0)
    registers: int = function.num_regs
    address, size = module.get_global("table")
    code: bytes = compile("source")
    other: cuda.Module = cuda.module_from_buffer(code)
    start: cuda.Event = cuda.Event().record(stream)
    elapsed_ms: float = cuda.Event().record(stream).synchronize().time_since(start)
    _ = (seconds, timed, registers, address + size, other, elapsed_ms)
