"""What memory of a context lives with, and which copies of other contexts it has to outlive."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from accelpool_node.backends.cuda.context import CudaContext
    from accelpool_node.backends.cuda.objects import CudaQueue
    from accelpool_node.backends.cuda.streams import Event

    Use: TypeAlias = tuple[CudaContext, Event]


class Owner:
    """What memory of a context lives with.

    Giving memory back waits for what its own context does with it, but not for another one's copies.

    Args:
        context: Its context.
    """

    def __init__(self, context: CudaContext) -> None:
        self._context = context
        self._elsewhere: deque[Use] = deque()

    def used_by(self, queue: CudaQueue) -> None:
        """Note that what is in another context's queue so far uses the memory, and forget what is over.

        The event is the owner's own: that of a command goes with it, and its queue with that.
        """
        while self._elsewhere and self._elsewhere[0][1].query():
            _give_back(self._elsewhere.popleft())
        done = queue.context.take_event()
        done.record(queue.stream)
        self._elsewhere.append((queue.context, done))

    def _end(self, end: Callable[[], None]) -> None:
        """Have the memory given back once no other context uses it."""
        self._context.leave_to(functools.partial(_end_after, self._elsewhere, end))


def _end_after(uses: Iterable[Use], end: Callable[[], None]) -> None:
    for use in uses:
        use[1].synchronize()
        _give_back(use)
    end()


def _give_back(use: Use) -> None:
    context, done = use
    context.give_event(done, is_timed=False)
