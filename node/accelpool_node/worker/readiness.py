"""Waiting for other nodes without a thread for each: one of a session's own waits for all of them."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future


class Readiness:
    """Tells when connections have something to read. Its thread starts with the first that is asked for."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def when_readable(self, stream: socket.socket, limit_s: float) -> Future[bool]:
        """Return what is done, off this thread, once there is something to read or the time is over.

        Args:
            stream: Connected; nobody else may read it meanwhile. Its end is something to read.
            limit_s: How long to wait.

        Returns:
            Whether there is something to read.
        """
        return asyncio.run_coroutine_threadsafe(_is_readable(stream, limit_s), self._run())

    def _run(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="readiness", daemon=True).start()
            return self._loop


async def _is_readable(stream: socket.socket, limit_s: float) -> bool:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(stream, readable.set)
    try:
        async with asyncio.timeout(limit_s):
            await readable.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(stream)
    return True
