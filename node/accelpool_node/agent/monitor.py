"""What the node's GPUs measure, from the monitor, a child process: the agent loads no vendor's library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

import msgspec

from accelpool_node import cuda_toolkit
from accelpool_node.agent.processes import Child, Processes, describe_exit
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.gpus import Gpu, Look, Readings, readings_of
from accelpool_node.monitor import ABSENT

log = logging.getLogger(__name__)

MODULE = "accelpool_node.monitor"
MAX_LINE = 1 << 20
STALE_S = 30.0
EXIT_LIMIT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 3600.0
EXITED_WELL, NONE_THERE = describe_exit(0), describe_exit(ABSENT)

_decoder = msgspec.json.Decoder(Look)


def is_wanted(backend: str) -> bool:
    """Whether there is anything to ask, as far as files tell: NVIDIA's driver, and its library's binding."""
    return not backend.startswith("null") and cuda_toolkit.has_driver() and cuda_toolkit.has_nvml()


class Monitor:
    """Asks for what GPUs measure, and remembers the last answer.

    Args:
        processes: Starts the child.
        environment: The child's.
        limit_s: How long it may take for a look.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        processes: Processes,
        environment: DriverEnvironment,
        limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = processes
        self._environment = environment
        self._limit_s = limit_s
        self._clock = clock
        self._last: tuple[float, list[Gpu]] | None = None
        self._over = asyncio.Event()  # no child is there
        self._over.set()

    async def look(self) -> list[Gpu]:
        """Return the GPUs that there are now; none where nothing tells of them."""
        found: list[Gpu] = []
        ending = await self._listen(["--once"], found.extend)
        if ending not in (EXITED_WELL, NONE_THERE):
            log.warning("whether GPUs are parted is not known: the monitor of GPUs %s", ending)
        return found

    async def run(self) -> None:
        """Keep listening; return where there is nothing to listen to, and try again later where it ends."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._over.wait()  # where a driver hangs, one child is enough
            before = self._last
            ending = await self._listen([], self._take)
            if ending == NONE_THERE:
                return
            if self._last is not before:
                pause_s = FIRST_PAUSE_S
            log.warning("the monitor of GPUs %s; next try in %g s", ending, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _take(self, gpus: list[Gpu]) -> None:
        self._last = self._clock(), gpus

    def readings(self, devices: Mapping[str, Mapping[str, object]]) -> dict[str, Readings]:
        """Return what devices measured last, of those of which that is known, and not long ago.

        Args:
            devices: The attributes of the node's devices, by their names.
        """
        if self._last is None or self._clock() - self._last[0] > STALE_S:
            return {}
        return readings_of(self._last[1], devices)

    async def _listen(self, arguments: Sequence[str], on_look: Callable[[list[Gpu]], None]) -> str:
        """Hear a child until it ends, is silent for too long or talks nonsense, and return how it ended."""
        over = asyncio.Event()
        try:
            child, output = self._start(arguments, over.set)
        except OSError as error:
            return f"could not be started: {error}"
        self._over = over
        why = ""
        try:
            why = await self._hear(output, on_look)
            if not why:
                await _wait_a_while(over)
        finally:
            child.kill(why)
        await _wait_a_while(over)
        return child.ending or f"does not end: {why or 'it said no more'}"

    def _start(self, arguments: Sequence[str], on_end: Callable[[], None]) -> tuple[Child, IO[bytes]]:
        """Return a child, and the end of a pipe where its output comes.

        Raises:
            OSError: There is no room for it.
        """
        out, into = os.pipe2(os.O_CLOEXEC)
        output = os.fdopen(out, "rb", buffering=0)
        try:
            child = self._processes.start(self._environment, MODULE, arguments, on_end, stdout=into)
        except OSError:
            output.close()
            raise
        finally:
            os.close(into)
        return child, output

    async def _hear(self, output: IO[bytes], on_look: Callable[[list[Gpu]], None]) -> str:
        """Take what comes until nothing does any more, close it, and return what is wrong, "" if nothing."""
        reader = asyncio.StreamReader(limit=MAX_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), output
        )
        try:
            while True:
                async with asyncio.timeout(self._limit_s):
                    line = await reader.readline()
                if not line:
                    return ""
                on_look(_decoder.decode(line).gpus)
        except TimeoutError:
            return f"it was silent for {self._limit_s:g} s"
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return f"it printed garbage: {error}"
        finally:
            transport.close()


async def _wait_a_while(over: asyncio.Event) -> None:
    """Wait for a child's end, but not for ever: in a driver that hangs it heeds no signal."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(EXIT_LIMIT_S):
            await over.wait()
