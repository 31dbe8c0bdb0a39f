"""How long a session has commands on its devices: sampled, so that commands pay nothing for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from accelpool_node.worker.completion import Completion
from accelpool_node.worker.gates import gate_of
from accelpool_node.worker.objects import QueueObject

LEAST_S = 1e-3  # for commands that were begun and ended between two samples


class Activity:
    """Adds up the time from sample to sample.

    Args:
        completion: Knows how far commands are.
        clock: A monotonic clock, in seconds.

    Attributes:
        worked_s: How long there was something on the devices, so far.
    """

    def __init__(self, completion: Completion, clock: Callable[[], float]) -> None:
        self.worked_s = 0.0
        self._completion = completion
        self._clock = clock
        self._sampled_at = clock()
        self._newest = 0

    def sample(self, queues: Iterable[QueueObject]) -> None:
        """Count the time since the last sample if a command is on a device now, or a little if one was since.

        What waits for a user event that is not set is on no device.
        """
        now, known = self._clock(), list(queues)
        elapsed_s, self._sampled_at = now - self._sampled_at, now
        newest = max((queue.newest_command for queue in known), default=0)
        if any(self._is_on_device(queue.newest) for queue in known):
            self.worked_s += elapsed_s
        elif newest > self._newest:
            self.worked_s += min(elapsed_s, LEAST_S)
        self._newest = max(newest, self._newest)

    def _is_on_device(self, event: object) -> bool:
        return event is not None and gate_of(event) is None and self._completion.status(event) > 0
