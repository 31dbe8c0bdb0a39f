"""The builder's side of its compilers: one is always ready, each makes one build within its limits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelpool_node.agent.background import call_in_thread
from accelpool_node.builder import messages as b
from accelpool_node.builder.compiler import START_LIMIT_S

log = logging.getLogger(__name__)

STARTS = 3  # tries in a row, before something is wrong with more than one compiler


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """A compiler that is ready.

    Attributes:
        ready: What it said.
        process: A pidfd of it: its id may come to mean another process.
        folder: Its own.
        reader: Its connection.
        writer: Its connection.
    """

    ready: b.Ready
    process: int
    folder: Path
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Compilers:
    """Starts compilers and has each make one build.

    Args:
        nursery: The channel to the process that forks them.
        folder: Where each has a folder of its own.
        limit_s: How long a build may take.
        on_trouble: Called with the reason if no compiler can be started.
    """

    def __init__(
        self, nursery: socket.socket, folder: Path, limit_s: float, on_trouble: Callable[[str], None]
    ) -> None:
        self._nursery = nursery
        self._folder = folder
        self._limit_s = limit_s
        self._on_trouble = on_trouble
        self._names = itertools.count(1)
        self._cleaning: set[asyncio.Task[None]] = set()
        self._next: asyncio.Task[Compiler] | None = None

    async def devices(self) -> list[b.DeviceId]:
        """Return what the driver shows, as the next compiler says.

        Raises:
            ConnectionError: No compiler gets ready.
        """
        compiler = await asyncio.shield(self._prepare())
        return compiler.ready.devices

    async def make(self, build: bytes) -> bytes:
        """Have a compiler make an encoded build, and return its encoded product.

        Raises:
            Unbuildable: It does not build, or takes too long.
            ConnectionError: The compiler crashed, or none gets ready.
        """
        compiler = await self._take()
        try:
            async with asyncio.timeout(self._limit_s):
                await b.write(compiler.writer, build)
                answer = await b.read(compiler.reader, b.MAX_PRODUCT_BYTES)
            said = b.decode_answer(answer) if answer is not None else None
        except TimeoutError:
            raise b.Unbuildable(f"a build took longer than {self._limit_s:g} s") from None
        except ValueError as error:
            raise b.Unbuildable(f"a compiler sent nonsense: {error}") from error
        finally:
            self._end(compiler)
        if answer is None:
            raise ConnectionError("the compiler ended without a word")
        if not isinstance(said, b.Product):
            raise b.Unbuildable(said.why if isinstance(said, b.Declined) else "a compiler said Ready twice")
        return answer

    # ---- one compiler ------------------------------------------------------------------------------------

    async def _take(self) -> Compiler:
        """Return a compiler, and have the next one start."""
        next = self._prepare()
        self._next = None
        try:
            return await asyncio.shield(next)
        except asyncio.CancelledError:
            next.add_done_callback(self._drop)
            raise
        finally:
            self._prepare()

    def _prepare(self) -> asyncio.Task[Compiler]:
        """Return the compiler that is ready, or gets ready."""
        if self._next is None or (self._next.done() and self._next.exception() is not None):
            self._next = asyncio.create_task(self._start())
            self._next.add_done_callback(self._started)
        return self._next

    def _started(self, task: asyncio.Task[Compiler]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._on_trouble(str(task.exception()))

    def _drop(self, task: asyncio.Task[Compiler]) -> None:
        """Kill a compiler that nobody waits for any more."""
        if not task.cancelled() and task.exception() is None:
            self._end(task.result())

    async def _start(self) -> Compiler:
        """Start a compiler; one that does not get ready makes room for another one."""
        for _ in range(STARTS - 1):
            try:
                return await self._start_one()
            except ConnectionError as error:
                log.warning("%s; another one is tried", error)
        return await self._start_one()

    async def _start_one(self) -> Compiler:
        folder = self._folder / str(next(self._names))
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._nursery, [folder.name.encode()], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise ConnectionError(f"no compiler could be started: {error}") from error
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        with contextlib.ExitStack() as undoing:
            undoing.callback(writer.close)
            try:
                async with asyncio.timeout(START_LIMIT_S):
                    said = await b.read(reader, b.MAX_BUILD_BYTES)
                ready = b.decode_answer(said) if said is not None else None
                if not isinstance(ready, b.Ready):
                    raise ConnectionError("a compiler ended before it was ready")
                process = os.pidfd_open(ready.pid)
            except (OSError, ValueError) as error:  # a TimeoutError is an OSError
                self._remove(folder)
                raise ConnectionError(f"a compiler could not be started: {error}") from error
            undoing.pop_all()
        return Compiler(ready=ready, process=process, folder=folder, reader=reader, writer=writer)

    def _end(self, compiler: Compiler) -> None:
        """Kill a compiler, which has made its build or failed to, and remove its folder."""
        _kill(compiler.process)
        compiler.writer.close()
        self._remove(compiler.folder)

    def _remove(self, folder: Path) -> None:
        cleaning = asyncio.create_task(call_in_thread(lambda: shutil.rmtree(folder, ignore_errors=True)))
        self._cleaning.add(cleaning)
        cleaning.add_done_callback(self._cleaning.discard)


def _kill(process: int) -> None:
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    os.close(process)
