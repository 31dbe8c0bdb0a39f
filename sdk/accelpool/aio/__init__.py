"""The calls that wait, for asyncio: the same names and arguments, to be awaited.

    async with aio.acquire("gpu") as ctx:
        program = await aio.build(cl.Program(ctx, source))
        done = program.step(queue, size, None, buffer)         # enqueues, and does not wait: as ever
        await done                                             # an event
        await aio.enqueue_copy(queue, array, buffer)
        await aio.finish(queue)
        async for result in aio.map(source, chunks, over=ctx, fill=np.empty_like): ...

All else of accelpool does not wait, and is called as ever. The loop is never blocked here. The end of a task
is the end of its wait: a request for a lease is withdrawn, a lease that nobody takes is given back. What was
enqueued goes on.
"""

from accelpool.aio.acquiring import Acquiring, acquire, release
from accelpool.aio.mapping import Results, map
from accelpool.aio.waiting import build, enqueue_copy, finish, wait_for_events

__all__ = [
    "Acquiring",
    "Results",
    "acquire",
    "build",
    "enqueue_copy",
    "finish",
    "map",
    "release",
    "wait_for_events",
]
