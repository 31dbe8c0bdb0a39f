"""Processes that see some folders empty: a node that has not what its clients have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

SCRIPT = """
while [ "$1" != -- ]; do mount -t tmpfs -o size=4k none "$1" || exit; shift; done
shift
exec "$@"
"""
LIMIT_S = 60


def hiding(folders: Sequence[str]) -> tuple[str, ...]:
    """Return what comes before a command that is to see these folders empty."""
    return ("unshare", "--mount", "sh", "-c", SCRIPT, "sh", *folders, "--")


def obstacle(folders: Sequence[str]) -> str:
    """Return why folders cannot be hidden here, "" if they can."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "only root can hide files, with unshare"
    done = subprocess.run([*hiding(folders), "true"], capture_output=True, text=True, timeout=LIMIT_S)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""
