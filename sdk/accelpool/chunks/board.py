"""Which chunk is whose turn: what the lanes of a `map` and who takes its results agree by.

No I/O: chunks are drawn by a thread or a task of an event loop, the lanes take them and give results back,
the one who iterates takes results. What each waits for, it may also ask without waiting, and be told of
changes. A chunk is drawn only if it is within `window` of what was given out, which bounds what is in memory,
however slow anybody is. The lock is held by nobody who draws one, which may take as long as it likes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from accelpool.errors import ChunkFailed


@dataclass(kw_only=True, eq=False)
class Task:
    """A chunk to be done.

    Attributes:
        index: Its number, from 0.
        chunk: What the caller gave.
        losses: What ended the sessions that had it.
    """

    index: int
    chunk: Any
    losses: list[Exception] = field(default_factory=list)


class Board:
    """Hands chunks to lanes and results to whoever iterates. Safe to use from several threads.

    Args:
        lanes: How many lanes there are.
        window: How many chunks may be drawn and not have been given out.
        is_ordered: Whether results come in the chunks' order, else as they are done.
        attempts: How many sessions may be lost over one chunk before it has failed.

    Attributes:
        done: How many chunks are done.
        on_change: Called at each change, with the lock held, in any thread: for who must not wait.
    """

    def __init__(self, *, lanes: int, window: int, is_ordered: bool, attempts: int) -> None:
        self.done: int = 0
        self.on_change: Callable[[], object] = lambda: None
        self._at_work = lanes
        self._lanes = lanes
        self._window = window
        self._is_ordered = is_ordered
        self._attempts = attempts
        self._changed = threading.Condition()
        self._waiting: deque[Task] = deque()
        self._results: dict[int, Any] = {}
        self._drawn = self._given = 0
        self._is_exhausted = self._is_stopped = False
        self._failure: BaseException | None = None

    def take(self, *, is_patient: bool) -> Task | None:
        """Return the next chunk to do, None if there is none: now, or with patience, any more."""
        with self._changed:
            while not self._is_stopped:
                if self._waiting:
                    return self._waiting.popleft()
                if not is_patient or (self._is_exhausted and self._given + len(self._results) >= self._drawn):
                    return None
                self._changed.wait()
            return None

    def room(self) -> bool | None:
        """Whether there is room for a chunk: None if not yet, False if none is wanted any more."""
        with self._changed:
            if self._is_stopped:
                return False
            return True if self._drawn - self._given < self._window else None

    def wait_for_room(self) -> bool:
        """Whether there is room for a chunk, once that is known."""
        with self._changed:
            while (is_wanted := self.room()) is None:
                self._changed.wait()
            return is_wanted

    def offer(self, chunk: Any) -> None:
        """Add a chunk, the next one, for which there is room."""
        with self._changed:
            self._waiting.append(Task(index=self._drawn, chunk=chunk))
            self._drawn += 1
            self._tell()

    def exhaust(self) -> None:
        """Note that there are no more chunks."""
        with self._changed:
            self._is_exhausted = True
            self._tell()

    def finish(self, task: Task, result: Any) -> None:
        """Note a result."""
        with self._changed:
            self._results[task.index] = result
            self.done += 1
            self._tell()

    def fail(self, task: Task | None, error: BaseException) -> None:
        """A chunk has failed, or before the first one all have: so does the whole."""
        with self._changed:
            self._fail(error if task is None else _failed(task, error))

    def lose(self, tasks: Iterable[Task], error: Exception) -> None:
        """A lane ends, as its session is over; others do what it had, if they may."""
        with self._changed:
            self._lanes -= 1
            for task in tasks:
                task.losses.append(error)
                if len(task.losses) >= self._attempts:
                    self._fail(_failed(task, error))
                self._waiting.appendleft(task)
            if not self._lanes:
                self._fail(error)
            self._tell()

    def result(self) -> tuple[Any, ...]:
        """Return the next result, in a tuple, once it is there; an empty one after the last.

        Raises:
            ChunkFailed: A chunk has failed.
        """
        with self._changed:
            while (found := self.ready()) is None:
                self._changed.wait()
            return found

    def ready(self) -> tuple[Any, ...] | None:
        """As `result`; None if it is not there yet."""
        with self._changed:
            index = self._given if self._is_ordered else next(iter(self._results), -1)
            if index in self._results:
                self._given += 1
                self._tell()
                return (self._results.pop(index),)
            if self._failure is not None:
                raise self._failure
            if self._is_stopped or (self._is_exhausted and self._given == self._drawn):
                return ()
            return None

    def leave(self) -> None:
        """Note that a lane has nothing under way any more, and does not begin anything."""
        with self._changed:
            self._at_work -= 1
            self._tell()

    def is_left(self) -> bool | None:
        """True once all lanes have left, None before."""
        with self._changed:
            return True if not self._at_work else None

    def stop(self) -> None:
        """Hand out nothing any more."""
        with self._changed:
            self._is_stopped = True
            self._tell()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._is_stopped = True
        self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        self.on_change()


def draw(board: Board, chunks: Iterable[Any]) -> None:
    """Draw chunks as there is room for them, until there are no more, in a thread of their own."""
    threading.Thread(
        target=_draw, args=(board, iter(chunks)), name="accelpool-map-chunks", daemon=True
    ).start()


def _draw(board: Board, chunks: Iterator[Any]) -> None:
    try:
        while board.wait_for_room():
            board.offer(next(chunks))
    except StopIteration:
        pass
    except BaseException as error:  # the caller's own, which he is told, not this thread
        board.fail(None, error)
    board.exhaust()


def _failed(task: Task, error: BaseException) -> ChunkFailed:
    failed = ChunkFailed(f"chunk {task.index}: {error}", task.index)
    failed.__cause__ = error
    return failed
