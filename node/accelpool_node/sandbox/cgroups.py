"""Control groups (cgroup v2): what a child and all that it starts have together, bounded by the kernel.

    DIR/            delegated to the agent, which has it alone
    DIR/agent/      the agent, if it was in DIR: who bounds groups within must have no process of its own
    DIR/child-N/    a child; it is there before it loads anything, and cannot leave

A group that bounds nothing still ends whole: no process escapes it, as one may its process group.

Source: Documentation/admin-guide/cgroup-v2.rst of Linux 6.18; proc_pid_mountinfo(5); cgroups(7).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelpool_node.sandbox import limits

CONTROLLERS = ("memory", "pids")
AGENT, CHILD, TRIAL = "agent", "child-", "child-trial"
PROCESSES, AVAILABLE, ENABLED, KILL = (
    "cgroup.procs",
    "cgroup.controllers",
    "cgroup.subtree_control",
    "cgroup.kill",
)
LOADED_BYTES = 512 << 20  # code, page tables and what else is counted here, and not as private memory
ENTER = 'echo 0 > "$0" && exec "$@"'  # 0 is whoever writes it
TRIAL_LIMIT_S, END_LIMIT_S, LOOK_S = 10.0, 5.0, 0.01


@dataclass(frozen=True, kw_only=True)
class Group:
    """A child's group.

    Attributes:
        path: Its directory.
        bounds: What it bounds, of `CONTROLLERS`.
    """

    path: Path
    bounds: Sequence[str] = ()

    @property
    def enter(self) -> list[str]:
        """The command that enters it and becomes the command behind it, in the same process."""
        return ["/bin/sh", "-c", ENTER, str(self.path / PROCESSES)]

    def bound(self, share_bytes: int) -> None:
        """Let its processes have so much memory together, besides what drivers need, and so many threads.

        Raises:
            OSError: The kernel refuses.
        """
        if "memory" in self.bounds:
            (self.path / "memory.max").write_text(str(most_bytes(share_bytes)))
            if (self.path / "memory.swap.max").exists():
                (self.path / "memory.swap.max").write_text("0")
        if "pids" in self.bounds:
            (self.path / "pids.max").write_text(str(limits.MAX_PROCESSES))

    def kill(self) -> None:
        """Kill all that is in it."""
        with contextlib.suppress(OSError):
            if (self.path / KILL).exists():
                (self.path / KILL).write_text("1")
                return
            for pid in map(int, (self.path / PROCESSES).read_text().split()):
                if pid > 0:  # 0 is one that cannot be seen from here, and would be this one's own group
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Kill what is left in it, and remove it.

        Raises:
            OSError: Something in it does not end.
        """
        until = time.monotonic() + END_LIMIT_S
        while True:
            self.kill()
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > until:
                    raise
                time.sleep(LOOK_S)
            else:
                return


class Groups:
    """A delegated directory, locked while the context is entered: the groups in it are the agent's.

    Args:
        path: The directory.

    Attributes:
        bounds: What groups in it bound, of `CONTROLLERS`.
        missing: What they do not bound, and why; "" if they bound all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bounds: list[str] = []
        self.missing = ""
        self._lock = -1

    def __enter__(self) -> Groups:
        for name in (PROCESSES, AVAILABLE):
            if not (self.path / name).exists():
                raise FileNotFoundError(errno.ENOENT, f"it is no cgroup v2 directory: it has no {name}")
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._prepare()
        except BlockingIOError:
            os.close(self._lock)
            raise PermissionError(errno.EBUSY, "another agent has it") from None
        except OSError:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a child that does not end is in the way
            self._give_back()
        os.close(self._lock)

    def _give_back(self) -> None:
        """Leave the directory as it was: whoever comes next may be put into it again."""
        if is_own(self.path / AGENT):
            (self.path / ENABLED).write_text(" ".join(f"-{name}" for name in self.bounds))
            (self.path / PROCESSES).write_text("0")
            (self.path / AGENT).rmdir()

    def _prepare(self) -> None:
        """Remove what an earlier agent left, make way, and try whether a process can be put into a group."""
        for left in self.path.glob(f"{CHILD}*"):
            Group(path=left).remove()
        if is_own(self.path) and is_limited(self.path):
            (self.path / AGENT).mkdir(exist_ok=True)
            (self.path / AGENT / PROCESSES).write_text("0")
        why = {name: why for name in CONTROLLERS if (why := self._enable(name))}
        self.bounds = [name for name in CONTROLLERS if name not in why]
        self.missing = ", ".join(f"no bound of {name} ({reason})" for name, reason in why.items())
        self._try()

    def _enable(self, name: str) -> str:
        """Have groups in this one bound something; return why not, or ""."""
        if name not in (self.path / AVAILABLE).read_text().split():
            return f"{self.path} has no such controller"
        if name in (self.path / ENABLED).read_text().split():
            return ""
        try:
            (self.path / ENABLED).write_text(f"+{name}")
        except OSError as error:
            others = error.errno == errno.EBUSY
            return f"{self.path} has other processes in it" if others else str(error.strerror)
        return ""

    def _try(self) -> None:
        group = self.make(TRIAL)
        try:
            command = [*group.enter, "/bin/sh", "-c", ":"]
            run = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(errno.ETIMEDOUT, "a process that was to enter a group hangs") from error
        finally:
            group.remove()
        if run.returncode:
            said = run.stderr.decode("utf-8", "replace").strip()
            raise PermissionError(errno.EPERM, f"a process cannot be put into a group there: {said}")

    def make(self, name: str) -> Group:
        """Make a group, whose processes have no share of any device yet.

        Raises:
            OSError: It is there, or cannot be made.
        """
        group = Group(path=self.path / name, bounds=tuple(self.bounds))
        group.path.mkdir()
        try:
            group.bound(0)
        except OSError:
            group.remove()
            raise
        return group


def most_bytes(share_bytes: int) -> int:
    """Return how much memory a group may have: a little more than where its processes' own limit is.

    Args:
        share_bytes: What its session may allocate on its devices.
    """
    return share_bytes + limits.slack_bytes() + LOADED_BYTES


def is_limited(path: Path) -> bool:
    """Whether a group cannot have processes and bound groups within: all but the first of a machine."""
    return (path / "cgroup.type").exists()


def own(process: Path = Path("/proc/self")) -> Path:
    """Return the directory of the group that a process is in.

    Raises:
        OSError: There is none, or it cannot be seen from here.
    """
    mounts = (line.split() for line in (process / "mountinfo").read_text().splitlines())
    found = [mount for mount in mounts if mount[mount.index("-") + 1] == "cgroup2"]
    lines = (process / "cgroup").read_text().splitlines()
    groups = [line.removeprefix("0::") for line in lines if line.startswith("0::")]
    for mount in found:
        root, at = mount[3], mount[4]
        for group in groups:
            if os.path.commonpath([root, group]) == root:
                return Path(at, os.path.relpath(group, root))
    raise FileNotFoundError(errno.ENOENT, "there is no cgroup v2 here")


def is_own(path: Path) -> bool:
    """Whether this process is in a group."""
    try:
        return own() == path
    except OSError:
        return False


def delegated() -> Path:
    """Return the directory that the agent's own groups may be in, as a service manager has put it there.

    Raises:
        OSError: There is none.
    """
    group = own()
    group = group.parent if group.name == AGENT else group
    if not os.access(group / PROCESSES, os.W_OK) or not os.access(group, os.W_OK):
        raise PermissionError(errno.EACCES, f"{group} is not the agent's to write in")
    return group


def name_of_own() -> str:
    """Return the name of this process's group, "" if it is in none or in the first one."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((os.path.basename(line[3:]) for line in lines if line.startswith("0::")), "")
