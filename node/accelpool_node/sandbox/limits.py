"""Resource limits of a confined process, and of each that it starts."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from accelpool_node.sandbox.policy import User

MAX_FILE_BYTES = 256 << 20  # of one file
MAX_PROCESSES = 4096  # threads, too; of a user of its own
MAX_USER_PROCESSES = 4 * MAX_PROCESSES  # of an ordinary user, with all else that is this user's
LEAST_SLACK_BYTES, MOST_SLACK_BYTES = 2 << 30, 8 << 30
NONE = (
    resource.RLIMIT_CORE,  # a client's data
    resource.RLIMIT_MSGQUEUE,
    resource.RLIMIT_RTPRIO,
    resource.RLIMIT_NICE,
)


def set_limits(user: User) -> None:
    """Limit this process.

    Args:
        user: Who it is: processes are counted by user, and root's are not bounded.
    """
    for kind in NONE:
        resource.setrlimit(kind, (0, 0))
    lower(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    lower(resource.RLIMIT_NPROC, MAX_PROCESSES if user is User.OWN else MAX_USER_PROCESSES)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower(resource.RLIMIT_NOFILE, soft)


def bound_memory(share_bytes: int) -> None:
    """Let this process take no more memory than its share of a CPU, besides what the driver needs.

    Only private memory is counted: `confine` refuses to share any.

    Args:
        share_bytes: What its session may allocate on its devices.
    """
    lower(resource.RLIMIT_DATA, _data_bytes() + share_bytes + slack_bytes())


def slack_bytes() -> int:
    """Return how much memory a session may have for its driver: a quarter of the machine's, within limits."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(total // 4, LEAST_SLACK_BYTES), MOST_SLACK_BYTES)


def lower(kind: int, most: int) -> None:
    """Set a limit for good, unless it is lower already."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _data_bytes() -> int:
    """Return how much private memory this process has.

    Source: proc_pid_status(5), VmData.
    """
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) << 10
