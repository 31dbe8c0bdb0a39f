"""Finds out, in child processes, which devices there are and whether they work.

A driver that crashes, hangs or prints nonsense costs its own environment's devices, or the one that was being
probed; the others are asked in another child.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from accelpool_node.agent.devices import (
    Devices,
    NodeDevice,
    describe,
    describe_broken,
    without_bundled,
    without_parted,
)
from accelpool_node.agent.processes import Processes
from accelpool_node.discover import Line, Listed, Listing, Probed, Probing, parse
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.mig import parents_of
from accelpool_node.sandbox.policy import Sandbox
from accelpool_wire.errors import Unavailable

log = logging.getLogger(__name__)

MODULE = "accelpool_node.discover"
MAX_OUTPUT_BYTES = 8 << 20
MAX_TRACE_BYTES = 2048
EXITED_WELL = "exited with status 0"


class Discovery:
    """Asks driver environments, each in a child process.

    Args:
        processes: Starts the children.
        scratch: A directory for what they print.
        limit_s: How long a child may take.
    """

    def __init__(self, processes: Processes, scratch: Path, limit_s: float) -> None:
        self._processes = processes
        self._scratch = scratch
        self._limit_s = limit_s

    async def try_sandbox(self, environment: DriverEnvironment) -> None:
        """See whether a child can be confined as it has to be.

        Raises:
            Unavailable: It cannot.
        """
        _, fault = await self._list(environment)
        if fault:
            raise Unavailable(f"no child process can be confined: {fault}")

    async def find_devices(self, environments: Sequence[DriverEnvironment]) -> Devices:
        """Return the devices of all environments, probed; one that fails is there with its fault."""
        answers = await asyncio.gather(*(self._list(environment) for environment in environments))
        broken: dict[str, str] = {}
        listed: dict[str, list[Listed]] = {}
        sandboxes: dict[str, Sandbox] = {}
        for environment, (listing, fault) in zip(environments, answers, strict=True):
            if fault:
                broken[environment.name] = fault
            else:
                listed[environment.name] = listing.devices
                sandboxes[environment.name] = listing.sandbox
        kept = without_parted(without_bundled(listed), parents_of(environments))
        by_name = {environment.name: environment for environment in environments}
        broken |= {name: fault for name in kept if (fault := _lack(by_name[name], kept[name]))}
        found = await asyncio.gather(
            *(self._describe(by_name[name], kept[name], sandboxes[name]) for name in kept)
        )
        return Devices(
            [*(describe_broken(*item) for item in broken.items()), *(one for many in found for one in many)]
        )

    async def probe(self, environment: DriverEnvironment, names: Sequence[str]) -> dict[str, str]:
        """Return the faults of an environment's devices by their backend's names, "" for a healthy one.

        Args:
            environment: Whose devices.
            names: Which of them.
        """
        faults: dict[str, str] = {}
        missing = list(names)
        while missing:
            lines, ending = await self._ask(environment, [f"--probe={name}" for name in missing])
            faults |= judge(lines, missing, ending)
            missing = [name for name in missing if name not in faults]
        return faults

    async def _list(self, environment: DriverEnvironment) -> tuple[Listing, str]:
        lines, ending = await self._ask(environment, ["--list"])
        for line in lines:
            if isinstance(line, Listing):
                return line, ""
        fault = f"its devices could not be listed: {ending or 'no answer'}"
        log.error("driver environment %s: %s", environment.name, fault)
        return Listing([]), fault

    async def _describe(
        self, environment: DriverEnvironment, devices: Sequence[Listed], sandbox: Sandbox
    ) -> list[NodeDevice]:
        faults = await self.probe(environment, [device.name for device in devices])
        for name, fault in faults.items():
            if fault:
                log.error("device %s/%s does not work: %s", environment.name, name, fault)
        return [
            describe(
                environment.name,
                device,
                faults[device.name],
                sandbox,
                known=environment.known,
                memory_parts=environment.memory_parts,
            )
            for device in devices
        ]

    async def _ask(self, environment: DriverEnvironment, arguments: Sequence[str]) -> tuple[list[Line], str]:
        """Return what a child printed, and what went wrong with it, or ""."""
        with (
            tempfile.TemporaryFile(dir=self._scratch) as output,
            tempfile.TemporaryFile(dir=self._scratch) as trace,
        ):
            ending = await self._run(environment, arguments, output, trace)
            lines, nonsense = parse(_head(output, MAX_OUTPUT_BYTES))
            if ending == EXITED_WELL:
                return lines, nonsense
            return lines, ": ".join(part for part in (ending, _last_line(trace)) if part)

    async def _run(
        self,
        environment: DriverEnvironment,
        arguments: Sequence[str],
        output: IO[bytes],
        trace: IO[bytes],
    ) -> str:
        """Run a child and return how it ended."""
        ended = asyncio.Event()
        try:
            child = self._processes.start(
                environment,
                MODULE,
                ["--backend", environment.backend, *arguments],
                ended.set,
                stdout=output,
                stderr=trace,
            )
        except OSError as error:
            return f"its process could not be started: {error}"
        try:
            async with asyncio.timeout(self._limit_s):
                await ended.wait()
        except TimeoutError:
            child.kill()
            return f"no answer within {self._limit_s:g} s"
        return child.ending


def judge(lines: Sequence[Line], names: Sequence[str], ending: str) -> Mapping[str, str]:
    """Return the faults, "" for none, that follow from what a probing child printed, by device; at least one.

    Args:
        lines: What it printed.
        names: The devices that it was to probe, at least one.
        ending: What went wrong with the child, or "".
    """
    faults = {line.device: line.fault for line in lines if isinstance(line, Probed) and line.device in names}
    begun = [line.device for line in lines if isinstance(line, Probing) and line.device in names]
    fault = f"its probe came to no result: {ending or 'no answer'}"
    if begun and begun[-1] not in faults:
        return {**faults, begun[-1]: fault}
    if not faults or not ending:
        return {name: faults.get(name, fault) for name in names}
    return faults


def _lack(environment: DriverEnvironment, devices: Sequence[Listed]) -> str:
    """Return what is wrong with an environment that shows no device although the operator expects some."""
    if devices or not environment.expected:
        return ""
    fault = f"{environment.expected} shows no device: is it there, and are its variables right?"
    log.error("driver environment %s: %s", environment.name, fault)
    return fault


def _head(stream: IO[bytes], limit: int) -> bytes:
    stream.seek(0)
    return stream.read(limit)


def _last_line(stream: IO[bytes]) -> str:
    """Return the last line of a text that is not empty."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - MAX_TRACE_BYTES))
    lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
