"""Devices and their platforms, as the pool lists them or as an open session has them.

A device of the pool and the same device under a lease are equal. What can be asked of it differs: under a
lease its memory is the lease's share, and all that its driver tells is known.
"""

from __future__ import annotations

import re
import warnings
import weakref
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelpool.constants import device_info, device_svm_capabilities, device_type, platform_info
from accelpool.device_properties import DeviceProperties
from accelpool.device_values import NameVersion, shown
from accelpool.errors import LogicError
from accelpool.info import Info
from accelpool.notebook import table
from accelpool.process_bound import ProcessBound
from accelpool.svm_mirror import IS_POSSIBLE
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.conversation import SVM

if TYPE_CHECKING:
    from accelpool.broker import Broker
    from accelpool.session import Session

DEVICE_HEAD = ("device", "node", "type", "memory", "compute units")

DeviceKey = tuple[str, str, str]
"""What makes devices the same: node, environment, name on the node."""


class Platform(ProcessBound):
    """A driver's platform, with the devices of it that the pool or a session has."""

    __slots__ = ("__weakref__", "_devices", "_info")

    def __init__(self, info: Mapping[int, Any]) -> None:
        self._info = dict(info)
        self._devices: list[Device] = []

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `platform_info` number.

        Raises:
            LogicError: INVALID_VALUE: the driver does not know it.
        """
        try:
            return shown(arg, self._info[arg])
        except KeyError:
            name = platform_info.to_string(arg, "%d")
            raise LogicError(
                "Platform.get_info", ErrorCode.INVALID_VALUE, f"the platform has no {name}"
            ) from None

    def get_devices(self, device_type: int = device_type.ALL) -> list[Device]:
        """Return the platform's devices of a kind, in a stable order; `DEFAULT` is the first."""
        if device_type == 1:  # DEFAULT
            return self._devices[:1]
        return [device for device in self._devices if device.type & device_type]

    profile: Info[str] = Info(platform_info.PROFILE)
    version: Info[str] = Info(platform_info.VERSION)
    name: Info[str] = Info(platform_info.NAME)
    vendor: Info[str] = Info(platform_info.VENDOR)
    extensions: Info[str] = Info(platform_info.EXTENSIONS)
    host_timer_resolution: Info[int] = Info(platform_info.HOST_TIMER_RESOLUTION)
    numeric_version: Info[int] = Info(platform_info.NUMERIC_VERSION)
    extensions_with_version: Info[list[NameVersion]] = Info(platform_info.EXTENSIONS_WITH_VERSION)

    def _key(self) -> tuple[Any, ...]:
        parts = (platform_info.NAME, platform_info.VENDOR, platform_info.VERSION)
        return tuple(self._info.get(part) for part in parts)

    def _get_cl_version(self) -> tuple[int, int]:
        return cl_version(self._info.get(platform_info.VERSION))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Platform) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"<accelpool.Platform {self._info.get(platform_info.NAME, '')!r}>"


class Device(DeviceProperties, ProcessBound):
    """A device of the pool; its info costs no round trip.

    Attributes:
        platform: Its platform.
        node: The name of the node that it is plugged in.
        pool_id: Its id in the pool, or "" where that is not known.
    """

    __slots__ = ("__weakref__", "_broker", "_info", "_key", "_session", "node", "platform", "pool_id")

    def __init__(
        self,
        info: Mapping[int, Any],
        platform: Platform,
        key: DeviceKey,
        *,
        pool_id: str = "",
        broker: Broker | None = None,
        session: Session | None = None,
    ) -> None:
        self.platform: Platform = platform
        self.pool_id: str = pool_id
        self._info = {**info, **_honoured(info, session)}
        self._info.setdefault(device_info.REFERENCE_COUNT, 1)
        self._info.setdefault(device_info.PARENT_DEVICE, None)
        self._info[device_info.PLATFORM] = platform
        self._key = key
        self.node: str = key[0]
        self._broker = broker
        self._session = None if session is None else weakref.ref(session)
        platform._devices.append(self)

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `device_info` number.

        Raises:
            LogicError: INVALID_VALUE: the driver does not know it, or the pool tells it under a lease only.
        """
        try:
            return shown(arg, self._info[arg])
        except KeyError:
            name = device_info.to_string(arg, "%d")
            raise LogicError("Device.get_info", ErrorCode.INVALID_VALUE, f"{self!r} has no {name}") from None

    def create_sub_devices(self, arg: Sequence[int], /) -> list[Device]:
        """Partition the device, under a lease, and return its sub-devices: one round trip.

        These are devices of the same session until it ends, and share the lease's memory.

        Args:
            arg: A `device_partition_property` and what it needs: `[EQUALLY, units]`,
                `[BY_COUNTS, units, units, ..., 0]` or `[BY_AFFINITY_DOMAIN, domain]`.

        Raises:
            LogicError: INVALID_VALUE: the device cannot be partitioned so;
                INVALID_DEVICE_PARTITION_COUNT: it has not so many compute units; INVALID_OPERATION: the
                device is under no lease of this process.
            RuntimeError: DEVICE_PARTITION_FAILED.

        Source: OpenCL 3.0 API, clCreateSubDevices.
        """
        session, place = self._place_in_session("clCreateSubDevices")
        properties = [int(part) for part in arg]
        if properties[-1:] == [0]:
            del properties[-1]
        answer = session.ask(m.CreateSubDevices(place, properties), m.SubDevices)
        return session.add_devices(self, answer)

    def device_and_host_timer(self) -> tuple[int, int]:
        """Return the device's clock and its node's at the same moment, in ns: one round trip.

        Raises:
            LogicError: INVALID_OPERATION: the device has no such clock, or is under no lease of this process.

        Source: OpenCL 3.0 API, clGetDeviceAndHostTimer.
        """
        session, place = self._place_in_session("clGetDeviceAndHostTimer")
        times: Any = session.ask(m.GetInfo(m.TIMERS, 0, 0, place), m.Info).value
        return int(times[0]), int(times[1])

    def host_timer(self) -> int:
        """Return the clock of the device's node, in ns: one round trip. It is no clock of this machine.

        Raises:
            LogicError: INVALID_OPERATION: as `device_and_host_timer`.
        """
        return self.device_and_host_timer()[1]

    def _place_in_session(self, routine: str) -> tuple[Session, int]:
        """Return the session that has the device, and its place there."""
        session = None if self._session is None else self._session()
        if session is None or not session.is_open:
            what = f"{self!r} is not under a lease of this process: ask a device of a context"
            raise LogicError(routine, ErrorCode.INVALID_OPERATION, what)
        return session, session.devices.index(self)

    @property
    def hashable_model_and_version_identifier(self) -> Hashable:
        """What is the same for all devices of the same model and driver version."""
        return ("v1", self.vendor, self.vendor_id, self.name, self.version)

    @property
    def persistent_unique_id(self) -> Hashable:
        """As `hashable_model_and_version_identifier`, which is to be used instead."""
        what = "persistent_unique_id is deprecated: use hashable_model_and_version_identifier"
        warnings.warn(what, DeprecationWarning, stacklevel=2)
        return self.hashable_model_and_version_identifier

    def _get_cl_version(self) -> tuple[int, int]:
        return cl_version(self._info.get(device_info.VERSION))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        name = str(self._info.get(device_info.NAME, self._key[2])).strip()
        return f"<accelpool.Device {name!r} on node {self.node!r}>"

    def _row(self) -> tuple[object, ...]:
        """Return what a table says of it, under `DEVICE_HEAD`; what is not known is left empty."""
        info = self._info
        kind = info.get(device_info.TYPE)
        return (
            str(info.get(device_info.NAME, self._key[2])).strip(),
            self.node,
            "" if kind is None else device_type.to_string(kind, "%d"),
            f"{info[device_info.GLOBAL_MEM_SIZE]:,} bytes" if device_info.GLOBAL_MEM_SIZE in info else "",
            info.get(device_info.MAX_COMPUTE_UNITS, ""),
        )

    def _repr_html_(self) -> str:
        return table(f"Device {self.pool_id}".strip(), DEVICE_HEAD, [self._row()])


def _honoured(info: Mapping[int, Any], session: Session | None) -> dict[int, int]:
    """Return what a pool can honour of infos that drivers tell: see `svm_memory` and `refused`."""
    honoured = {}
    if (svm := device_info.SVM_CAPABILITIES) in info:
        has_svm = IS_POSSIBLE and (session is None or SVM in session.connection.features)
        honoured[svm] = int(info[svm]) & device_svm_capabilities.COARSE_GRAIN_BUFFER if has_svm else 0
    if device_info.PIPE_SUPPORT in info:
        honoured[device_info.PIPE_SUPPORT] = 0
    return honoured


def cl_version(version: object) -> tuple[int, int]:
    """Return the numbers in a version string such as "OpenCL 3.0 PoCL"; (1, 2) where there are none."""
    match = re.match(r"OpenCL (\d+)\.(\d+)", str(version))
    return (int(match[1]), int(match[2])) if match else (1, 2)


def get_cl_header_version() -> tuple[int, int]:
    """Return the OpenCL version of the interface here: 3.0, in which shared virtual memory is optional."""
    return (3, 0)


def platforms_of(devices: Iterable[Device]) -> list[Platform]:
    """Return the platforms of some devices, each once, in order."""
    return list(dict.fromkeys(device.platform for device in devices))
