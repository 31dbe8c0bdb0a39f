"""Whether a device could serve a demand if nobody else had it, and what part of it the demand takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelpool_broker.scheduler.selector import selector
from accelpool_broker.scheduler.views import ANY, CUDA, WHOLE, Demand, DeviceView, NodeView


def wants_whole(demand: Demand) -> bool:
    """Whether a demand is for whole devices."""
    if demand.is_exclusive:
        return True
    return demand.memory_bytes is None and demand.memory_ppm is None and demand.compute_ppm is None


def part_of(demand: Demand, total_bytes: int) -> tuple[int, int]:
    """Return the memory (bytes) and the compute (ppm) that a demand takes of a device with so much memory."""
    if wants_whole(demand):
        return total_bytes, WHOLE
    compute = demand.compute_ppm
    memory = demand.memory_bytes
    if memory is None and demand.memory_ppm is not None:
        memory = total_bytes * demand.memory_ppm // WHOLE
    if memory is None:
        assert compute is not None
        return total_bytes * compute // WHOLE, compute
    if compute is None:
        compute = min(WHOLE, -(-memory * WHOLE // total_bytes)) if total_bytes else WHOLE
    return memory, max(compute, 1)


def name_mismatch(demand: Demand, device: DeviceView) -> str:
    """Return why a device is none of those that a demand names, "" if it names none, or this one."""
    names = (device.id, device.name, f"{device.node}/{device.name}")
    if demand.device is not None and demand.device not in names:
        return f"the request is for device {demand.device} only"
    if demand.devices and device.id not in demand.devices:
        return "it is not one of the devices that were asked for"
    return ""


def type_mismatch(demand: Demand, device: DeviceView, node: NodeView | None) -> str:
    """Return why a device is of no use to a demand, whatever its name; "" if it is of use."""
    if demand.kind not in (ANY, device.kind):
        return f"it is of kind {device.kind}, not {demand.kind}"
    if _is_foreign(demand, device):
        return f"it is for programs of {device.api}, not of {demand.api or 'OpenCL'}"
    if demand.memory_bytes is not None and demand.memory_bytes > device.memory_bytes:
        return f"it has {device.memory_bytes} bytes of memory, not {demand.memory_bytes}"
    taints = () if node is None else node.taints
    disturbing = [taint for taint in taints if taint not in demand.tolerates]
    if disturbing:
        return f"its node has the taint {disturbing[0]}, which the request does not tolerate"
    if demand.where:
        reason = selector(demand.where).why_not(facts(device, node))
        if reason:
            return reason
    return f"it is faulty: {device.fault}" if device.fault else ""


def mismatch(demand: Demand, device: DeviceView, node: NodeView | None) -> str:
    """Return why a device is of no use to a demand, "" if it is of use."""
    return name_mismatch(demand, device) or type_mismatch(demand, device, node)


def facts(device: DeviceView, node: NodeView | None) -> Mapping[str, Any]:
    """Return what an expression may ask of a device."""
    return {
        "id": device.id,
        "name": device.name,
        "node": device.node,
        "environment": device.environment,
        "kind": device.kind,
        "api": device.api,
        "memory_bytes": device.memory_bytes,
        "compute_units": device.compute_units,
        "attributes": dict(device.attributes),
        "labels": {} if node is None else dict(node.labels),
    }


def _is_foreign(demand: Demand, device: DeviceView) -> bool:
    """Whether a demand's programs do not speak as the device does. Who names a device knows what it is."""
    if demand.api:
        return demand.api != device.api
    return device.api == CUDA and demand.device is None and not demand.devices
