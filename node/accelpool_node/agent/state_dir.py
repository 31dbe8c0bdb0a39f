"""The agent's directory: what survives it, so that its successor can clean up.

    DIR/              0700
    agent.lock        locked while an agent runs; its process id
    token             0600, the node's token, which it got by a join token
    token.new         the same before the broker has said yes
    children/PID      one for each child process: a `ChildRecord` in JSON
    drivers/          see `accelpool_node.drivers`
    work/NUMBER/      where a child may write, as long as it lives

A process is a predecessor's child only if its id, its start time, this boot of the machine and its whole
command line are those on record: a process id alone may have been given to somebody else.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import select
import signal
from pathlib import Path
from types import TracebackType

import msgspec

from accelpool_wire.errors import Conflict, Invalid
from accelpool_wire.private_file import PRIVATE_DIR, PRIVATE_FILE

log = logging.getLogger(__name__)

TOKEN, NEW_TOKEN = "token", "token.new"
TOKEN_PREFIX, TOKEN_BYTES = "apn", 32
START_TIME = 22 - 3  # field 22 of /proc/PID/stat, counted after the command's name
STRAY_LIMIT_S = 5.0


class ChildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What identifies a process beyond its id.

    Attributes:
        boot: The machine's boot, as the kernel names it.
        start_ticks: When the process started, in clock ticks since then.
        command: Its command line.
    """

    boot: str
    start_ticks: int
    command: list[str]


class StateDir:
    """An agent's directory, locked while the context is entered.

    Args:
        path: Made for its owner only if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._children = self.path / "children"
        self._boot = ""
        self._lock = -1

    def __enter__(self) -> StateDir:
        self._prepare()
        self._lock = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise Conflict(f"another agent (process {holder or 'unknown'}) runs with {self.path}") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def _prepare(self) -> None:
        try:
            self._children.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            if self.path.stat().st_uid != os.getuid():
                raise Invalid(f"{self.path} belongs to another user")
            self.path.chmod(PRIVATE_DIR)
            self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError as error:
            raise Invalid(f"{self.path} cannot be the state directory: {error.strerror}") from error

    def token(self) -> str:
        """Return the node's token, "" if it has none yet.

        Raises:
            Invalid: It cannot be read.
        """
        try:
            return (self.path / TOKEN).read_text("ascii").strip()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise Invalid(f"{self.path / TOKEN} cannot be read: {error}") from error

    def new_token(self) -> str:
        """Return a secret to be the node's token: the same until it is kept, so that it may be sent again.

        Raises:
            Invalid: It cannot be written.
        """
        file = self.path / NEW_TOKEN
        try:
            if not file.exists() or not file.read_text("ascii").strip():
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
                with open(descriptor, "w", encoding="ascii") as stream:
                    stream.write(f"{TOKEN_PREFIX}_{secrets.token_urlsafe(TOKEN_BYTES)}\n")
            return file.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise Invalid(f"{file} cannot be written: {error}") from error

    def keep_token(self) -> None:
        """Make the new token the node's, which the broker knows now."""
        (self.path / NEW_TOKEN).replace(self.path / TOKEN)

    def add_child(self, pid: int, command: list[str]) -> None:
        """Record a child process that was just started.

        Args:
            pid: Its process id.
            command: Its command line; it may not have it yet.
        """
        found = read_process(pid, self._boot)
        if found is not None:
            record = msgspec.structs.replace(found, command=command)
            (self._children / str(pid)).write_bytes(msgspec.json.encode(record))

    def remove_child(self, pid: int) -> None:
        """Forget a child process that is gone."""
        (self._children / str(pid)).unlink(missing_ok=True)

    def kill_strays(self) -> list[int]:
        """Kill what is left of a predecessor's children, wait for their end, and return their ids."""
        strays = []
        for file in sorted(self._children.iterdir()):
            pid = int(file.name) if file.name.isascii() and file.name.isdigit() else 0
            if pid and self._kill_stray(pid, _read_record(file)):
                strays.append(pid)
            file.unlink(missing_ok=True)
        return strays

    def _kill_stray(self, pid: int, record: ChildRecord | None) -> bool:
        try:
            process = os.pidfd_open(pid)  # from here on the id cannot come to mean another process
        except OSError:
            return False
        try:
            if record is None or not _is_same(record, read_process(pid, self._boot)):
                return False
            signal.pidfd_send_signal(process, signal.SIGKILL)
            if not _has_ended(process, STRAY_LIMIT_S):
                log.error("stray worker %d does not end", pid)
            return True
        except OSError:
            return False
        finally:
            os.close(process)


def read_process(pid: int, boot: str) -> ChildRecord | None:
    """Return what identifies a process now, or None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        command = Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:
        return None
    return ChildRecord(boot=boot, start_ticks=start_ticks(stat), command=command.split("\0")[:-1])


def _is_same(record: ChildRecord, found: ChildRecord | None) -> bool:
    """Whether a process is the recorded one."""
    return record == found


def start_ticks(stat: str) -> int:
    """Return the start time from the text of /proc/PID/stat.

    Source: proc_pid_stat(5); the command's name in parentheses may itself hold spaces and parentheses.
    """
    return int(stat.rpartition(")")[2].split()[START_TIME])


def _read_record(file: Path) -> ChildRecord | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=ChildRecord)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def _has_ended(process: int, limit_s: float) -> bool:
    poller = select.poll()
    poller.register(process, select.POLLIN)
    return bool(poller.poll(limit_s * 1000))
