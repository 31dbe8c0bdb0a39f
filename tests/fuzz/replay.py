"""Runs inputs again: `python -m tests.fuzz.replay TARGET INPUT...`, each in base64."""

from __future__ import annotations

import sys
from base64 import b64decode

from . import frame_target, session_target

TARGETS = {"frames": frame_target.run, "sessions": session_target.run}


def main(target: str, *inputs: str) -> None:
    """Run inputs of a target; what is wrong with one is raised."""
    for content in inputs:
        TARGETS[target](b64decode(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
