"""Which chunk is whose turn: what the lanes of a `map` and who takes its results agree by.

No I/O: a thread draws chunks, the lanes take them and give results back, the one who iterates takes results.
A chunk is drawn only if it is within `window` of what was given out, which bounds what is in memory, however
slow anybody is. The lock is held by nobody who draws one, which may take as long as it likes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
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
        chunks: All of them; drawn one by one, by `draw`.
        lanes: How many lanes there are.
        window: How many chunks may be drawn and not have been given out.
        is_ordered: Whether results come in the chunks' order, else as they are done.
        attempts: How many sessions may be lost over one chunk before it has failed.

    Attributes:
        done: How many chunks are done.
    """

    def __init__(
        self, chunks: Iterable[Any], *, lanes: int, window: int, is_ordered: bool, attempts: int
    ) -> None:
        self.done: int = 0
        self._chunks = enumerate(chunks)
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

    def draw(self) -> None:
        """Draw chunks as there is room for them, until there are no more; called in a thread of its own."""
        try:
            while self._has_room() and (drawn := next(self._chunks, None)) is not None:
                self._offer(*drawn)
        except BaseException as error:  # the caller's own, which he is told, not this thread
            self.fail(None, error)
        with self._changed:
            self._is_exhausted = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait until there is room for a chunk; False if none is wanted any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._drawn - self._given < self._window)
            return not self._is_stopped

    def _offer(self, index: int, chunk: Any) -> None:
        with self._changed:
            self._drawn += 1
            self._waiting.append(Task(index=index, chunk=chunk))
            self._changed.notify_all()

    def finish(self, task: Task, result: Any) -> None:
        """Note a result."""
        with self._changed:
            self._results[task.index] = result
            self.done += 1
            self._changed.notify_all()

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
            self._changed.notify_all()

    def result(self) -> tuple[Any, ...]:
        """Return the next result, in a tuple, once it is there; an empty one after the last.

        Raises:
            ChunkFailed: A chunk has failed.
        """
        with self._changed:
            while True:
                index = self._given if self._is_ordered else next(iter(self._results), -1)
                if index in self._results:
                    self._given += 1
                    self._changed.notify_all()
                    return (self._results.pop(index),)
                if self._failure is not None:
                    raise self._failure
                if self._is_stopped or (self._is_exhausted and self._given == self._drawn):
                    return ()
                self._changed.wait()

    def stop(self) -> None:
        """Hand out nothing any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._is_stopped = True
        self._changed.notify_all()


def _failed(task: Task, error: BaseException) -> ChunkFailed:
    failed = ChunkFailed(f"chunk {task.index}: {error}", task.index)
    failed.__cause__ = error
    return failed
