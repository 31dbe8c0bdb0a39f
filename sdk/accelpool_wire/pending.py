"""What a client waits for: answers, reads and events. The inbox fills them in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from accelpool_wire import messages as m
from accelpool_wire.errors import error_for


class Waiting(Protocol):
    """Waits until something is so, or tells when it is."""

    def wait_until(
        self, is_ready: Callable[[], bool], timeout_s: float | None = None, call: str = "other"
    ) -> None:
        """Return once it is so."""
        ...

    def tell(self, awaited: Awaited, callback: Callable[[], None], call: str) -> Callable[[], None]:
        """Call a function once something has come; return what takes that back."""
        ...


class Awaited:
    """What somebody waits for.

    Attributes:
        is_listened: Whether somebody who does not block wants to be told: see `listener.py`.
    """

    __slots__ = ("is_listened",)

    is_listened: bool

    @property
    def is_done(self) -> bool:
        """Whether it has come."""
        raise NotImplementedError


class PendingAnswer(Awaited):
    """The answer to a synchronous command, and the payload that came with it, if one was wanted."""

    __slots__ = ("answer", "content")

    def __init__(self) -> None:
        self.is_listened = False
        self.answer: m.Reply | None = None
        self.content: memoryview = memoryview(b"")

    @property
    def is_done(self) -> bool:
        """Whether it is there: of a read, whether the bytes are in place, or it has failed."""
        return self.answer is not None

    def result(self) -> m.Reply:
        """Return the answer, once it is there.

        Raises:
            Error: The answer is a failure.
        """
        answer = self.answer
        if isinstance(answer, m.Failed):
            raise error_for(answer.routine, answer.code, answer.what)
        assert answer is not None
        return answer


class Once:
    """Does something when it is first called; whoever calls meanwhile or later waits until it is done."""

    __slots__ = ("_do", "_lock")

    def __init__(self, do: Callable[[], None]) -> None:
        self._do: Callable[[], None] | None = do
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Do it, unless it is done."""
        with self._lock:
            if self._do is not None:
                self._do()
                self._do = None


class PendingRead(PendingAnswer):
    """A read under way: its bytes are in place once `is_done`.

    Attributes:
        into: Their place.
        then: What is to be done with them before anybody's `wait` returns, or None.
    """

    __slots__ = ("_inbox", "into", "then")

    def __init__(self, inbox: Waiting, into: memoryview) -> None:
        super().__init__()
        self._inbox = inbox
        self.into: memoryview = into
        self.then: Once | None = None

    def tell(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have a function called, from some thread, once `wait` has nothing to wait for: as `Inbox.tell`."""
        return self._inbox.tell(self, callback, "Read")

    def wait(self, timeout_s: float | None = None) -> m.Data:
        """Wait until the bytes are in place.

        Raises:
            Error: The read failed, or a command before it did.
            SessionLost: The session ended.
            Timeout: Not in place within `timeout_s` seconds; they may still come.
        """
        self._inbox.wait_until(lambda: self.answer is not None, timeout_s, "Read")
        data = self.result()
        assert isinstance(data, m.Data)
        if self.then is not None:
            self.then()
        return data


class WatchedEvent(Awaited):
    """An event that the worker was asked to report: `done` once it has."""

    __slots__ = ("done", "is_released")

    def __init__(self) -> None:
        self.is_listened = False
        self.done: m.EventDone | None = None
        self.is_released: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it has been reported."""
        return self.done is not None
