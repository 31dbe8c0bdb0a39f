"""What one device does of a `map`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from accelpool.chunks.board import Board, Task
from accelpool.chunks.kernels import Call, ChunkKernel
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import ProblemError, TransportError
from accelpool.queue import CommandQueue


class Lane:
    """One device, and the chunks that are under way on it: as one is computed, the next one travels."""

    def __init__(self, context: Context, device: Device, in_flight: int) -> None:
        self._context = context
        self._device = device
        self._in_flight = in_flight
        self._under_way: deque[tuple[Task, Call | None]] = deque()

    def run(self, kernel: ChunkKernel, board: Board) -> None:
        """Do chunks until there are no more; nothing is raised, but noted on the board."""
        try:
            kernel.prepare(self._context)
            self._run(kernel, board, CommandQueue(self._context, self._device))
        except (ProblemError, TransportError) as error:  # the session is over
            board.lose([task for task, _ in self._under_way], error)
        except Exception as error:  # of the kernel, or of a chunk that is none
            board.fail(self._under_way[0][0] if self._under_way else None, error)
        finally:
            board.leave()

    def _run(self, kernel: ChunkKernel, board: Board, queue: CommandQueue) -> None:
        while True:
            task = board.take(is_patient=not self._under_way)
            if task is not None:
                self._begin(kernel, queue, task)
            elif not self._under_way:
                return
            if task is None or len(self._under_way) >= self._in_flight:
                done, call = self._under_way[0]
                assert call is not None
                board.finish(done, call.wait())
                self._under_way.popleft()

    def _begin(self, kernel: ChunkKernel, queue: CommandQueue, task: Task) -> None:
        self._under_way.append((task, None))  # so that it is this one's failure, or is not lost
        try:
            call = kernel.call(queue, task.chunk)
        except ProblemError:
            raise
        except Exception:
            self._under_way.rotate(1)  # it is the one that failed, not the first
            raise
        self._under_way[-1] = (task, call)


def start(lanes: Sequence[Lane], kernel: ChunkKernel, board: Board) -> list[threading.Thread]:
    """Return the threads of lanes, one for each, which are at it."""
    threads = [
        threading.Thread(target=lane.run, args=(kernel, board), name="accelpool-map", daemon=True)
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    return threads
