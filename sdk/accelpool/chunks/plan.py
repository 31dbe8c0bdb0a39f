"""What a `map` has to do, before anything is begun: the same for whoever blocks and for event loops."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack

from accelpool.build_options import Options
from accelpool.chunks.board import Board
from accelpool.chunks.kernels import ChunkKernel, Fill, LibraryChunkKernel, SourceKernel
from accelpool.chunks.lane import Lane
from accelpool.context import Context
from accelpool.ndrange import Sizes
from accelpool_kernels import entry, names

WINDOWS = 2  # results that wait for their turn, for each chunk under way

Progress = Callable[[int, "int | None"], object]


class MapOptions(TypedDict, total=False):
    """What `map` takes by name; its docstring tells of each."""

    over: Required[Context | Sequence[Context]]
    fill: Fill | None
    global_size: Callable[[Any], Sizes] | None
    name: str
    options: Options
    unordered: bool
    attempts: int
    in_flight: int
    progress: Progress | None


@dataclass(kw_only=True, eq=False)
class Plan:
    """A `map` that nobody has begun.

    Attributes:
        kernel: What is called for each chunk.
        lanes: One for each device.
        board: What they agree by.
        total: How many chunks there are, None if they do not tell.
        progress: Who is told how many are done.
    """

    kernel: ChunkKernel
    lanes: Sequence[Lane]
    board: Board
    total: int | None
    progress: Progress | None
    _told: int = 0

    def tell(self) -> None:
        """Tell how many chunks are done, if that has changed."""
        if self.progress is not None and self.board.done != self._told:
            self._told = self.board.done
            self.progress(self._told, self.total)


def plan(kernel: str, chunks: object, **options: Unpack[MapOptions]) -> Plan:
    """Return what a `map` has to do.

    Raises:
        TypeError, ValueError: An argument is not possible.
    """
    over, attempts, in_flight = options["over"], options.get("attempts", 1), options.get("in_flight", 2)
    contexts = [over] if isinstance(over, Context) else _contexts(over)
    if not isinstance(chunks, (Iterable, AsyncIterable)):
        raise TypeError(f"map: chunks is an iterable of arrays, or of tuples of arguments, not {chunks!r}")
    if not contexts or attempts < 1 or in_flight < 1:
        raise ValueError("map: one context, one attempt, one chunk in flight are needed at least")
    lanes = [Lane(context, device, in_flight) for context in contexts for device in context.devices]
    board = Board(
        lanes=len(lanes),
        window=(1 + WINDOWS) * in_flight * len(lanes),
        is_ordered=not options.get("unordered", False),
        attempts=attempts,
    )
    return Plan(
        kernel=_chunk_kernel(kernel, options),
        lanes=lanes,
        board=board,
        total=len(chunks) if isinstance(chunks, Sized) else None,
        progress=options.get("progress"),
    )


def _contexts(over: object) -> list[Context]:
    given = list(over) if isinstance(over, Iterable) else [over]
    contexts = [each for each in given if isinstance(each, Context)]
    if len(contexts) == len(given):
        return contexts
    raise TypeError(f"map: over is a Context, or a list of some, not {over!r}; `accelpool.acquire` has one")


def _chunk_kernel(kernel: str, options: MapOptions) -> ChunkKernel:
    fill, size, name = options.get("fill"), options.get("global_size"), options.get("name", "")
    if not isinstance(kernel, str):
        raise TypeError(f"map: kernel is the name of one of the library, or OpenCL C, not {kernel!r}")
    if kernel in names():
        if fill is not None or size is not None or name:
            raise TypeError(f"map: the library knows what {kernel} fills: no fill, global_size, name")
        return LibraryChunkKernel(entry(kernel))
    known = ", ".join(names())
    if kernel.isidentifier():
        raise TypeError(f"map: no kernel {kernel!r} in the library; there are {known}")
    if fill is None:
        raise TypeError(f"map: fill is needed for a program; the library has {known}")
    if not callable(fill):
        what = "of a chunk that returns what is to be filled, such as numpy.empty_like"
        raise TypeError(f"map: fill is a function {what}, not of type {type(fill).__name__}")
    return SourceKernel(kernel, name, fill, size, options.get("options"))
