"""Devices, contexts and command queues."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import BackendDevice
from accelpool_node.backends.cuda import driver
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import cuda, in_context, refused, translate
from accelpool_node.backends.cuda.description import describe
from accelpool_node.backends.cuda.objects import CudaQueue
from accelpool_node.backends.cuda.probe import probe
from accelpool_wire.codes import ErrorCode

ON_DEVICE = 1 << 2
NO_DEVICE = 100


class Devices:
    """Devices, contexts and command queues."""

    def __init__(self) -> None:
        self._contexts: dict[str, CudaContext] = {}

    def devices(self) -> list[BackendDevice]:
        """Return the devices that the driver shows, in its order; none where it finds none."""
        try:
            cuda.init()
            handles = [cuda.Device(ordinal) for ordinal in range(cuda.Device.count())]
        except cuda.Error as error:
            if driver.codes_by_text().get(str(error).partition(" failed: ")[2]) == NO_DEVICE:
                return []
            raise translate("clGetDeviceIDs", error) from error
        found: list[BackendDevice] = []
        names: Counter[str] = Counter()
        for ordinal, handle in enumerate(handles):
            name = handle.name().strip()
            names[name] += 1
            unique = name if names[name] == 1 else f"{name} #{names[name]}"
            found.append(describe(unique, ordinal, handle))
        return found

    def probe(self, device: BackendDevice) -> str:
        """Compile and run a small kernel."""
        return probe(self, device)  # type: ignore[arg-type]  # whole in `CudaBackend`

    def create_context(self, devices: Sequence[BackendDevice]) -> CudaContext:
        """Return the device's primary context, the same each time."""
        routine = "clCreateContext"
        if len(devices) != 1:
            what = f"a context of CUDA's is over one device, not {len(devices)}"
            raise refused(routine, ErrorCode.INVALID_DEVICE, what)
        (device,) = devices
        known = self._contexts.get(device.name)
        if known is None:
            try:
                known = self._contexts[device.name] = CudaContext(device)
            except cuda.Error as error:
                raise translate(routine, error) from error
        return known

    def create_sub_devices(self, device: BackendDevice, properties: Sequence[int]) -> list[BackendDevice]:
        """Refuse: the driver parts no device; where the operator has, the parts are devices (MIG)."""
        raise refused("clCreateSubDevices", ErrorCode.DEVICE_PARTITION_FAILED, device.name)

    def device_and_host_timer(self, device: BackendDevice) -> tuple[int, int]:
        """Reach an event and tell when, and look at the host's clock."""
        return self._timers(self.create_context([device]))

    @in_context("clGetDeviceAndHostTimer")
    def _timers(self, context: CudaContext) -> tuple[int, int]:
        event, stream = context.take_event(is_timed=True), context.take_stream()
        event.record(stream)
        event.synchronize()
        host_ns = time.monotonic_ns()
        context.give_stream(stream)
        return context.clock.span(event, event)[1], host_ns

    def create_command_queue(
        self, context: CudaContext, device: BackendDevice, properties: int, size: int = 0
    ) -> CudaQueue:
        """Return a stream; its commands are in order, whatever order is allowed."""
        if size or properties & ON_DEVICE:
            what = f"{device.name} has no queues of its own"
            routine = "clCreateCommandQueueWithProperties"
            raise refused(routine, ErrorCode.INVALID_QUEUE_PROPERTIES, what)
        return self._queue(context, properties)

    @in_context("clCreateCommandQueueWithProperties")
    def _queue(self, context: CudaContext, properties: int) -> CudaQueue:
        return CudaQueue(context=context, stream=context.take_stream(), properties=properties)

    def set_default_device_command_queue(self, context: Any, device: BackendDevice, queue: Any) -> None:
        """Refuse: there are no on-device queues."""
        raise refused("clSetDefaultDeviceCommandQueue", ErrorCode.INVALID_OPERATION, device.name)

    def lost(self) -> str:
        """Return what has become of a context after which it can do nothing more."""
        return next((context.fault for context in self._contexts.values() if context.fault), "")
