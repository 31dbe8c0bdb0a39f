"""What a session talks through: a connection to one node, or one that stands for several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from accelpool.errors import ProblemError
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead
from accelpool_wire.inbox import Waits
from accelpool_wire.pending import PendingRead

AnyReply = TypeVar("AnyReply", bound=m.Message)
Bulk = bytes | bytearray | memoryview


class ConnectionStats(Protocol):
    """What a connection has cost so far."""

    @property
    def round_trips(self) -> int:
        """How often somebody waited for a worker."""
        ...

    @property
    def waited_s(self) -> float:
        """Seconds spent so."""
        ...

    @property
    def network_s(self) -> float:
        """Seconds of these that the network took, at least, as far as the system knows."""
        ...

    @property
    def bytes_sent(self) -> int:
        """Bytes sent to the workers."""
        ...

    @property
    def bytes_received(self) -> int:
        """Bytes received from them."""
        ...

    @property
    def by_call(self) -> Mapping[str, Waits]:
        """How often, and how long, for which call."""
        ...


class SessionConnection(Protocol):
    """The part of `accelpool_wire.client.Connection` that the SDK uses; what each does is said there."""

    @property
    def devices(self) -> Sequence[m.Device]:
        """The session's devices, in the order in which its messages number them."""
        ...

    @property
    def features(self) -> Collection[str]:
        """What all ends have beyond the protocol's version."""
        ...

    @property
    def limits(self) -> m.Limits:
        """What is accepted at most."""
        ...

    @property
    def stats(self) -> ConnectionStats:
        """What it has cost so far."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known without asking."""
        ...

    def new_handle(self) -> int:
        """Return a handle that the session has not used."""
        ...

    def release(self, handle: int) -> None:
        """Give a handle back, some time soon."""
        ...

    def post(self, message: m.Message, payload: Bulk | None = None) -> int:
        """Send a command and await nothing."""
        ...

    def ask(self, message: m.Message, answer: type[AnyReply], timeout_s: float | None = None) -> AnyReply:
        """Send a synchronous command and return its answer."""
        ...

    def read(self, message: AnyRead, into: memoryview) -> PendingRead:
        """Start a read whose bytes go straight to their place."""
        ...

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries."""
        ...

    def watch(self, events: Iterable[int]) -> None:
        """Ask to be told when events are complete, without waiting."""
        ...

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended."""
        ...

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended if that is known here, without asking."""
        ...

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call `callback` once the event is complete or failed."""
        ...

    @property
    def can_send(self) -> bool:
        """Whether a small message would leave at once."""
        ...

    def tell(self, event: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once the event has ended, or the session; return what takes that back."""
        ...

    def flush(self) -> None:
        """Send what is gathered."""
        ...

    def close(self) -> None:
        """End the session and everything in it."""
        ...

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: leave the session to the other process."""
        ...
