"""Command queues."""

from __future__ import annotations

import warnings
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

KNOWN = command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE | command_queue_properties.PROFILING_ENABLE


class CommandQueue(SessionObject):
    """A command queue; as a context manager it waits for its commands at the end.

    Args:
        context: Where its commands work.
        device: What executes them; None for the context's first device.
        properties: Bits of `command_queue_properties`; None for none.

    Raises:
        LogicError: INVALID_VALUE: unknown properties; INVALID_QUEUE_PROPERTIES: the device lacks them;
            INVALID_DEVICE: the device is not of the context.
    """

    __slots__ = ("_context", "_device", "_is_finalized", "_place", "_properties")

    def __init__(self, context: Context, device: Device | None = None, properties: int | None = None) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"CommandQueue: context is a Context, not {context!r}")
        properties = int(properties or 0)
        place = context._place(device, "CommandQueue")
        self._session = context._session
        self._context = context
        self._place = place
        self._device = self._session.devices[place]
        self._properties = properties
        self._is_finalized = False
        self._check(properties)
        handle = self._session.new_handle()
        self._session.post(m.CreateCommandQueue(handle, context._handle, place, properties))
        self._handle = handle

    def _check(self, properties: int) -> None:
        if properties & ~KNOWN:
            what = f"properties {properties:#x} are not known"
            raise LogicError("CommandQueue", ErrorCode.INVALID_VALUE, what)
        possible = self._device._info.get(device_info.QUEUE_PROPERTIES)
        if possible is not None and properties & ~int(possible):
            names = command_queue_properties.to_string(properties & ~int(possible), "%d")
            what = f"{self._device!r} has no queues with {names}"
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
            return [queue_properties.PROPERTIES, self._properties, 0] if self._properties else []
        if arg == command_queue_info.REFERENCE_COUNT:
            return 1
        name = command_queue_info.to_string(arg, "%d")
        raise LogicError("CommandQueue.get_info", ErrorCode.INVALID_VALUE, f"a command queue has no {name}")

    context = Info[Context](command_queue_info.CONTEXT)
    device = Info[Device](command_queue_info.DEVICE)
    properties = Info[int](command_queue_info.PROPERTIES)
    properties_array = Info[list[int]](command_queue_info.PROPERTIES_ARRAY)
    reference_count = Info[int](command_queue_info.REFERENCE_COUNT)

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
