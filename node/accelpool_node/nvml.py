"""NVIDIA's management library, by its Python binding `pynvml`, which is imported in this file alone.

Importing it loads nothing: `library` does, and a monitor alone calls that, in a process of its own. A GPU
does not tell everything, and a driver does not know every function: what is refused is not known, nor is
what cannot be.

Source: NVML API reference guide, the function of the same name; MIG user guide, "MIG device names".
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pynvml

from accelpool_node.gpus import Gpu, Instance, Readings, place_of, possible
from accelpool_wire.errors import Unavailable

T = TypeVar("T")

nvml: Any = pynvml  # it has no types, and those that can be guessed are wrong
PERCENT, MILLIWATT, MHZ = 0.01, 1e-3, 10**6
PROFILE = re.compile(r"\bMIG (\S+)$")  # the end of an instance's name: "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
THERMOMETERS = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")  # the latter is gone from CUDA 14 on
ABSENT = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)


@contextlib.contextmanager
def library() -> Iterator[None]:
    """Have the library loaded while the context is entered.

    Raises:
        Unavailable: There is none, or no driver behind it.
        OSError: It does not start.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value in ABSENT:
            raise Unavailable(str(error)) from error
        raise OSError(f"NVIDIA's management library does not start: {error}") from error
    try:
        yield
    finally:
        nvml.nvmlShutdown()


def look() -> list[Gpu]:
    """Return the GPUs as they are now; one that does not answer is left out.

    Raises:
        OSError: The library does not even say how many there are.
    """
    count = _ask(nvml.nvmlDeviceGetCount)
    if count is None:
        raise OSError("NVIDIA's management library does not tell how many GPUs there are")
    handles = (_ask(nvml.nvmlDeviceGetHandleByIndex, index) for index in range(count))
    found = (_ask(_gpu, handle) for handle in handles if handle is not None)
    return [gpu for gpu in found if gpu is not None]


def _gpu(handle: Any) -> Gpu:
    pci = nvml.nvmlDeviceGetPciInfo(handle)
    mode = _ask(nvml.nvmlDeviceGetMigMode, handle)  # the one that holds, and the one to come
    is_parted = mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
    readings = _readings(handle)
    return Gpu(
        uuid=nvml.nvmlDeviceGetUUID(handle),
        place=place_of(pci.domain, pci.bus, pci.device),
        is_parted=is_parted,
        instances=list(_instances(handle, readings)) if is_parted else [],
        readings=readings,
    )


def _readings(handle: Any) -> Readings:
    busy = _ask(nvml.nvmlDeviceGetUtilizationRates, handle)
    power_mw = _ask(nvml.nvmlDeviceGetPowerUsage, handle)
    clock_mhz = _ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM)
    told = Readings(
        utilization=None if busy is None else round(busy.gpu * PERCENT, 2),
        memory_utilization=None if busy is None else round(busy.memory * PERCENT, 2),
        memory_used_bytes=_memory_used(handle),
        temperature_c=_temperature(handle),
        power_w=None if power_mw is None else round(power_mw * MILLIWATT, 1),
        clock_hz=None if clock_mhz is None else clock_mhz * MHZ,
    )
    return possible(told)


def _instances(handle: Any, whole: Readings) -> Iterator[Instance]:
    """Return a GPU's MIG instances; utilization is told of none, and of what is the board's there is one."""
    for index in range(_ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        instance = _ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
        if instance is None:
            continue  # numbers of instances that are not there
        named = PROFILE.search(_ask(nvml.nvmlDeviceGetName, instance) or "")
        yield Instance(
            uuid=nvml.nvmlDeviceGetUUID(instance),
            profile=named[1] if named else "",
            gpu_instance=nvml.nvmlDeviceGetGpuInstanceId(instance),
            compute_instance=nvml.nvmlDeviceGetComputeInstanceId(instance),
            readings=possible(
                Readings(
                    memory_used_bytes=_memory_used(instance),
                    temperature_c=whole.temperature_c,
                    power_w=whole.power_w,
                    clock_hz=whole.clock_hz,
                )
            ),
        )


def _memory_used(handle: Any) -> int | None:
    memory = _ask(nvml.nvmlDeviceGetMemoryInfo, handle)
    return None if memory is None else int(memory.used)


def _temperature(handle: Any) -> float | None:
    for name in THERMOMETERS:
        thermometer = getattr(nvml, name, None)
        told = None if thermometer is None else _ask(thermometer, handle, nvml.NVML_TEMPERATURE_GPU)
        if told is not None:
            return float(told)
    return None


def _ask(function: Callable[..., T], *args: Any) -> T | None:
    """Return what the library answers, None if it refuses."""
    try:
        return function(*args)
    except nvml.NVMLError:
        return None
