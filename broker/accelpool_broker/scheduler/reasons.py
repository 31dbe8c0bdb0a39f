"""What people are told: why a request waits, and why it can never be served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from accelpool_broker.scheduler.fitness import part_of
from accelpool_broker.scheduler.inventory import Inventory
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.stay import WHATEVER, stay_of
from accelpool_broker.scheduler.views import (
    Demand,
    DeviceView,
    NodeView,
    Placement,
    Request,
    TenantView,
)

FREE, LEASED, KEPT, RESERVED = "free", "leased", "kept for earlier requests", "reserved"
CORDONED, SILENT = "cordoned", "on a node that does not answer"
DOING = (FREE, LEASED, KEPT, RESERVED, CORDONED, SILENT)
LEASED_AS = "leased as "  # and the API of the face by which the hardware is lent


def unfit(request: Request, devices: Iterable[DeviceView], nodes: Iterable[NodeView] = ()) -> dict[str, str]:
    """Return why each device could never serve the request, by id; empty if some could, now or later."""
    return unfit_in(request, Inventory(nodes, devices))


def unfit_in(request: Request, inventory: Inventory) -> dict[str, str]:
    """Return why each device of an inventory could never serve the request, by id; empty if some could."""
    told: list[dict[str, str]] = []
    for demand in request.alternatives:
        usable = inventory.candidates(demand)
        rooms = _rooms(demand, usable.places, inventory)
        if max((len(room) for room in rooms), default=0) >= demand.count:
            return {}
        reasons = {
            device.id: inventory.mismatch(demand, place) for place, device in enumerate(inventory.devices)
        }
        for place in usable.places:
            reasons[inventory.devices[place].id] = _too_few(demand, rooms)
        told.append(reasons)
    if len(told) == 1:
        return told[0]
    return {
        device.id: "; ".join(
            f"alternative {number}: {reasons[device.id]}" for number, reasons in enumerate(told, 1)
        )
        for device in inventory.devices
    }


def never_within_quota(request: Request, inventory: Inventory, tenants: Sequence[TenantView]) -> str:
    """Return which quota the request exceeds by itself, whatever alternative is taken; "" if it does not."""
    fresh = [replace(tenant, spent_device_s=0.0) for tenant in tenants]
    chooser = Chooser(Room(inventory, (), ()))
    reason = ""
    for demand in request.alternatives:
        reason = Quotas(fresh, (), now=0.0).why_not(request.tenant, chooser.example(demand))
        if not reason:
            return ""
    return reason


def _rooms(demand: Demand, places: Sequence[int], inventory: Inventory) -> list[list[int]]:
    """Return groups of places of which one must be large enough."""
    if demand.placement is not Placement.SAME_NODE:
        return [list(places)]
    groups: dict[str, list[int]] = {}
    for place in places:
        groups.setdefault(inventory.devices[place].node, []).append(place)
    return list(groups.values())


def _too_few(demand: Demand, rooms: Sequence[Sequence[int]]) -> str:
    where = "no node has more than" if demand.placement is Placement.SAME_NODE else "the pool has"
    most = max((len(room) for room in rooms), default=0)
    return f"it would do, but of {demand.count} wanted at once {where} {most}"


def why_waiting(request: Request, room: Room) -> str:
    """Return why a request waits, one alternative after the other."""
    reasons = [_why_waiting(request, demand, room) for demand in request.alternatives]
    if len(reasons) == 1:
        return reasons[0]
    return "; ".join(f"alternative {number}: {reason}" for number, reason in enumerate(reasons, 1))


def _why_waiting(request: Request, demand: Demand, room: Room) -> str:
    suitable = room.inventory.candidates(demand).places
    wanted = "" if demand.count == 1 else f", {demand.count} wanted at once"
    if demand.count > 1 and demand.placement is Placement.SAME_NODE:
        wanted += " on one node"
    noun = "device" if len(suitable) == 1 else "devices"
    if not suitable:
        return "no device of the pool would do at present"
    if len(suitable) < demand.count:
        return f"{len(suitable)} {noun} would do at present{wanted}"
    free = places_free(demand, room)
    doing = Counter(what_of(request, demand, place, room, free) for place in suitable)
    as_others = sorted(what for what in doing if what.startswith(LEASED_AS))
    parts = [f"{doing[what]} {what}" for what in (*DOING[:2], *as_others, *DOING[2:]) if doing[what]]
    return f"{len(suitable)} {noun} would do: {', '.join(parts)}{wanted}"


def places_free(demand: Demand, room: Room) -> frozenset[int]:
    """Return the places that have room for a share now, whoever is promised what."""
    return frozenset(Chooser(room).open_places(demand, stay=WHATEVER))


def what_of(request: Request, demand: Demand, place: int, room: Room, free: Collection[int]) -> str:
    """Return what a suitable device is doing, as a request sees it: one of `DOING`, or `LEASED_AS` an API."""
    if not room.is_open[place]:
        node = room.inventory.nodes.get(room.inventory.devices[place].node)
        return CORDONED if node is not None and node.is_cordoned else SILENT
    if place not in free:
        other = room.lent_as(place)
        return LEASED if other is None else f"{LEASED_AS}{room.inventory.devices[other].api}"
    if room.kept_for.get(place, request.id) != request.id:
        return KEPT
    leaves_at = stay_of(request, room.policy, room.now).leaves_at
    part = part_of(demand, room.inventory.memory_bytes[place])
    return FREE if room.fits_later(place, *part, leaves_at) else RESERVED


def said(instant: float) -> str:
    """Return an instant for people, UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
