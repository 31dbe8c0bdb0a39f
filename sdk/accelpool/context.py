"""Contexts: devices under one lease, and all that is made on them.

Broker.acquire(...)              a context on devices that the pool chooses, under a lease of its own
Context([devices of a context])  another context in the same session
Context([devices of the pool])   leases them, or shares the session that this process has on them already
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from accelpool.broker import default_broker
from accelpool.constants import (
    command_queue_properties,
    context_info,
    context_properties,
    device_info,
    device_type,
)
from accelpool.context_stats import ContextStats
from accelpool.device import DEVICE_HEAD, Device, Platform
from accelpool.errors import LogicError, RuntimeError, Unsatisfiable
from accelpool.info import Info
from accelpool.notebook import table
from accelpool.process_bound import ProcessBound
from accelpool.records import LeaseRecord
from accelpool.session import Session
from accelpool.spanning.parts import SpanningStats
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

if TYPE_CHECKING:
    from accelpool.kernel_core import KernelCore
    from accelpool.kernels import KernelLibrary
    from accelpool.queue import CommandQueue

KINDS = {
    device_type.GPU: "gpu",
    device_type.CPU: "cpu",
    device_type.ACCELERATOR: "accelerator",
    device_type.ALL: "any",
    device_type.DEFAULT: "any",
}


class Context(ProcessBound):
    """An OpenCL context on leased devices; as a context manager it gives the lease back at its end.

    Args:
        devices: Devices of a context, or of the pool (`get_platforms`). None for any that the pool grants.
        properties: Pairs of `context_properties`; PLATFORM, with a platform of the pool, is known.
        dev_type: Instead of devices: the kind to ask the pool for.

    Raises:
        LogicError: INVALID_VALUE: both devices and a type, or no device; INVALID_DEVICE: of several pools.
        RuntimeError: DEVICE_NOT_FOUND: the pool has no such device.
    """

    __slots__ = (
        "__weakref__",
        "_default_queues",
        "_devices",
        "_handle",
        "_image_formats",
        "_is_released",
        "_library",
        "_places",
        "_properties",
        "_session",
    )

    def __init__(
        self,
        devices: Sequence[Device] | None = None,
        properties: Sequence[Any] | None = None,
        dev_type: int | None = None,
    ) -> None:
        if devices is None:
            session = _session_of_type(dev_type, properties)
            chosen: Sequence[Device] = session.devices
        else:
            if dev_type is not None:
                raise _refused(ErrorCode.INVALID_VALUE, "one of 'devices' and 'dev_type' must be None")
            _check_list(devices)
            chosen = list(dict.fromkeys(devices))
            session = _session_over(chosen)
        self._begin(session, chosen, properties)

    @classmethod
    def _over_session(cls, session: Session) -> Context:
        """Return a context over all devices of a session."""
        context = cls.__new__(cls)
        context._begin(session, session.devices, None)
        return context

    def _begin(self, session: Session, devices: Sequence[Device], properties: Sequence[Any] | None) -> None:
        place_of = {device: place for place, device in enumerate(session.devices)}
        self._session = session
        self._properties = properties
        self._default_queues: dict[Device, weakref.ref[CommandQueue]] = {}
        self._library: dict[str, KernelCore] = {}
        self._image_formats: dict[tuple[int, int], list[m.ImageFormat]] = {}
        self._places = [place_of[device] for device in devices]
        self._devices = [session.devices[place] for place in self._places]
        handle = session.new_handle()
        session.post(m.CreateContext(handle, self._places))
        session.contexts.add(handle)
        self._handle = handle
        self._is_released = False

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `context_info` number.

        Raises:
            LogicError: INVALID_VALUE: there is no such info.
        """
        if arg == context_info.DEVICES:
            return list(self._devices)
        if arg == context_info.NUM_DEVICES:
            return len(self._devices)
        if arg == context_info.PROPERTIES:
            return [part for pair in self._properties or () for part in pair]
        if arg == context_info.REFERENCE_COUNT:
            return 1
        name = context_info.to_string(arg, "%d")
        raise LogicError("Context.get_info", ErrorCode.INVALID_VALUE, f"a context has no {name}")

    devices: Info[list[Device]] = Info(context_info.DEVICES)
    num_devices: Info[int] = Info(context_info.NUM_DEVICES)
    properties: Info[list[Any]] = Info(context_info.PROPERTIES)
    reference_count: Info[int] = Info(context_info.REFERENCE_COUNT)

    @property
    def kernels(self) -> KernelLibrary:
        """The kernel library, each kernel built on its first use: `ctx.kernels.saxpy(queue, n, a, x, y)`."""
        from accelpool.kernels import KernelLibrary

        return KernelLibrary(self)

    @property
    def stats(self) -> ContextStats:
        """What this context's session has cost its client so far: round trips, bytes, seconds, by call."""
        return ContextStats.of(self._session.connection.stats)

    @property
    def round_trips(self) -> int:
        """How often this context's session has waited for an answer from its nodes so far."""
        return self._session.connection.stats.round_trips

    @property
    def migrations(self) -> int:
        """How often a buffer's content went from one node of this context's session to another so far."""
        stats = self._session.connection.stats
        return stats.migrations if isinstance(stats, SpanningStats) else 0

    @property
    def migrated_bytes(self) -> int:
        """How many bytes that were; they go from node to node, not by way of this process."""
        stats = self._session.connection.stats
        return stats.migrated_bytes if isinstance(stats, SpanningStats) else 0

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known without asking: neither released nor lost."""
        return not self._is_released and self._session.is_open

    @property
    def lease(self) -> LeaseRecord:
        """The lease that the context stands on, as it was granted: its id, its shares."""
        return self._session.lease.record

    def release(self) -> None:
        """Release the context; with the last one of its session the lease is given back.

        Releasing twice is releasing once. What was made in the context is of no further use.
        """
        if not self._is_released:
            self._let_go()
            if not self._session.contexts:
                self._session.close()

    def set_default_device_command_queue(self, device: Device, queue: CommandQueue, /) -> None:
        """Make an on-device queue the one that kernels on its device get by `get_default_queue()`.

        Raises:
            LogicError: INVALID_COMMAND_QUEUE: the queue is not on its device; INVALID_DEVICE: the device is
                not of the context; INVALID_OPERATION: it has no such queues.

        Source: OpenCL 3.0 API, clSetDefaultDeviceCommandQueue.
        """
        routine = "clSetDefaultDeviceCommandQueue"
        place = self._place(device, routine)
        if not self._session.devices[place]._info.get(device_info.QUEUE_ON_DEVICE_PROPERTIES):
            raise LogicError(routine, ErrorCode.INVALID_OPERATION, f"{device!r} has no on-device queues")
        if not queue._properties & command_queue_properties.ON_DEVICE:
            raise LogicError(routine, ErrorCode.INVALID_COMMAND_QUEUE, f"{queue!r} is not on its device")
        self._session.post(m.SetDefaultDeviceCommandQueue(self._handle, place, queue._handle))
        self._default_queues[device] = weakref.ref(queue)

    def _default_queue(self, device: Device) -> CommandQueue | None:
        found = self._default_queues.get(device)
        return None if found is None else found()

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if not getattr(self, "_is_released", True):
            self._let_go()

    def _let_go(self) -> None:
        self._is_released = True
        self._session.contexts.discard(self._handle)
        self._session.release(self._handle)

    def __repr__(self) -> str:
        return f"<accelpool.Context on {', '.join(map(repr, self._devices))}>"

    def _repr_html_(self) -> str:
        state = "open" if self.is_open else "closed"
        rows = [device._row() for device in self._devices]
        return table(f"Context under lease {self.lease.id}, {state}", DEVICE_HEAD, rows)

    def _get_cl_version(self) -> tuple[int, int]:
        return self._devices[0].platform._get_cl_version()

    def _place(self, device: Device | None, routine: str) -> int:
        """Return the place of one of the context's devices in its session; of the first one for None."""
        if device is None:
            return self._places[0]
        return self._places[self._index(device, routine)]

    def _index(self, device: Device, routine: str) -> int:
        """Return which of the context's devices one is."""
        try:
            return self._devices.index(device)
        except ValueError:
            raise LogicError(
                routine, ErrorCode.INVALID_DEVICE, f"{device!r} is not of this context"
            ) from None

    def _limit(self, info: int) -> int:
        """Return the largest value of a device info in this context, 0 where it is unknown."""
        return max(int(device._info.get(info) or 0) for device in self._devices)

    @property
    def _max_alloc_bytes(self) -> int:
        return self._limit(device_info.MAX_MEM_ALLOC_SIZE)


CtxFactory: TypeAlias = Callable[[], Context]
"""What PyOpenCL's test fixtures hand to a test."""


def _check_list(devices: object) -> None:
    if isinstance(devices, str) or not isinstance(devices, Iterable):
        hint = "`accelpool.acquire` asks the pool for one of a kind"
        raise TypeError(f"Context: devices is a list of devices, not {devices!r}; {hint}")


def _refused(code: int, what: str) -> LogicError:
    return LogicError("Context", code, what)


def _session_over(devices: Sequence[Device]) -> Session:
    """Return the session that has the devices, opened now if need be."""
    if not devices or not all(isinstance(device, Device) for device in devices):
        raise _refused(ErrorCode.INVALID_VALUE, "a context needs one device or more")
    for device in devices:
        session = None if device._session is None else device._session()
        if session is not None and session.is_open and set(devices) <= set(session.devices):
            return session
    brokers = {device._broker for device in devices}
    broker = brokers.pop()
    if brokers or broker is None:
        raise _refused(ErrorCode.INVALID_DEVICE, "the devices are of several pools, or their session is over")
    if not all(device.pool_id for device in devices):
        raise _refused(ErrorCode.INVALID_DEVICE, "the devices' session is over: get new ones from the pool")
    return broker._session_for(devices)


def _session_of_type(dev_type: int | None, properties: Sequence[Any] | None) -> Session:
    """Return a session on a device of a kind, of a demanded platform if any."""
    platform = next((value for key, value in properties or () if key == context_properties.PLATFORM), None)
    if isinstance(platform, Platform):
        devices = platform.get_devices(device_type.DEFAULT if dev_type is None else dev_type)
        if not devices:
            raise RuntimeError("Context", ErrorCode.DEVICE_NOT_FOUND, f"{platform!r} has no such device")
        return _session_over(devices[:1])
    kind = "any" if dev_type is None else KINDS.get(dev_type)
    try:
        if kind is None:
            raise Unsatisfiable(f"no kind of device is {device_type.to_string(dev_type or 0, '%d')}")
        return default_broker()._acquire_session(kind)
    except Unsatisfiable as error:
        raise RuntimeError("Context", ErrorCode.DEVICE_NOT_FOUND, error.detail) from error
