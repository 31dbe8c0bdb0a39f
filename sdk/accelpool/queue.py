"""Command queues."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from accelpool.constants import command_queue_info, command_queue_properties, device_info, queue_properties
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import CommandQueueUsedAfterExit, LogicError
from accelpool.info import Info
from accelpool.objects import SessionObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

OUT_OF_ORDER = command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE
ON_DEVICE, ON_DEVICE_DEFAULT = command_queue_properties.ON_DEVICE, command_queue_properties.ON_DEVICE_DEFAULT
KNOWN = OUT_OF_ORDER | command_queue_properties.PROFILING_ENABLE | ON_DEVICE | ON_DEVICE_DEFAULT


class CommandQueue(SessionObject):
    """A command queue; as a context manager it waits for its commands at the end.

    Args:
        context: Where its commands work.
        device: What executes them; None for the context's first device.
        properties: Bits of `command_queue_properties`, or a list of `queue_properties`, each followed by its
            value; None for none. With ON_DEVICE only kernels enqueue to it.

    Raises:
        LogicError: INVALID_VALUE: unknown properties; INVALID_QUEUE_PROPERTIES: the device lacks them;
            INVALID_DEVICE: the device is not of the context.
    """

    __slots__ = ("_context", "_device", "_given", "_is_finalized", "_place", "_properties", "_size")

    def __init__(
        self, context: Context, device: Device | None = None, properties: int | Sequence[int] | None = None
    ) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"CommandQueue: context is a Context, not {context!r}")
        given = _property_list(properties)
        place = context._place(device, "CommandQueue")
        self._session = context._session
        self._context = context
        self._place = place
        self._device = self._session.devices[place]
        self._given = given
        named = dict(zip(given[::2], given[1::2], strict=False))
        self._properties = named.get(queue_properties.PROPERTIES, 0)
        self._size = named.get(queue_properties.SIZE, 0)
        self._is_finalized = False
        self._check(self._properties)
        handle = self._session.new_handle()
        message = m.CreateCommandQueue(handle, context._handle, place, self._properties, self._size)
        self._session.post(message)
        if self._properties & ON_DEVICE_DEFAULT:
            context._default_queues[self._device] = weakref.ref(self)
        self._handle = handle

    def _check(self, properties: int) -> None:
        if properties & ~KNOWN:
            what = f"properties {properties:#x} are not known"
            raise LogicError("CommandQueue", ErrorCode.INVALID_VALUE, what)
        if properties & (ON_DEVICE | ON_DEVICE_DEFAULT) or self._size:
            self._check_on_device(properties)
            return
        possible = self._device._info.get(device_info.QUEUE_PROPERTIES)
        if possible is not None and properties & ~int(possible):
            names = command_queue_properties.to_string(properties & ~int(possible), "%d")
            what = f"{self._device!r} has no queues with {names}"
            raise LogicError("CommandQueue", ErrorCode.INVALID_QUEUE_PROPERTIES, what)

    def _check_on_device(self, properties: int) -> None:
        if not properties & ON_DEVICE or not properties & OUT_OF_ORDER or self._size < 0:
            what = f"properties {properties:#x}, size {self._size}: an on-device queue is out of order"
            raise LogicError("CommandQueue", ErrorCode.INVALID_VALUE, what)
        info = self._device._info
        largest = info.get(device_info.QUEUE_ON_DEVICE_MAX_SIZE) or 0
        has_queues = info.get(device_info.QUEUE_ON_DEVICE_PROPERTIES) and largest
        if not has_queues or info.get(device_info.DEVICE_ENQUEUE_CAPABILITIES) == 0 or self._size > largest:
            what = f"{self._device!r} has no on-device queues" + (f" over {largest} bytes" if largest else "")
            raise LogicError("CommandQueue", ErrorCode.INVALID_QUEUE_PROPERTIES, what)

    def finish(self) -> None:
        """Wait until all commands of the queue are complete, and what they read is in place: one round trip.

        Raises:
            Error: OpenCL's error of the first command that failed since the last synchronous call.
            SessionLost: The session is over, and why.
        """
        if self._is_finalized:
            self._warn_after_exit()
        self._session.ask(m.Finish(self._handle), m.Done)
        self._session.finish_reads(self._handle)

    def flush(self) -> None:
        """Have all commands of the queue submitted to the device, without waiting for them.

        Raises:
            SessionLost: The session is over, and why.
        """
        if self._is_finalized:
            self._warn_after_exit()
        self._session.post(m.Flush(self._handle))
        self._session.connection.flush()

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `command_queue_info` number.

        Raises:
            LogicError: INVALID_VALUE: there is no such info.
        """
        if arg == command_queue_info.CONTEXT:
            return self._context
        if arg == command_queue_info.DEVICE:
            return self._device
        if arg == command_queue_info.PROPERTIES:
            return self._properties
        if arg == command_queue_info.PROPERTIES_ARRAY:
            return [*self._given, 0]
        if arg == queue_properties.SIZE:
            return self._on_device_size()
        if arg == queue_properties.DEVICE_DEFAULT:
            default = self._context._default_queue(self._device)
            if default is not None:
                return default
        if arg == command_queue_info.REFERENCE_COUNT:
            return 1
        name = command_queue_info.to_string(arg, "%d")
        raise LogicError("CommandQueue.get_info", ErrorCode.INVALID_VALUE, f"a command queue has no {name}")

    def _on_device_size(self) -> int:
        if not self._properties & ON_DEVICE:
            what = f"{self!r} is not on its device"
            raise LogicError("clGetCommandQueueInfo", ErrorCode.INVALID_COMMAND_QUEUE, what)
        return self._size or int(self._device._info.get(device_info.QUEUE_ON_DEVICE_PREFERRED_SIZE) or 0)

    context: Info[Context] = Info(command_queue_info.CONTEXT)
    device: Info[Device] = Info(command_queue_info.DEVICE)
    properties: Info[int] = Info(command_queue_info.PROPERTIES)
    properties_array: Info[list[int]] = Info(command_queue_info.PROPERTIES_ARRAY)
    reference_count: Info[int] = Info(command_queue_info.REFERENCE_COUNT)

    def __enter__(self) -> CommandQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        self._is_finalized = True

    def __repr__(self) -> str:
        return f"<accelpool.CommandQueue {self._handle} on {self._device!r}>"

    @property
    def _is_profiled(self) -> bool:
        return bool(self._properties & command_queue_properties.PROFILING_ENABLE)

    @property
    def _is_in_order(self) -> bool:
        return not self._properties & command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE

    def _warn_after_exit(self) -> None:
        warnings.warn(
            f"{self!r} is used after the end of its with block", CommandQueueUsedAfterExit, stacklevel=3
        )

    def _get_cl_version(self) -> tuple[int, int]:
        return self._device._get_cl_version()


def _property_list(properties: int | Sequence[int] | None) -> list[int]:
    """Return properties as a list of names, each followed by its value, without the 0 that ends it."""
    if properties is None or isinstance(properties, int):
        return [queue_properties.PROPERTIES, int(properties or 0)]
    if isinstance(properties, Mapping):
        raise LogicError("CommandQueue", ErrorCode.INVALID_VALUE, "properties are a list, not a mapping")
    given = [int(part) for part in properties]
    if given[-1:] == [0] and len(given) % 2:
        del given[-1]
    if len(given) % 2 or not set(given[::2]) <= {queue_properties.PROPERTIES, queue_properties.SIZE}:
        what = f"properties {given}: PROPERTIES and SIZE are known, each followed by its value"
        raise LogicError("CommandQueue", ErrorCode.INVALID_VALUE, what)
    return given
