"""REST compute: one data plane connection per lease, opened at its first call, closed at the lease's end.

It goes to the lease's first endpoint; the devices of the others are for clients of the data plane.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from accelpool_broker.services.access import Access
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.compute_session import ComputeSession
from accelpool_broker.services.endpoints import endpoints
from accelpool_broker.services.leases import Leases
from accelpool_broker.services.pool import Pool
from accelpool_wire import errors
from accelpool_wire.client import Connection
from accelpool_wire.codes import ErrorCode, error_name

INSUFFICIENT_STORAGE = 507
PREFIX = re.compile(r"^command \d+ \(\w+\): ")  # the worker names the command; a caller of REST knows
OPEN_TIMEOUT_S = 15.0

log = logging.getLogger(__name__)


class Compute:
    """The compute sessions of a broker.

    Args:
        pool: The pool.
        leases: Its leases.
        access: Signs the lease tokens.
        open_connection: As `Connection.open`.
    """

    def __init__(
        self,
        pool: Pool,
        leases: Leases,
        access: Access,
        open_connection: Callable[..., Connection] = Connection.open,
    ) -> None:
        self.open_connection = open_connection
        self._pool = pool
        self._leases = leases
        self._access = access
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._sessions: dict[str, ComputeSession] = {}
        self._waits = threading.Semaphore(pool.settings.max_sessions)
        pool.on_end.append(self.close)
        pool.meter.sessions.set_function(lambda: len(self._sessions))

    @contextmanager
    def session(self, lease_id: str, caller: Caller) -> Iterator[ComputeSession]:
        """Give the session of an active lease, opened now if there is none; errors come out as problems.

        Raises:
            ProblemError: The lease is not active, or not the caller's; or its node does not answer; or the
                call failed.
        """
        self._leases.active(lease_id, caller)
        try:
            with translated():
                yield self._get(lease_id, caller)
        except errors.SessionLost:
            self._leases.active(lease_id, caller)  # that the lease has ended meanwhile says more
            raise

    @contextmanager
    def may_wait(self, wait_s: float) -> Iterator[float]:
        """Give how long a call may wait for a launch: nothing if too many calls wait already."""
        if wait_s <= 0 or not self._waits.acquire(blocking=False):
            yield 0.0
            return
        try:
            yield wait_s
        finally:
            self._waits.release()

    def close(self, lease_id: str) -> None:
        """End a lease's session, if it has one, without waiting for it."""
        with self._lock:
            session = self._sessions.pop(lease_id, None)
            self._opening.pop(lease_id, None)
        if session is not None:
            threading.Thread(target=session.close, name=f"close-{lease_id}", daemon=True).start()

    def close_all(self) -> None:
        """End all sessions."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()

    def _get(self, lease_id: str, caller: Caller) -> ComputeSession:
        with self._lock:
            session = self._sessions.get(lease_id)
            opening = self._opening.setdefault(lease_id, threading.Lock())
        if session is not None and session.is_open:
            return session
        with opening:
            return self._open(lease_id, caller)

    def _open(self, lease_id: str, caller: Caller) -> ComputeSession:
        with self._lock:
            session = self._sessions.get(lease_id)
            if session is not None and session.is_open:
                return session
            self._sessions.pop(lease_id, None)
            if len(self._sessions) >= self._pool.settings.max_sessions:
                raise errors.QuotaExceeded(
                    f"the broker relays for at most {self._pool.settings.max_sessions} leases at once"
                )
        opened = self._connect(lease_id, caller)
        with self._lock:
            self._sessions[lease_id] = opened
        try:
            self._leases.active(lease_id, caller)  # it may have ended meanwhile
        except errors.ProblemError:
            self.close(lease_id)
            raise
        return opened

    def _connect(self, lease_id: str, caller: Caller) -> ComputeSession:
        endpoint = endpoints(self._leases.active(lease_id, caller), self._access)[0]
        try:
            connection = self.open_connection(
                (endpoint.host, endpoint.port),
                endpoint.token,
                certificate_sha256=endpoint.certificate_sha256,
                client="the broker's REST compute",
                timeout_s=OPEN_TIMEOUT_S,
            )
        except (errors.Unauthorized, errors.TransportError) as error:
            raise errors.Unavailable(f"node {endpoint.node} opened no session: {error}") from error
        log.info("lease %s: session %s opened on node %s", lease_id, connection.session, endpoint.node)
        return ComputeSession(connection, self._pool.settings.compute_timeout_s)


@contextmanager
def translated() -> Iterator[None]:
    """Let the errors of the data plane come out as problems."""
    try:
        yield
    except errors.Error as error:
        raise _of_opencl(error) from error
    except errors.FrameTooLarge as error:
        raise errors.Invalid(f"too large for the data plane: {error}") from error
    except errors.Timeout as error:
        raise errors.Unavailable(f"the node did not answer in time: {error}") from error
    except (errors.TransportError, errors.ProtocolError) as error:
        raise errors.SessionLost(f"the session broke: {error}") from error


def _of_opencl(error: errors.Error) -> errors.ComputeFailed:
    members: dict[str, Any] = {
        "routine": error.routine,
        "code": error.code,
        "name": error_name(error.code),
    }
    if error.code == ErrorCode.BUILD_PROGRAM_FAILURE:
        members["build_log"] = PREFIX.sub("", error.what)
    problem = errors.ComputeFailed(str(error), **members)
    if error.is_out_of_memory():
        problem.status = INSUFFICIENT_STORAGE
    return problem
