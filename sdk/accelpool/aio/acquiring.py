"""Leases for asyncio: `async with aio.acquire("gpu") as ctx`, or `ctx = await aio.acquire("gpu")`.

Many may wait at once: their requests are all in the broker's queue, and a few threads ask for them in turn,
each for a part of the time, so that every request is asked for within `POLL_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Unpack

from accelpool import acquire_options
from accelpool.acquire_options import AcquireOptions
from accelpool.acquisition import Acquisition, Look
from accelpool.aio.threads import Threads
from accelpool.broker import Broker, default_broker
from accelpool.context import Context
from accelpool.demand import Demand
from accelpool.records import LeaseRecord
from accelpool.rest import Answer
from accelpool.session import Session
from accelpool_wire import traces


class Acquiring:
    """A context to come: await it, or enter it with `async with`, which gives the lease back at its end."""

    def __init__(
        self, kind: str | Demand | Sequence[Demand], broker: Broker, options: AcquireOptions
    ) -> None:
        self._kind = kind
        self._broker = broker
        self._options = options
        self._context: Context | None = None

    def __await__(self) -> Generator[Any, None, Context]:
        return self._acquire().__await__()

    async def __aenter__(self) -> Context:
        self._context = await self._acquire()
        return self._context

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._context is not None:
            await release(self._context)

    async def _acquire(self) -> Context:
        broker, options = self._broker, self._options
        request = acquire_options.read(self._kind, options)
        acquisition = broker._acquisition(request)

        def open_session() -> Session:
            return broker._open(record, request.client, options.get("on_notice"))

        with traces.span("accelpool.acquire"):
            try:
                record = await granted(acquisition)
                session = await Threads.LONG.make(open_session, Session.close)
            except BaseException:
                await asyncio.shield(Threads.LONG.run(acquisition.withdraw))  # also if cancelled again
                raise
        return Context._over_session(session)


def acquire(
    kind: str | Demand | Sequence[Demand] = "any",
    *,
    broker: Broker | None = None,
    url: str | None = None,
    token: str | None = None,
    **options: Unpack[AcquireOptions],
) -> Acquiring:
    """Return a context to come, on devices leased for this process: as `accelpool.acquire`, for asyncio.

    Cancelling the task that waits for it withdraws the request.

    Args:
        kind: As `accelpool.acquire` has it.
        broker: The pool; None for that of `url` and `token`.
        url: As `accelpool.acquire` has it.
        token: Likewise.
        **options: Likewise.

    Raises:
        What `accelpool.acquire` does; when it is awaited, what the broker and the node say.
    """
    return Acquiring(kind, broker or default_broker(url, token), options)


async def release(context: Context) -> None:
    """Release a context, as its `release` does: with the last one of its session the lease is given back."""
    await asyncio.shield(Threads.LONG.run(context.release))


async def granted(acquisition: Acquisition) -> LeaseRecord:
    """Return the lease once it is active; withdrawing it else is up to the caller."""
    steps = acquisition.steps(first_wait_s=0.0)
    rota = _rota(os.getpid())
    with rota.turn():
        try:
            step = next(steps)
            while True:
                step = steps.send(await _take(step, acquisition, rota))
        except StopIteration as end:
            record: LeaseRecord = end.value
            return record


async def _take(step: Look, acquisition: Acquisition, rota: Rota) -> Answer:
    if step.pause_s:
        await asyncio.sleep(step.pause_s)
    threads = Threads.POLL if step.wait_s else Threads.LONG
    patience_s = acquisition.request.ttl_s / 2  # who is not asked for by then is taken for gone
    turn = Look(wait_s=rota.part_of(min(step.wait_s, patience_s)))
    return await threads.run(acquisition.look, turn)


class Rota:
    """How many wait in this process, of whom each has a thread for its part of the time."""

    def __init__(self) -> None:
        self._waiting = 0

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Count somebody who waits."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def part_of(self, wait_s: float) -> float:
        """Return how long a turn may be, so that all have had one when the time is over."""
        return wait_s * min(1.0, Threads.POLL.count / max(1, self._waiting))


@cache
def _rota(_process: int) -> Rota:
    return Rota()
