"""A session that runs, and how one ended. No I/O.

Why a session is over is decided once its process has ended:

    the agent killed it as hung                  hung
    the agent told it to end                     ended, with the problem it was told
    the worker said why                          goodbye, disconnected or refused
    anything else                                crashed, with the signal or the exit status
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from accelpool_node import control
from accelpool_node.agent.dialing import Dialer
from accelpool_node.agent.handshake import Admission
from accelpool_node.agent.shares import Seat
from accelpool_node.agent.workers import Worker
from accelpool_wire.errors import ProblemError, SessionLost

CRASHED, HUNG = "crashed", "hung"
MAX_DETAIL = 2000
SUSPICIOUS = frozenset({CRASHED, HUNG})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a session ended.

    Attributes:
        id: The session's.
        lease: Its lease's id.
        cause: One of `control.Cause`, `CRASHED`, `HUNG`.
        problem: The name of the problem that a client is told who asks.
        detail: What happened, for people.
    """

    id: str
    lease: str
    cause: str
    problem: str
    detail: str


@dataclass(kw_only=True)
class Session:
    """A session that runs.

    Attributes:
        id: Known to its client, the broker and the logs.
        admission: Its lease's claims and its devices.
        worker: The process that executes it.
        started_at: Seconds since the Unix epoch.
        opened_at: The same instant on the monotonic clock.
        heard_at: When the worker was last heard of, on the monotonic clock.
        may_be_silent: Whether the worker has said that it may not be heard of for a while.
        seats: Its places in the ledgers of its devices.
        traffic: The bytes that it has moved, as last heard.
        last_word: What the worker said of the end.
        told: What the agent told the worker to end with.
        verdict: Why the agent killed it as hung.
        over: Set once the process has ended.
        settled: Set once the worker has taken its client over, or its process has ended without.
        has_begun: Whether the worker has taken its client over.
        builder: The process id of the builder that it has a connection to, or 0.
        dialer: Makes its connections to other nodes.
    """

    id: str
    admission: Admission
    worker: Worker
    started_at: float
    opened_at: float
    heard_at: float
    may_be_silent: bool = False
    seats: list[Seat] = field(default_factory=list)
    traffic: control.Traffic = field(default_factory=control.Traffic)
    last_word: control.Ended | None = None
    told: ProblemError | None = None
    verdict: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    has_begun: bool = False
    builder: int = 0
    dialer: Dialer | None = None

    @property
    def lease(self) -> str:
        """Its lease's id."""
        return self.admission.claims.lease

    @property
    def fields(self) -> dict[str, str]:
        """Its fields in the log."""
        return {"session": self.id, "lease": self.lease}


def conclude(session: Session) -> Outcome:
    """Return how a session ended, from what is known of it."""
    word, told, worker = session.last_word, session.told, session.worker
    type = SessionLost.type
    if session.verdict:
        cause, detail = HUNG, f"worker {worker.pid} of session {session.id} was killed: {session.verdict}"
    elif told is not None:
        cause, type, detail = control.Cause.ENDED, told.type, told.detail
    elif word is not None:
        because = f": {word.detail}" if word.detail else ""
        cause, detail = word.cause, f"session {session.id} ended ({word.cause}{because})"
    else:
        cause, detail = CRASHED, f"worker {worker.pid} of session {session.id} {worker.ending}"
    return Outcome(id=session.id, lease=session.lease, cause=cause, problem=type, detail=detail[:MAX_DETAIL])


def describe_traffic(traffic: control.Traffic) -> str:
    """Return in words how many bytes a session has moved."""
    return (
        f"{traffic.from_client} bytes came from its client and {traffic.to_client} went there, "
        f"{traffic.from_peers} came from other nodes and {traffic.to_peers} went there"
    )
