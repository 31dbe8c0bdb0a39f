"""Every error of accelpool, under one root; `accelpool_wire.errors` draws the tree.

The OpenCL errors (`Error`, `LogicError`, `RuntimeError`, `MemoryError`) are also names of `accelpool` itself,
as they are of PyOpenCL. Here is where users find the wire's errors, so that is what tracebacks call them.
"""

from __future__ import annotations

from accelpool_wire.errors import (
    PROBLEMS,
    AccelpoolError,
    ComputeFailed,
    Conflict,
    ConnectError,
    Error,
    Forbidden,
    FrameTooLarge,
    InsecureEndpoint,
    Invalid,
    LeaseExpired,
    LeaseLost,
    LeaseNotFound,
    LeaseRevoked,
    LeaseTimeout,
    LocalProtocolError,
    LogicError,
    MemoryError,
    NotFound,
    PreconditionFailed,
    ProblemError,
    ProtocolError,
    QuotaExceeded,
    ReadError,
    RemoteProtocolError,
    RuntimeError,
    SessionLost,
    StaleEpoch,
    Timeout,
    TooManyRequests,
    TransportError,
    Unauthorized,
    Unavailable,
    Unsatisfiable,
    WriteError,
    error_for,
    problem,
)


class ChunkFailed(AccelpoolError):
    """A chunk of a `map` failed; its own error is the cause.

    Attributes:
        index: The chunk's number, from 0.
    """

    def __init__(self, what: str, index: int) -> None:
        super().__init__(what, index)
        self.index = index

    def __str__(self) -> str:
        return str(self.args[0])


class ParkingError(AccelpoolError):
    """A lease was not parked, or a parked one not taken up again, and why: what was, stays as it is."""


class CompilerWarning(UserWarning):
    """A program was built, and the compiler had something to say."""


class CommandQueueUsedAfterExit(UserWarning):
    """A command queue was used after the end of its `with` block."""


class RepeatedKernelRetrieval(UserWarning):
    """Never given here, where getting a kernel again costs nothing; PyOpenCL warns with it."""


class PerformanceWarning(UserWarning):
    """Most of a program's time went by on the way to its devices, in round trips; once for each lease."""


for _found in list(vars().values()):
    if isinstance(_found, type) and issubclass(_found, AccelpoolError):
        _found.__module__ = __name__

__all__ = [
    "PROBLEMS",
    "AccelpoolError",
    "ChunkFailed",
    "CommandQueueUsedAfterExit",
    "CompilerWarning",
    "ComputeFailed",
    "Conflict",
    "ConnectError",
    "Error",
    "Forbidden",
    "FrameTooLarge",
    "InsecureEndpoint",
    "Invalid",
    "LeaseExpired",
    "LeaseLost",
    "LeaseNotFound",
    "LeaseRevoked",
    "LeaseTimeout",
    "LocalProtocolError",
    "LogicError",
    "MemoryError",
    "NotFound",
    "ParkingError",
    "PerformanceWarning",
    "PreconditionFailed",
    "ProblemError",
    "ProtocolError",
    "QuotaExceeded",
    "ReadError",
    "RemoteProtocolError",
    "RepeatedKernelRetrieval",
    "RuntimeError",
    "SessionLost",
    "StaleEpoch",
    "Timeout",
    "TooManyRequests",
    "TransportError",
    "Unauthorized",
    "Unavailable",
    "Unsatisfiable",
    "WriteError",
    "error_for",
    "problem",
]
