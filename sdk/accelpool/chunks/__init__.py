"""One kernel over many chunks of host data, on all devices of one or several leases at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from accelpool.build_options import Options
from accelpool.chunks.board import draw
from accelpool.chunks.kernels import Fill
from accelpool.chunks.lane import start
from accelpool.chunks.plan import Plan, Progress, plan
from accelpool.context import Context
from accelpool.ndrange import Sizes


class Results(Iterator[Any]):
    """The results of a `map`, to be iterated once; a context manager that lets the rest be."""

    def __init__(self, planned: Plan, chunks: Iterable[Any]) -> None:
        self._plan = planned
        self._board = planned.board
        draw(planned.board, chunks)
        self._threads = start(planned.lanes, planned.kernel, planned.board)

    def __next__(self) -> Any:
        try:
            found = self._board.result()
        except BaseException:
            self.close()
            raise
        self._plan.tell()
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
    planned = plan(
        kernel,
        chunks,
        over=over,
        fill=fill,
        global_size=global_size,
        name=name,
        options=options,
        unordered=unordered,
        attempts=attempts,
        in_flight=in_flight,
        progress=progress,
    )
    return Results(planned, chunks)
