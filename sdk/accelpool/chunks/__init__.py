"""One kernel over many chunks of host data, on all devices of one or several leases at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from types import TracebackType
from typing import Any

from accelpool.build_options import Options
from accelpool.chunks.board import Board, Task
from accelpool.chunks.kernels import Call, ChunkKernel, Fill, LibraryChunkKernel, SourceKernel
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import ProblemError, TransportError
from accelpool.ndrange import Sizes
from accelpool.queue import CommandQueue
from accelpool_kernels import entry, names

WINDOWS = 2  # results that wait for their turn, for each chunk under way

Progress = Callable[[int, "int | None"], object]


class Results(Iterator[Any]):
    """The results of a `map`, to be iterated once; a context manager that lets the rest be."""

    def __init__(
        self, kernel: ChunkKernel, board: Board, lanes: Sequence[Lane], total: int | None, progress: Progress
    ) -> None:
        self._board = board
        self._total = total
        self._progress = progress
        self._told = 0
        self._threads = [
            threading.Thread(target=lane.run, args=(kernel, board), name="accelpool-map", daemon=True)
            for lane in lanes
        ]
        drawing = threading.Thread(target=board.draw, name="accelpool-map-chunks", daemon=True)
        for thread in (drawing, *self._threads):
            thread.start()

    def __next__(self) -> Any:
        try:
            found = self._board.result()
        except BaseException:
            self.close()
            raise
        if self._board.done != self._told:
            self._told = self._board.done
            self._progress(self._told, self._total)
        if not found:
            self.close()
            raise StopIteration
        return found[0]

    def close(self) -> None:
        """Begin no chunk any more, and wait for those that are under way; not for one that is still made."""
        self._board.stop()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        board = getattr(self, "_board", None)
        if board is not None:
            board.stop()


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


def map(
    kernel: str,
    chunks: Iterable[Any],
    *,
    over: Context | Sequence[Context],
    fill: Fill | None = None,
    global_size: Callable[[Any], Sizes] | None = None,
    name: str = "",
    options: Options = None,
    unordered: bool = False,
    attempts: int = 1,
    in_flight: int = 2,
    progress: Progress | None = None,
) -> Results:
    """Return the results of one kernel for many chunks, computed on all devices of some contexts at once.

    Each device takes the next chunk as soon as it has room for one, so that fast ones do more. At most three
    times `in_flight` chunks for each device are in memory, be it as what they are or as their results.

    Args:
        kernel: The name of a kernel of the library, or a program in OpenCL C.
        chunks: What to compute: for each chunk an array, or a tuple of arrays and numbers, the kernel's
            arguments; of the library's kernels those that it does not only fill. Drawn in a thread of their
            own, as there is room for them.
        over: The contexts; all of their devices are used.
        fill: For a program: returns for a chunk the array, or the tuple of arrays, C order, that the kernel
            fills; they are its last arguments, and the result.
        global_size: For a program: returns for a chunk the NDRange's size; None for as many work-items as the
            first of these arrays has elements.
        name: The kernel's name, of a program with several.
        options: The compiler's.
        unordered: Whether results come as they are done, instead of in the chunks' order.
        attempts: How many sessions may be lost over one chunk. With 2 or more it is computed anew on another
            device, in buffers of its own; what crashes one device's driver may then crash another's.
        in_flight: Chunks for each device at once; 2 let one travel while the other is computed.
        progress: Called with the number of chunks done and of all, None if `chunks` does not tell.

    Raises:
        ChunkFailed: When results are taken: a chunk failed, which one, and its error as the cause.
        Error: Likewise: the program does not build.
        TypeError, ValueError: An argument is not possible.
    """
    contexts = [over] if isinstance(over, Context) else list(over)
    if not contexts or attempts < 1 or in_flight < 1:
        raise ValueError("map: one context, one attempt, one chunk in flight are needed at least")
    called = _chunk_kernel(kernel, fill, name, global_size, options)
    lanes = [Lane(context, device, in_flight) for context in contexts for device in context.devices]
    board = Board(
        chunks,
        lanes=len(lanes),
        window=(1 + WINDOWS) * in_flight * len(lanes),
        is_ordered=not unordered,
        attempts=attempts,
    )
    total = len(chunks) if isinstance(chunks, Sized) else None
    return Results(called, board, lanes, total, progress or (lambda _done, _total: None))


def _chunk_kernel(
    kernel: str, fill: Fill | None, name: str, global_size: Callable[[Any], Sizes] | None, options: Options
) -> ChunkKernel:
    if kernel in names():
        if fill is not None or global_size is not None or name:
            raise TypeError(f"map: the library knows what {kernel} fills: no fill, global_size, name")
        return LibraryChunkKernel(entry(kernel))
    if fill is None:
        known = ", ".join(names())
        raise TypeError(f"map: fill is needed for a program; the library has {known}")
    return SourceKernel(kernel, name, fill, global_size, options)
