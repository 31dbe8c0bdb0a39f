"""Probes devices again: after a session crashed or hung on them, and now and then while they are faulty."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from accelpool_node.agent.devices import Devices, NodeDevice
from accelpool_node.agent.discovery import Discovery
from accelpool_node.drivers import DriverEnvironment

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 3600.0


class Health:
    """Keeps the devices' faults up to date.

    Args:
        devices: Whose faults.
        environments: Driver environments by name.
        discovery: Probes.
        first_wait_s: How soon a faulty device is probed again; the wait doubles up to an hour.
        on_change: Called when a fault came or went.
    """

    def __init__(
        self,
        devices: Devices,
        environments: Mapping[str, DriverEnvironment],
        discovery: Discovery,
        first_wait_s: float,
        on_change: Callable[[], None],
    ) -> None:
        self._devices = devices
        self._environments = environments
        self._discovery = discovery
        self._first_wait_s = first_wait_s
        self._on_change = on_change
        self._suspects: set[str] = set()
        self._woken = asyncio.Event()

    def suspect(self, names: Iterable[str]) -> None:
        """Have devices probed soon, by all their faces: what harmed the hardware by one harms each."""
        self._suspects.update(self._devices.faces(names))
        self._woken.set()

    async def run(self) -> None:
        """Probe what is due, for ever."""
        wait_s = self._first_wait_s
        while True:
            has_faults = bool(self._devices.faulty())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s if has_faults else None):
                    await self._woken.wait()
            self._woken.clear()
            suspects = [device for name in self._suspects if (device := self._devices.get(name))]
            self._suspects.clear()
            wait_s = self._first_wait_s if suspects else min(2 * wait_s, LONGEST_WAIT_S)
            await self._probe(suspects or self._devices.faulty())

    async def _probe(self, devices: Iterable[NodeDevice]) -> None:
        by_environment: dict[str, list[NodeDevice]] = defaultdict(list)
        for device in devices:
            if device.backend_name:
                by_environment[device.environment].append(device)
        for name, ours in by_environment.items():
            faults = await self._discovery.probe(
                self._environments[name], [device.backend_name for device in ours]
            )
            self._take(ours, faults)

    def _take(self, devices: Iterable[NodeDevice], faults: Mapping[str, str]) -> None:
        changed = [
            device.name
            for device in devices
            if self._devices.set_fault(device.name, faults[device.backend_name])
        ]
        for name in changed:
            log.warning("device %s: %s", name, self._devices.faults[name] or "works again")
        if changed:
            self._on_change()
