"""The devices of an open session, made from what its worker told when it was opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accelpool.constants import device_info
from accelpool.device import Device, Platform
from accelpool.records import LeaseRecord
from accelpool_wire import messages as m

if TYPE_CHECKING:
    from accelpool.broker import Broker
    from accelpool.session import Session


def session_devices(
    told: Sequence[m.Device], record: LeaseRecord, broker: Broker | None, session: Session
) -> tuple[Device, ...]:
    """Return the session's devices, in the order in which its messages number them: as the lease's shares.

    A share's name is the device's after its environment's; where the two do not fit, the device is no pool
    device known by name, and a context over it needs this session.
    """
    platforms: dict[tuple[Any, ...], Platform] = {}
    devices = []
    for place, device in enumerate(told):
        platform = Platform(device.platform)
        platform = platforms.setdefault(platform._key(), platform)
        share = record.shares[place] if place < len(record.shares) else None
        if share is not None and share.name.endswith(device.name):
            key, pool_id = (share.node, share.environment, share.name), share.device
        else:
            key, pool_id = (record.endpoints[0].node, record.endpoints[0].environment, device.name), ""
        made = Device(device.info, platform, key, pool_id=pool_id, broker=broker, session=session)
        devices.append(made)
    return tuple(devices)


def sub_devices(parent: Device, told: Sequence[m.Device], session: Session) -> tuple[Device, ...]:
    """Return the parts of a device of a session."""
    node, environment, _ = parent._key
    made = []
    for device in told:
        info = {**device.info, device_info.PARENT_DEVICE: parent}
        name = f"{parent._key[2]}/{device.name}"
        part = Device(
            info, parent.platform, (node, environment, name), broker=parent._broker, session=session
        )
        parent.platform._devices.remove(part)  # as in OpenCL, a platform lists whole devices only
        made.append(part)
    return tuple(made)
