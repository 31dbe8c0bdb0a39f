"""How a command ends: its exit code, and one line that says why.

code  meaning
0     done
1     it failed: the pool or a device refused, a check did not pass
2     wrong usage, or it cannot start (a port is taken)
3     no pool is known, or no broker or node could be reached
4     no token, or one that the broker does not accept; a login that failed
5     packages are missing; the message has the command that installs them
123   the lease was lost while a command ran under it, and the command failed
124   no lease was granted within the time allowed
125   no device of the pool could ever satisfy the request
126   the command to run cannot be run
127   there is no such command to run
130   interrupted
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

from accelpool.errors import (
    AccelpoolError,
    Error,
    Forbidden,
    LeaseExpired,
    LeaseLost,
    LeaseRevoked,
    LeaseTimeout,
    ProblemError,
    TransportError,
    Unauthorized,
    Unsatisfiable,
)
from accelpool_wire.logs import printable


class ExitCode(IntEnum):
    """What a command's exit code means."""

    DONE = 0
    FAILED = 1
    CANNOT_START = 2
    UNREACHABLE = 3
    UNAUTHORIZED = 4
    NOT_INSTALLED = 5
    LEASE_LOST = 123
    LEASE_TIMEOUT = 124
    UNSATISFIABLE = 125
    CANNOT_RUN = 126
    NO_COMMAND = 127
    INTERRUPTED = 130


class CommandFailed(AccelpoolError):
    """A command cannot go on, for a reason of its own.

    Attributes:
        exit_code: What the command exits with.
        kind: The reason's name, for programs.
    """

    exit_code = ExitCode.FAILED
    kind = "failed"


class StartFailed(CommandFailed):
    """A process of the pool did not start."""

    exit_code = ExitCode.CANNOT_START
    kind = "cannot-start"


class LoginFailed(CommandFailed):
    """An issuer lets nobody in, or there is none."""

    exit_code = ExitCode.UNAUTHORIZED
    kind = "login-failed"


class NoPool(CommandFailed):
    """Nothing says which pool to ask."""

    exit_code = ExitCode.UNREACHABLE
    kind = "no-pool"


class NotInstalled(CommandFailed):
    """Packages of an extra, or the native driver, are missing."""

    exit_code = ExitCode.NOT_INSTALLED
    kind = "not-installed"


class CannotRun(CommandFailed):
    """The command to run under a lease cannot be run."""

    exit_code = ExitCode.CANNOT_RUN
    kind = "cannot-run"


class NoCommand(CannotRun):
    """There is no such command to run under a lease."""

    exit_code = ExitCode.NO_COMMAND
    kind = "no-command"


MEMBER = re.compile(r"(?<!\S)json\.([a-z_]+)(?:\.\d+)?:")  # as the broker's errors begin
OPTIONS = {"scopes": "scope", "tenants": "tenant", "lifetime_s": "minutes", "quota_devices": "devices"}
ARGUMENTS = {"url": "ADDRESS"}  # which are no options

OF_LEASES: dict[type[AccelpoolError], ExitCode] = {
    LeaseTimeout: ExitCode.LEASE_TIMEOUT,
    Unsatisfiable: ExitCode.UNSATISFIABLE,
    LeaseExpired: ExitCode.LEASE_LOST,
    LeaseLost: ExitCode.LEASE_LOST,
    LeaseRevoked: ExitCode.LEASE_LOST,
}


def exit_code(error: AccelpoolError) -> ExitCode:
    """Return what a command exits with after an error."""
    if isinstance(error, CommandFailed):
        return error.exit_code
    if isinstance(error, TransportError):
        return ExitCode.UNREACHABLE
    if isinstance(error, (Unauthorized, Forbidden)):
        return ExitCode.UNAUTHORIZED
    return OF_LEASES.get(type(error), ExitCode.FAILED)


def describe(error: AccelpoolError) -> dict[str, Any]:
    """Return an error as a JSON object: its type, its detail, its request's id, an OpenCL error's code."""
    found: dict[str, Any] = {"type": _name(error), "detail": one_line(error)}
    if isinstance(error, ProblemError) and error.request_id:
        found["request_id"] = error.request_id
    if isinstance(error, Error):
        found |= {"routine": error.routine, "code": error.code}
    return found


def last_words(error: AccelpoolError) -> str:
    """Return what a command says of an error that ends it: one line, with the id of the request."""
    id = isinstance(error, ProblemError) and error.request_id
    return f"{one_line(error)} (request {id})" if id else one_line(error)


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line; what the broker says of a member, of the option for it.

    It may quote names that others chose: nothing that a terminal would obey is left in it.
    """
    return MEMBER.sub(_option, printable(" ".join(str(error).split()))) or type(error).__name__


def _option(member: re.Match[str]) -> str:
    name = OPTIONS.get(member[1]) or member[1].removesuffix("_s").replace("_", "-")
    return f"{ARGUMENTS.get(name) or f'--{name}'}:"


def _name(error: AccelpoolError) -> str:
    if isinstance(error, CommandFailed):
        return error.kind
    if isinstance(error, ProblemError):
        return error.type
    if isinstance(error, TransportError):
        return "unreachable"
    return "opencl" if isinstance(error, Error) else "protocol"
