"""The sessions of the node: opened on warm workers, watched, ended, and remembered for whoever asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping

from accelpool_node import control
from accelpool_node.agent.activity import Activity
from accelpool_node.agent.builders import Builder
from accelpool_node.agent.dialing import Dialer
from accelpool_node.agent.handshake import Admission
from accelpool_node.agent.outcomes import SUSPICIOUS, Outcome, Session, conclude, describe_traffic
from accelpool_node.agent.settings import Settings
from accelpool_node.agent.shares import Shares
from accelpool_node.agent.tally import Tally
from accelpool_node.agent.visitor import Visitor
from accelpool_node.agent.warm_pool import WarmPool
from accelpool_node.agent.workers import Worker
from accelpool_node.drivers import CUDA
from accelpool_node.mps import thread_percentage
from accelpool_wire.errors import NotFound, ProblemError, QuotaExceeded, Unavailable, problem

log = logging.getLogger(__name__)

MAX_OUTCOMES = 1024
MAX_ATTEMPTS = 3


class Sessions:
    """All sessions of the node.

    Args:
        settings: Limits.
        pools: Warm workers by driver environment.
        builders: The builders by driver environment.
        check: Called with an admission right before its session opens; raises if its lease has ended.
        on_change: Called when a session has begun.
        on_end: Called with the session and how it ended, when it has.
        on_loaded: Called when a session has loaded a device with a binary.
        shares: The ledgers of the devices.
        activity: Told how long sessions had commands on devices.
        tally: Told what sessions have done.
    """

    def __init__(
        self,
        settings: Settings,
        pools: Mapping[str, WarmPool],
        builders: Mapping[str, Builder],
        *,
        check: Callable[[Admission], None],
        on_change: Callable[[], None],
        on_end: Callable[[Session, Outcome], None],
        on_loaded: Callable[[Session, control.Loaded], None] = lambda _session, _loaded: None,
        shares: Shares | None = None,
        activity: Activity | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.running: dict[str, Session] = {}
        self._settings = settings
        self._pools = pools
        self._builders = builders
        self._check = check
        self._on_change = on_change
        self._on_end = on_end
        self._on_loaded = on_loaded
        self._shares = shares or Shares()
        self._activity = activity or Activity()
        self._tally = tally or Tally()
        self._opening: Counter[str] = Counter()
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()

    async def open(self, admission: Admission, frame: bytes, client: Visitor) -> Session:
        """Hand a client to a warm worker.

        Raises:
            QuotaExceeded: Its lease has as many sessions as it may have.
            Unavailable: There is no worker.
            LeaseExpired, LeaseRevoked, StaleEpoch: The lease ended while waiting for one.
        """
        lease = admission.claims.lease
        limit = self._settings.sessions_per_lease
        if self._opening[lease] + sum(session.lease == lease for session in self.running.values()) >= limit:
            raise QuotaExceeded(f"lease {lease} has {limit} sessions on this node, which is the limit")
        self._opening[lease] += 1
        try:
            for _ in range(MAX_ATTEMPTS):
                worker = await self._pools[admission.environment].take()
                secret = client.new_secret()
                session = self._begin(worker, admission, frame, client, secret)
                if session and await self._is_served(session):
                    with contextlib.suppress(OSError):  # the worker sees, too, that the client is gone
                        client.hand_over(worker.certificate_sha256, secret)
                    self._builders[admission.environment].start()
                    return session
        finally:
            self._opening -= Counter({lease: 1})
        raise Unavailable("workers die before they can serve; see the node's log")

    def _begin(
        self, worker: Worker, admission: Admission, frame: bytes, client: Visitor, secret: bytes
    ) -> Session | None:
        """Have a worker serve a client; None if the worker is dead.

        Raises:
            Unavailable, LeaseExpired, LeaseRevoked, StaleEpoch: It is not to be served.
        """
        now = time.monotonic()
        try:
            self._check(admission)
            seats = self._shares.seat(admission)
        except ProblemError:
            worker.kill()
            raise
        session = Session(
            id=f"ses_{secrets.token_urlsafe(9)}",
            admission=admission,
            worker=worker,
            started_at=time.time(),
            opened_at=now,
            heard_at=now,
            seats=seats,
            dialer=Dialer(worker, admission.claims.peers),
        )
        worker.serves(session.id, session.lease)
        order = control.Serve(
            session=session.id,
            shares=[seat.share for seat in seats],
            hello=frame,
            peers=admission.claims.peers,
            secret=secret,
            thread_percentage=self._thread_percentage(admission),
        )
        try:
            client.stream.setblocking(True)
            worker.bound(sum(seat.share.memory_bytes for seat in seats))
            worker.send(order, (client.stream.fileno(), *(seat.descriptor for seat in seats)))
        except OSError:
            worker.kill()
            self._shares.leave(seats)
            return None
        worker.on_message = lambda _, message: self._heard(session, message)
        worker.on_end = lambda _: self._over(session)
        self.running[session.id] = session
        self._activity.begin(session.lease, now)
        self._tally.begun[admission.environment] += 1
        self._watch(session)
        told = (session.id, session.lease, worker.pid)
        log.info("session %s of lease %s runs in worker %d", *told, extra=session.fields)
        self._on_change()
        return session

    def _thread_percentage(self, admission: Admission) -> int | None:
        """Return what MPS is told of a session; it is one number for all its devices."""
        if not self._settings.mps_pipe or admission.environment != CUDA:
            return None
        return thread_percentage(min((claim.compute for claim in admission.claims.shares), default=1.0))

    def deliver(self, id: str, frame: bytes, sender: Visitor) -> None:
        """Hand another node's connection to the worker of a session.

        Raises:
            NotFound: No such session takes it; which there are is not told.
        """
        session = self.running.get(id)
        if session is None or not session.has_begun or session.told is not None:
            raise NotFound(control.NOBODY_AWAITS)
        secret = sender.new_secret()
        try:
            session.worker.send(control.Delivery(frame, secret), (sender.stream.fileno(),))
        except OSError as error:
            told = (session.worker.pid, error)
            log.warning("worker %d takes no delivery: %s", *told, extra=session.fields)
            raise NotFound(control.NOBODY_AWAITS) from error
        sender.hand_over(session.worker.certificate_sha256, secret)

    async def _is_served(self, session: Session) -> bool:
        """Whether the worker took its client over; one that hangs, or died of something, does not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.begin_limit_s):
                await session.settled.wait()
        if not session.settled.is_set():
            self._condemn(session, f"it did not begin within {self._settings.begin_limit_s:g} s")
            await session.over.wait()  # from here on it can say nothing to the client any more
        return session.has_begun

    def end_lease(self, lease: str, why: ProblemError) -> None:
        """End all sessions of a lease."""
        for session in tuple(self.running.values()):
            if session.lease == lease:
                self.end(session, why)

    def end(self, session: Session, why: ProblemError) -> None:
        """Have a worker tell its client why and exit; kill it if it does not."""
        if session.told is not None:
            return
        session.told = why
        try:
            session.worker.send(control.End(problem=why.type, detail=why.detail))
        except OSError:
            session.worker.kill()
        else:
            asyncio.get_running_loop().call_later(self._settings.end_limit_s, session.worker.kill)

    async def answer(self, id: str, lease: str) -> ProblemError:
        """Return what to tell a client that asks what became of a session of its lease."""
        session = self.running.get(id)
        if session is not None and session.lease == lease:
            try:
                async with asyncio.timeout(self._settings.query_limit_s):
                    await session.over.wait()
            except TimeoutError:
                return Unavailable(f"session {id} is still running")
        outcome = self._outcomes.get(id)
        if outcome is None or outcome.lease != lease:
            return NotFound(
                f"this node knows of no session {id} of lease {lease}: its agent may have restarted"
            )
        return problem(outcome.problem, outcome.detail)

    def _heard(self, session: Session, message: control.ToAgent) -> None:
        session.heard_at = time.monotonic()
        session.has_begun = True
        session.settled.set()
        if isinstance(message, (control.Alive, control.Ended)):
            self._tally.hear(session.traffic, message.traffic)
            session.traffic = message.traffic
            self._activity.hear(session.lease, session.id, message.worked_s, session.heard_at)
        if isinstance(message, control.Alive):
            session.may_be_silent = message.may_be_silent
        if isinstance(message, control.Ended):
            session.last_word = message
            asyncio.get_running_loop().call_later(self._settings.end_limit_s, session.worker.kill)
        elif isinstance(message, control.Alive) and message.busy_s > self._settings.command_limit_s:
            self._condemn(session, f"a command ran longer than {self._settings.command_limit_s:g} s")
        elif isinstance(message, control.Loaded):
            self._on_loaded(session, message)
        elif isinstance(message, control.WantBuilder):
            self._connect_builder(session)
        elif isinstance(message, control.Dial) and session.dialer is not None:
            session.dialer.dial(message)

    def _connect_builder(self, session: Session) -> None:
        """Give a worker a connection to the builder, one per life of that, or say that there is none."""
        builder = self._builders[session.admission.environment]
        connection = builder.connect() if session.builder != builder.pid or not builder.pid else None
        try:
            if connection is None:
                session.worker.send(control.Builder())
                return
            with connection:
                session.worker.send(control.Builder(), (connection.fileno(),))
            session.builder = builder.pid
        except OSError:
            return  # the worker is gone, or does not listen: it waits no longer than it wants to

    def _watch(self, session: Session) -> None:
        """Kill the worker if it has been silent too long, else look again when that could next be."""
        if session.over.is_set():
            return
        hang_limit_s = self._settings.hang_limit_s
        limit_s = self._settings.command_limit_s if session.may_be_silent else hang_limit_s
        left_s = session.heard_at + limit_s - time.monotonic()
        if left_s <= 0:
            self._condemn(session, f"its worker gave no sign of life for {limit_s:g} s")
        else:
            asyncio.get_running_loop().call_later(min(left_s, hang_limit_s), self._watch, session)

    def _condemn(self, session: Session, verdict: str) -> None:
        if session.last_word is None:
            session.verdict = session.verdict or verdict
        session.worker.kill()

    def _over(self, session: Session) -> None:
        """Take note that a session's process has ended."""
        outcome = conclude(session)
        log.log(
            logging.WARNING if outcome.cause in SUSPICIOUS else logging.INFO,
            "session of lease %s is over (%s): %s; %s",
            outcome.lease,
            outcome.cause,
            outcome.detail,
            describe_traffic(session.traffic),
            extra=session.fields,
        )
        del self.running[session.id]
        if session.dialer is not None:
            session.dialer.close()
        self._shares.leave(session.seats)
        self._activity.end(session.id)
        self._tally.ended[session.admission.environment, outcome.cause] += 1
        self._outcomes[session.id] = outcome
        while len(self._outcomes) > MAX_OUTCOMES:
            self._outcomes.popitem(last=False)
        session.over.set()
        session.settled.set()
        if session.builder:
            self._builders[session.admission.environment].ask_counts()
        self._on_end(session, outcome)
