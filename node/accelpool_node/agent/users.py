"""Users for workers, where the agent is root: one for each that nobody else is.

They need no entry in any file. Whoever they are has to be able to read this Python, its packages and drivers,
which is tried: without that, workers stay root.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelpool_node.sandbox import paths
from accelpool_wire.errors import Invalid

AUTO, NONE = "auto", "none"
DEFAULT = range(1880000000, 1880001024)  # beyond what people, containers and systemd are given
LARGEST = (1 << 31) - 1
SHARED_DIR = 0o711  # whoever knows a name below gets there
TRIAL = "import sys; import accelpool_node.worker.session; [open(path).close() for path in sys.argv[1:]]"
TRIAL_LIMIT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Users:
    """Who workers may be.

    Attributes:
        numbers: Users, each with the group of its number; none to stay who the agent is.
        groups: What else they are in: the groups of the nodes of devices.
        why_none: Why there are none, where the agent is root.
    """

    numbers: Sequence[int] = ()
    groups: Sequence[int] = ()
    why_none: str = ""


def parse(text: str) -> Sequence[int] | None:
    """Return the users that an option names: "auto", "none", NAME, NUMBER or FIRST-LAST; None for auto.

    Raises:
        Invalid: It is none of these, there is no such user, or it is root.
    """
    if text in (AUTO, NONE):
        return None if text == AUTO else ()
    ends = text.split("-")
    if len(ends) <= 2 and all(end.isdecimal() for end in ends):
        users: Sequence[int] = range(int(ends[0]), int(ends[-1]) + 1)
    else:
        try:
            users = (pwd.getpwnam(text).pw_uid,)
        except KeyError:
            raise Invalid(f"--worker-user is NAME, NUMBER, FIRST-LAST, auto or none, not {text!r}") from None
    if not users or 0 in users or users[-1] > LARGEST:
        raise Invalid(f"--worker-user: {text!r} has no user, root, or one past {LARGEST}")
    return users


def shared_folder(state: Path) -> Path:
    """Return where children have their folders if they are other users: not below somebody's home."""
    return Path("/run/accelpool") / hashlib.sha256(bytes(state)).hexdigest()[:16]


def make_shared(folder: Path) -> None:
    """Make a folder in which others may reach what they know of.

    Raises:
        OSError: It cannot be made.
    """
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True)
        if path.stat().st_uid != os.geteuid() or path.is_symlink():
            raise PermissionError(f"{path} belongs to another user")
        path.chmod(SHARED_DIR)


def groups_of(nodes: Iterable[str]) -> list[int]:
    """Return the groups that may use nodes of devices, without root's."""
    return sorted({os.stat(path).st_gid for path in paths.found(nodes)} - {0})


def why_not(python: str, user: int, variables: Mapping[str, str], files: Sequence[str]) -> str:
    """Return why a user cannot run a Python with what workers need, "" if it can.

    Args:
        python: The interpreter.
        user: The user, and its group.
        variables: Its environment.
        files: What it has to be able to read.
    """
    try:
        done = subprocess.run(
            [python, "-P", "-c", TRIAL, *files],
            user=user,
            group=user,
            extra_groups=[],
            env=dict(variables),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_LIMIT_S,
        )
    except OSError as error:
        return f"user {user} cannot run {os.path.realpath(python)}: {error.strerror}"
    except subprocess.SubprocessError as error:
        return f"user {user} cannot run {python}: {error}"
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"user {user} cannot run {python}: {lines[-1] if lines else done.returncode}"
    return ""
