"""The pool's devices, prepared for scheduling: sorted by preference, grouped by what demands can tell apart.

An inventory serves any number of decisions, as long as nodes and devices stay what they are. A pool has many
devices and few kinds of them: a demand is compared with one device of each kind, and its candidates are
remembered.

Devices that are faces of one piece of hardware (a GPU as OpenCL and as CUDA show it) are had together: what
somebody has of one, nobody can have of another. A demand is for as many pieces as it counts devices: of each
piece it is offered one face.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace

from accelpool_broker.scheduler import fitness
from accelpool_broker.scheduler.selector import selector
from accelpool_broker.scheduler.views import Demand, DeviceView, NodeView, Share

KIND_RANK = {"gpu": 0, "accelerator": 1, "cpu": 2, "custom": 3}
MAX_REMEMBERED = 4096


@dataclass(frozen=True, eq=False)
class Candidates:
    """The places of devices that could serve a demand, in order of preference.

    The same devices are always the same object.

    Attributes:
        members: The same as a set.
        faces: With the places of all other faces of their hardware.
    """

    places: tuple[int, ...]
    members: frozenset[int]
    faces: frozenset[int]


class Inventory:
    """The pool's devices; a place is a device's index in `devices`, which are in order of preference.

    GPUs come first, then the smallest devices that will do, then those first by name.

    Attributes:
        faces: By place: the places of all devices that are the same hardware, its own among them.
    """

    def __init__(self, nodes: Iterable[NodeView], devices: Iterable[DeviceView]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.devices = sorted(devices, key=_preference)
        self.places = {device.id: place for place, device in enumerate(self.devices)}
        self.memory_bytes = [device.memory_bytes for device in self.devices]
        self.faces = self._faces()
        self.on_node: dict[str, list[int]] = {}
        kinds: dict[str, list[int]] = {}
        for place, device in enumerate(self.devices):
            self.on_node.setdefault(device.node, []).append(place)
            kinds.setdefault(self._kind(device), []).append(place)
        self._kinds = list(kinds.values())
        self._found: dict[tuple[object, ...], Candidates] = {}
        self._candidates: dict[tuple[int, ...], Candidates] = {}

    def seen_at(self, nodes: Iterable[NodeView]) -> Inventory | None:
        """Return the same devices on nodes that differ in nothing but when they are lost; None if they do.

        What was remembered of demands is shared.
        """
        known = {node.name: node for node in nodes}
        if known.keys() != self.nodes.keys() or any(
            node is not self.nodes[name]
            and replace(node, lost_at=None) != replace(self.nodes[name], lost_at=None)
            for name, node in known.items()
        ):
            return None
        seen = copy(self)
        seen.nodes = known
        return seen

    def candidates(self, demand: Demand) -> Candidates:
        """Return the devices that could serve a demand."""
        key = (
            demand.kind, demand.api, demand.memory_bytes, demand.where, demand.device, demand.devices,
            demand.tolerates,
        )  # fmt: skip
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
                self._candidates.clear()
            found = self._found[key] = self._find(demand)
        return found

    def devices_on(self, node: str) -> list[DeviceView]:
        """Return the devices of a node."""
        return [self.devices[place] for place in self.on_node.get(node, ())]

    def shares_of(self, place: int, shares: Iterable[Share]) -> list[Share]:
        """Return those of some shares that are of a device's hardware."""
        faces = self.faces[place]
        return [share for share in shares if self.places.get(share.device) in faces]

    def is_first(self, place: int) -> bool:
        """Whether a device is the first face of its hardware: of each piece one is."""
        return self.faces[place][0] == place

    def mismatch(self, demand: Demand, place: int) -> str:
        """Return why a device is of no use to a demand, "" if it is of use."""
        reason = self._mismatch(demand, place)
        members = self.candidates(demand).members
        if reason or place in members:
            return reason
        other = next(self.devices[face].id for face in self.faces[place] if face in members)
        return f"it is the same hardware as {other}, which would do"

    def _mismatch(self, demand: Demand, place: int) -> str:
        device = self.devices[place]
        return fitness.mismatch(demand, device, self.nodes.get(device.node))

    def _faces(self) -> list[tuple[int, ...]]:
        pieces: dict[str, list[int]] = {}
        for place, device in enumerate(self.devices):
            pieces.setdefault(device.hardware or device.id, []).append(place)
        faces = {piece: tuple(places) for piece, places in pieces.items()}
        return [faces[device.hardware or device.id] for device in self.devices]

    def _candidates_at(self, places: Iterable[int]) -> Candidates:
        """Return the candidates among devices that would do: of each piece of hardware the first."""
        firsts: dict[int, int] = {}
        for place in sorted(places):
            firsts.setdefault(self.faces[place][0], place)
        chosen = tuple(firsts.values())
        faces = frozenset(face for place in chosen for face in self.faces[place])
        return Candidates(chosen, frozenset(chosen), faces)

    def _find(self, demand: Demand) -> Candidates:
        if demand.device is not None or demand.devices or (
            demand.where and selector(demand.where).is_particular
        ):  # fmt: skip
            return self._candidates_at(
                place for place in range(len(self.devices)) if not self._mismatch(demand, place)
            )
        matching = tuple(
            number for number, kind in enumerate(self._kinds) if not self._mismatch(demand, kind[0])
        )
        known = self._candidates.get(matching)
        if known is None:
            places = (place for number in matching for place in self._kinds[number])
            known = self._candidates[matching] = self._candidates_at(places)
        return known

    def _kind(self, device: DeviceView) -> str:
        """Return what demands can tell of a device beside its name and its node's."""
        node = self.nodes.get(device.node)
        facts = {**fitness.facts(device, node), "id": "", "name": "", "node": ""}
        facts["fault"] = device.fault
        facts["taints"] = () if node is None else node.taints
        return json.dumps(facts, sort_keys=True, default=str)


def _preference(device: DeviceView) -> tuple[int, int, str, str, str, str]:
    rank = KIND_RANK.get(device.kind, len(KIND_RANK))
    return (rank, device.memory_bytes, device.node, device.environment, device.name, device.id)
