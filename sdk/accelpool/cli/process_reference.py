"""Which process is meant: its id and its start time, as ids are given again."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class ProcessReference(msgspec.Struct, frozen=True, kw_only=True):
    """One process.

    Attributes:
        pid: Its id.
        started: When it started, in clock ticks since the machine did.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessReference:
        """Return a reference to the process that has an id now.

        Raises:
            ProcessLookupError: There is none.
        """
        return cls(pid=pid, started=_started(pid))

    def open(self) -> int:
        """Return a descriptor of the process (pidfd), which becomes readable when it ends.

        Raises:
            ProcessLookupError: It has ended.
        """
        descriptor = os.pidfd_open(self.pid)
        try:
            if _started(self.pid) != self.started:
                raise ProcessLookupError(f"process {self.pid} is another one by now")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _started(pid: int) -> int:
    """Return the 22nd field of /proc/PID/stat (proc(5)); the second one may have blanks in it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(f"there is no process {pid}") from error
    return int(fields[19])
