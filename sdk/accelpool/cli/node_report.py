"""What an agent finds on this machine: `python -m accelpool_node --discover`, which needs no broker.

The agent tries each driver in processes of its own, so whatever crashes there does not crash here.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelpool.cli.children import command
from accelpool.cli.failures import StartFailed

MODULE = "accelpool_node"


def ask(
    variables: Mapping[str, str], limit_s: float, options: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """Return the devices of this machine as an agent reports them, each with its "fault", "" for none.

    Args:
        variables: The agent's environment.
        limit_s: How long it may take.
        options: Options of the agent; None for its own default.

    Raises:
        StartFailed: The agent failed, or took too long.
    """
    chosen = [word for name, value in options.items() if value is not None for word in (name, value)]
    with tempfile.TemporaryDirectory(prefix="accelpool-doctor-") as scratch:
        arguments = ["--discover", "--state-dir", str(Path(scratch) / "node"), *chosen]
        try:
            done = subprocess.run(
                command(MODULE, arguments),
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StartFailed(f"the agent found no end within {limit_s:g} s") from error
        except OSError as error:
            raise StartFailed(f"the agent did not start: {error}") from error
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(words) if line.strip()), "no word")
        raise StartFailed(f"the agent ended with exit code {done.returncode}: {last}")
    return _devices(done.stdout)


def _devices(printed: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(printed)["devices"]
        return [dict(device) for device in found]
    except (ValueError, KeyError, TypeError) as error:
        raise StartFailed(f"the agent did not list its devices, but: {printed[:200]!r}") from error
