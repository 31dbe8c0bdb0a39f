"""Every error that accelpool raises, under one root.

AccelpoolError
├─ ProtocolError                 a peer broke the rules of the data plane
│   ├─ LocalProtocolError        ... we did: a bug or a misuse on this side
│   ├─ RemoteProtocolError       ... the other side did
│   └─ FrameTooLarge             a frame is over the limit agreed in the handshake
├─ TransportError                the network or a socket failed
│   ├─ ConnectError              nobody answered at the address
│   ├─ InsecureEndpoint          a node does no TLS, though its broker does
│   ├─ ReadError, WriteError     the connection broke while receiving or sending
│   └─ Timeout                   no answer within the time allowed
├─ ProblemError                  the pool said no (RFC 9457 problem details)
│   ├─ Unauthorized, Forbidden   no token, a wrong one, or one of too small a scope
│   ├─ Invalid                   the request is malformed or out of range
│   ├─ NotFound, LeaseNotFound   no such thing, or not yours to see
│   ├─ Conflict                  the thing's state does not allow this now
│   ├─ PreconditionFailed        the thing is not as the request says that it must be
│   ├─ Unsatisfiable             no device of the pool could ever satisfy the request
│   ├─ QuotaExceeded             over a limit of the tenant or of the service
│   ├─ TooManyRequests           the token sends more per second than it may; try again later
│   ├─ LeaseExpired, LeaseRevoked, LeaseLost    the lease ended, and how
│   ├─ LeaseTimeout              the lease was not granted within the time the caller allowed
│   ├─ StaleEpoch                the token is of an earlier grant of the device
│   ├─ EventsGone                the events after a number are no longer kept
│   ├─ SessionLost               the session's worker, node or connection is gone
│   ├─ ComputeFailed             an OpenCL error of a REST compute call, with its code
│   └─ Unavailable               the broker or a node cannot answer now; try again later
└─ Error                         OpenCL's own errors, PyOpenCL's split
    ├─ LogicError                the call was wrong: codes <= CL_INVALID_VALUE (-30)
    ├─ RuntimeError              the device failed: codes -1 to -29
    └─ MemoryError               CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)
"""

from __future__ import annotations

from typing import Any

from accelpool_wire.codes import ErrorCode, error_name
from accelpool_wire.request_id import WELL_FORMED

PROBLEM_BASE = "https://accelpool.dev/problems/"


class AccelpoolError(Exception):
    """The root of all errors of accelpool."""


class ProtocolError(AccelpoolError):
    """A peer broke the rules of the data plane."""


class LocalProtocolError(ProtocolError):
    """This side broke the rules: nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The other side broke the rules: the connection is of no further use."""


class FrameTooLarge(ProtocolError):
    """A frame's body or payload is over the limit agreed in the handshake."""


class TransportError(AccelpoolError):
    """The network or a socket failed."""


class ConnectError(TransportError):
    """Nobody answered at the address."""


class InsecureEndpoint(TransportError):
    """A node would be spoken to in the clear, though its broker is spoken to over TLS: nothing was said."""


class ReadError(TransportError):
    """The connection broke, or was closed, while receiving."""


class WriteError(TransportError):
    """The connection broke, or was closed, while sending."""


class Timeout(TransportError):
    """No answer came within the time allowed."""


class ProblemError(AccelpoolError):
    """The pool said no, with RFC 9457 problem details.

    Attributes:
        type: The problem's name, the last part of its URI: stable, meant for programs.
        title: The same in a few words, for people.
        status: The HTTP status code that belongs to it.
        detail: What happened here: what, which one, and what was expected.
        instance: The path of the thing it is about, or "".
        members: Extension members: facts for programs.
    """

    type: str = "problem"
    title: str = "The pool refused"
    status: int = 500

    def __init__(self, detail: str, *, instance: str = "", **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.instance = instance
        self.members = members

    @property
    def request_id(self) -> str:
        """The id of the request that was refused, to be found in the broker's log; "" if there is none."""
        said = self.members.get("request_id")
        return said if isinstance(said, str) and WELL_FORMED.fullmatch(said) else ""

    @property
    def uri(self) -> str:
        """The problem's stable URI."""
        return PROBLEM_BASE + self.type


class Unauthorized(ProblemError):
    """There is no token, or nobody knows it."""

    type = "unauthorized"
    title = "A valid token is needed"
    status = 401


class Forbidden(ProblemError):
    """The token is known, but its scope does not allow this."""

    type = "forbidden"
    title = "The token's scope does not allow this"
    status = 403


class Invalid(ProblemError):
    """The request is malformed or out of range; the same request can never succeed."""

    type = "invalid"
    title = "The request is not valid"
    status = 422


class NotFound(ProblemError):
    """There is no such thing, or it is not the caller's to see."""

    type = "not-found"
    title = "There is no such thing"
    status = 404


class LeaseNotFound(NotFound):
    """There is no such lease, or it is not the caller's to see."""

    type = "lease-not-found"
    title = "There is no such lease"
    status = 404


class Conflict(ProblemError):
    """The thing's present state does not allow this."""

    type = "conflict"
    title = "The present state does not allow this"
    status = 409


class PreconditionFailed(ProblemError):
    """The thing is not, or no longer, as the request's If-Match or If-None-Match says that it must be."""

    type = "precondition-failed"
    title = "It has changed meanwhile"
    status = 412


class Unsatisfiable(ProblemError):
    """No device of the pool could ever satisfy the request; `members` says why, per device."""

    type = "unsatisfiable"
    title = "No device could ever satisfy the request"
    status = 422


class QuotaExceeded(ProblemError):
    """The request is over a limit of the tenant or of the service."""

    type = "quota-exceeded"
    title = "Over a limit"
    status = 429


class TooManyRequests(ProblemError):
    """The token sends more requests per second than it may: this one was not carried out."""

    type = "too-many-requests"
    title = "Too many requests"
    status = 429


class LeaseExpired(ProblemError):
    """The lease was not renewed in time."""

    type = "lease-expired"
    title = "The lease has expired"
    status = 410


class LeaseRevoked(ProblemError):
    """The lease was released, or taken back by the pool."""

    type = "lease-revoked"
    title = "The lease has ended"
    status = 410


class LeaseLost(ProblemError):
    """The lease ended because its node is gone."""

    type = "lease-lost"
    title = "The lease's node is gone"
    status = 410


class LeaseTimeout(ProblemError):
    """The lease was not granted within the time that the caller allowed."""

    type = "lease-timeout"
    title = "Not granted in time"
    status = 504


class StaleEpoch(ProblemError):
    """The lease token belongs to an earlier grant of the device."""

    type = "stale-epoch"
    title = "The token is of an earlier grant"
    status = 410


class EventsGone(ProblemError):
    """Events after the number from which to go on are no longer kept: some were missed."""

    type = "events-gone"
    title = "These events are no longer kept"
    status = 410


class SessionLost(ProblemError):
    """The session's worker, node or connection is gone, and with it the session's objects."""

    type = "session-lost"
    title = "The session is gone"
    status = 410


class ComputeFailed(ProblemError):
    """OpenCL refused a REST compute call; `members` has its `routine` and `code`."""

    type = "compute-failed"
    title = "OpenCL refused the call"
    status = 422


class Unavailable(ProblemError):
    """The broker or a node cannot answer now; trying again later may succeed."""

    type = "unavailable"
    title = "Not available now"
    status = 503


PROBLEMS: dict[str, type[ProblemError]] = {
    problem.type: problem
    for problem in (
        Unauthorized, Forbidden, Invalid, NotFound, LeaseNotFound, Conflict, PreconditionFailed,
        Unsatisfiable, QuotaExceeded, TooManyRequests, LeaseExpired, LeaseRevoked, LeaseLost,
        LeaseTimeout, StaleEpoch, EventsGone, SessionLost, ComputeFailed, Unavailable,
    )
}  # fmt: skip


def problem(type: str, detail: str, **members: Any) -> ProblemError:
    """Return the typed error for a problem's name; an unknown name gives a plain `ProblemError`."""
    found = PROBLEMS.get(type.removeprefix(PROBLEM_BASE))
    if found is not None:
        return found(detail, **members)
    error = ProblemError(detail, **members)
    error.type = type
    return error


class Error(AccelpoolError):
    """OpenCL's own error.

    Attributes:
        routine: The OpenCL function that failed, such as "clBuildProgram".
        code: OpenCL's error code, a negative int.
        what: What failed and why, for people.
    """

    def __init__(self, routine: str, code: int, what: str = "") -> None:
        message = f"{routine} failed: {error_name(code)}"
        super().__init__(f"{message} - {what}" if what else message)
        self.routine = routine
        self.code = code
        self.what = what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.routine, self.code, self.what), self.__dict__

    def is_out_of_memory(self) -> bool:
        """Whether the code is one of OpenCL's three ways to say that memory is short."""
        return self.code in (
            ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE,
            ErrorCode.OUT_OF_RESOURCES,
            ErrorCode.OUT_OF_HOST_MEMORY,
        )


class LogicError(Error):
    """The call was wrong."""


class RuntimeError(Error):
    """The device failed at run time, or a program did not build."""


class MemoryError(Error):
    """The device has no room for a memory object, or the lease's share has not."""


def error_for(routine: str, code: int, what: str = "") -> Error:
    """Return the OpenCL error of the class that PyOpenCL raises for `code`."""
    if code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE:
        return MemoryError(routine, code, what)
    if code <= ErrorCode.INVALID_VALUE:
        return LogicError(routine, code, what)
    if code < ErrorCode.SUCCESS:
        return RuntimeError(routine, code, what)
    return Error(routine, code, what)
