"""Every error of accelpool, under one root; `accelpool_wire.errors` draws the tree.

The OpenCL errors (`Error`, `LogicError`, `RuntimeError`, `MemoryError`) are also names of `accelpool` itself,
as they are of PyOpenCL.
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
    ProblemError,
    ProtocolError,
    QuotaExceeded,
    ReadError,
    RemoteProtocolError,
    RuntimeError,
    SessionLost,
    StaleEpoch,
    Timeout,
    TransportError,
    Unauthorized,
    Unavailable,
    Unsatisfiable,
    WriteError,
    error_for,
    problem,
)


class CompilerWarning(UserWarning):
    """A program was built, and the compiler had something to say."""


class CommandQueueUsedAfterExit(UserWarning):
    """A command queue was used after the end of its `with` block."""


class RepeatedKernelRetrieval(UserWarning):
    """Never given here, where getting a kernel again costs nothing; PyOpenCL warns with it."""


__all__ = [
    "PROBLEMS",
    "AccelpoolError",
    "CommandQueueUsedAfterExit",
    "CompilerWarning",
    "ComputeFailed",
    "Conflict",
    "ConnectError",
    "Error",
    "Forbidden",
    "FrameTooLarge",
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
    "TransportError",
    "Unauthorized",
    "Unavailable",
    "Unsatisfiable",
    "WriteError",
    "error_for",
    "problem",
]
