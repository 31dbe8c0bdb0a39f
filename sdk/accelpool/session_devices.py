"""The devices of an open session, made from what its worker told when it was opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from accelpool.constants import device_info
from accelpool.device import Device, Platform
from accelpool.records import EndpointRecord, LeaseRecord, ShareRecord
from accelpool_wire import messages as m

if TYPE_CHECKING:
    from accelpool.broker import Broker
    from accelpool.session import Session


def session_devices(
    told: Sequence[Sequence[m.Device]], record: LeaseRecord, broker: Broker | None, session: Session
) -> tuple[Device, ...]:
    """Return the session's devices, in the order in which its messages number them.

    That is by endpoint, and as the lease's shares there. A share's name is the device's after its
    environment's; where the two do not fit, the device is no pool device known by name, and a context over it
    needs this session.

    Args:
        told: What the worker of each of the lease's endpoints told of its devices.
        record: The lease.
        broker: Where it is from.
        session: The session.
    """
    platforms: dict[tuple[Any, ...], Platform] = {}
    devices = []
    for endpoint, device, share in _with_shares(told, record):
        platform = Platform(device.platform)
        platform = platforms.setdefault(platform._key(), platform)
        if share is not None and share.name.endswith(device.name):
            key, pool_id = (share.node, share.environment, share.name), share.device
        else:
            key, pool_id = (endpoint.node, endpoint.environment, device.name), ""
        made = Device(device.info, platform, key, pool_id=pool_id, broker=broker, session=session)
        devices.append(made)
    return tuple(devices)


def _with_shares(
    told: Sequence[Sequence[m.Device]], record: LeaseRecord
) -> Iterator[tuple[EndpointRecord, m.Device, ShareRecord | None]]:
    """Yield each device with its endpoint, and with the lease's share of it where that is told."""
    for endpoint, devices in zip(record.endpoints, told, strict=True):
        shares = [
            share
            for share in record.shares
            if len(told) == 1 or (share.node, share.environment) == (endpoint.node, endpoint.environment)
        ]
        for device, share in zip_longest(devices, shares[: len(devices)]):
            yield endpoint, device, share


def sub_devices(parent: Device, told: Sequence[m.Device], session: Session) -> tuple[Device, ...]:
    """Return the sub-devices of a device of a session."""
    node, environment, _ = parent._key
    made = []
    for device in told:
        info = {**device.info, device_info.PARENT_DEVICE: parent}
        name = f"{parent._key[2]}/{device.name}"
        sub_device = Device(
            info, parent.platform, (node, environment, name), broker=parent._broker, session=session
        )
        parent.platform._devices.remove(sub_device)  # as in OpenCL, a platform lists whole devices only
        made.append(sub_device)
    return tuple(made)
