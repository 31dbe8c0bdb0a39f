"""How a builder starts its compilers: one that does not get ready costs nobody anything."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from accelpool_node.builder import messages as b
from accelpool_node.builder.compilers import STARTS, Compilers

LIMIT_S = 60.0
PRODUCT = b.encode(b.Product(kernels=[], logs=[""], binaries=[b"binary"]))


class Nursery:
    """Starts processes that pass for compilers, and speaks for them.

    Attributes:
        names: Those of the folders that were asked for.
        troubles: What the builder could not go on with.
    """

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        self.troubles: list[str] = []
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(LIMIT_S)
        self._streams = [self._ours, theirs]
        self._children: list[subprocess.Popen[bytes]] = []
        self.compilers = Compilers(theirs, folder, LIMIT_S, self.troubles.append)

    async def start(self) -> socket.socket:
        """Have the next one get ready; return its end of its connection."""
        stream = await self._next()
        child = subprocess.Popen(["sleep", "60"])
        self._children.append(child)
        b.send(stream, b.encode(b.Ready(pid=child.pid, devices=[])))
        return stream

    async def fail(self) -> None:
        """Have the next one end before it is ready."""
        (await self._next()).close()

    async def _next(self) -> socket.socket:
        name, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, self._ours, 64, 1)
        self.names.append(name.decode())
        stream = socket.socket(fileno=descriptors[0])
        stream.settimeout(LIMIT_S)
        self._streams.append(stream)
        return stream

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()
            child.wait()
        for stream in self._streams:
            stream.close()


def with_nursery(test: Callable[[Nursery], Awaitable[None]]) -> Callable[[Path], None]:
    """Run a test's coroutine with a nursery."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            with Nursery(tmp_path) as nursery:
                async with asyncio.timeout(LIMIT_S):
                    await test(nursery)

        asyncio.run(main())

    run.__name__ = test.__name__
    return run


@with_nursery
async def test_a_compiler_that_does_not_get_ready_makes_room_for_another(nursery: Nursery) -> None:
    making = asyncio.create_task(nursery.compilers.make(b"a build"))
    await nursery.fail()
    stream = await nursery.start()
    assert await asyncio.to_thread(b.receive, stream, 100) == b"a build"
    b.send(stream, PRODUCT)
    assert await making == PRODUCT
    assert nursery.troubles == []


@with_nursery
async def test_a_builder_without_any_compiler_cannot_go_on(nursery: Nursery) -> None:
    making = asyncio.create_task(nursery.compilers.make(b"a build"))
    for _ in range(STARTS):
        await nursery.fail()
    with pytest.raises(ConnectionError, match="a compiler could not be started"):
        await making
    assert nursery.troubles == ["a compiler could not be started: a compiler ended before it was ready"]


@with_nursery
async def test_each_compiler_has_a_folder_of_a_name_that_no_other_has_had(nursery: Nursery) -> None:
    for _ in range(3):
        making = asyncio.create_task(nursery.compilers.make(b"a build"))
        b.send(await nursery.start(), PRODUCT)
        await making
    assert nursery.names == ["1", "2", "3"]
