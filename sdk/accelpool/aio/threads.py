"""The few threads that do for event loops what blocks.

    SHORT   what takes a round trip at most
    LONG    what takes its time, but needs nothing that another task does: builds, opening a session, sending
    POLL    asking the broker for a lease that is not granted yet

What may wait for another task has no thread, so that however many tasks wait, those that they wait for get
on: the ends of commands are pushed (`accelpool_wire.listener`), and polls take turns.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from functools import cache
from typing import ParamSpec, TypeVar

Made = TypeVar("Made")
Given = ParamSpec("Given")


class Threads(Enum):
    """Which threads; the value says how many they are."""

    SHORT = ("accelpool-short", 8)
    LONG = ("accelpool-long", 16)
    POLL = ("accelpool-poll", 8)

    @property
    def count(self) -> int:
        """How many they are at most."""
        count: int = self.value[1]
        return count

    async def run(self, function: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
        """Return what a function returns that is called in one of these threads."""
        return await asyncio.wrap_future(self._submit(function, *args, **kwargs))

    async def make(self, function: Callable[[], Made], undo: Callable[[Made], object]) -> Made:
        """As `run`; what it has made when nobody waits for it any more is undone."""
        future = self._submit(function)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: self._undo(done, undo))
            raise

    def _undo(self, done: Future[Made], undo: Callable[[Made], object]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._submit(undo, done.result())

    def _submit(
        self, function: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Made]:
        context = contextvars.copy_context()
        return _executor(self, os.getpid()).submit(lambda: context.run(function, *args, **kwargs))


@cache
def _executor(threads: Threads, _process: int) -> ThreadPoolExecutor:
    """Return the threads of this process: a fork has none of its parent's."""
    name, count = threads.value
    return ThreadPoolExecutor(count, thread_name_prefix=name)
