"""One kernel over many chunks, for asyncio: `async for result in aio.map(...)`.

The devices' threads are those of `accelpool.map`. What they change is told to the loop, in which nothing
blocks and for which no further thread waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar, Unpack

from accelpool.chunks.board import Board, draw
from accelpool.chunks.lane import start
from accelpool.chunks.plan import MapOptions, Plan, plan

Found = TypeVar("Found")


class Results(AsyncIterator[Any]):
    """The results of a `map`, to be iterated once; with `async with` the rest is let be at its end."""

    def __init__(self, planned: Plan, chunks: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._loop = _running_loop()
        self._plan = planned
        self._board = planned.board
        self._watch = Watch(planned.board, self._loop)
        self._drawing: asyncio.Task[None] | None = None
        if isinstance(chunks, AsyncIterable):
            self._drawing = self._loop.create_task(_draw(self._board, self._watch, chunks))
        else:
            draw(self._board, chunks)
        start(planned.lanes, planned.kernel, self._board)

    async def __anext__(self) -> Any:
        try:
            found = await self._watch.until(self._board.ready)
            self._plan.tell()
        except BaseException:
            self._stop()
            raise
        if not found:
            await self.aclose()
            raise StopAsyncIteration
        return found[0]

    async def aclose(self) -> None:
        """Begin no chunk any more, and wait for those that are under way; not for one that is still made."""
        self._stop()
        await self._watch.until(self._board.is_left)

    def _stop(self) -> None:
        self._board.stop()
        if self._drawing is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and what was in it
                self._loop.call_soon_threadsafe(self._drawing.cancel)

    async def __aenter__(self) -> Results:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_drawing"):
            self._stop()


class Watch:
    """Tells a loop of a board's changes."""

    def __init__(self, board: Board, loop: asyncio.AbstractEventLoop) -> None:
        self._changed = asyncio.Event()
        self._loop = loop
        board.on_change = self._tell

    async def until(self, look: Callable[[], Found | None]) -> Found:
        """Return what a look at the board finds, once it is not None."""
        while True:
            self._changed.clear()
            found = look()
            if found is not None:
                return found
            await self._changed.wait()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._changed.set)


def map(kernel: str, chunks: Iterable[Any] | AsyncIterable[Any], **options: Unpack[MapOptions]) -> Results:
    """Return the results of one kernel for many chunks, to be had with `async for`: as `accelpool.map`.

    Cancelling the task that waits for a result stops all: no chunk is begun any more, those under way are the
    last. Called in a running loop.

    Args:
        kernel: As `accelpool.map` has it.
        chunks: Likewise, or an asynchronous iterable of them, which is drawn in the loop.
        **options: Likewise; `progress` is called in the loop.

    Raises:
        What `accelpool.map` does.
    """
    return Results(plan(kernel, chunks, **options), chunks)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        what = "call it in a coroutine, with `async for`; elsewhere there is accelpool.map"
        raise RuntimeError(f"aio.map: no event loop is running: {what}") from error


async def _draw(board: Board, watch: Watch, chunks: AsyncIterable[Any]) -> None:
    """Draw chunks as there is room for them, until there are no more."""
    try:
        drawn = aiter(chunks)
        while await watch.until(board.room):
            board.offer(await anext(drawn))
    except StopAsyncIteration:
        pass
    except Exception as error:  # the caller's own, which he is told
        board.fail(None, error)
    finally:
        board.exhaust()
