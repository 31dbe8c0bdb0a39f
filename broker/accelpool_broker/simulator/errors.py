"""Why a simulation cannot be done.

SimulatorError
├─ TraceError         a line of the trace is malformed; which one, which field, and what was expected
├─ NeverServed        a job asks for what the simulated pool does not have
├─ NoProgress         a job is preempted again and again
└─ PlottingMissing    the packages that draw plots are not installed
"""

from __future__ import annotations

from accelpool_wire.errors import AccelpoolError
from accelpool_wire.installation import install_command


class SimulatorError(AccelpoolError):
    """A simulation cannot be done."""

    kind = "simulation"


class TraceError(SimulatorError):
    """A trace is malformed.

    Attributes:
        line: The line's number, from 1; 0 for the trace as a whole.
        field: The job's field, "" for the line as a whole.
    """

    kind = "trace"

    def __init__(self, detail: str, *, line: int = 0, field: str = "") -> None:
        self.line = line
        self.field = field
        where = [f"line {line}" if line else "the trace", *([field] if field else [])]
        super().__init__(f"{', '.join(where)}: {detail}")


class NeverServed(SimulatorError):
    """A job asks for what the simulated pool does not have."""

    kind = "never-served"


class NoProgress(SimulatorError):
    """A job is preempted again and again: under these rules the trace may never come to its end."""

    kind = "no-progress"


class PlottingMissing(SimulatorError):
    """The packages that draw plots are not installed."""

    kind = "not-installed"

    def __init__(self) -> None:
        super().__init__(
            "--plot needs packages that are not installed (matplotlib); "
            f"install them with: {install_command('plots')}"
        )
