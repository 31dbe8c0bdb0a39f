"""Transfers too large for the node's memory go in bands, none of which is lost, early or late."""

from __future__ import annotations

import subprocess

from ..integration.worker_rig import START_S, Target
from . import band_exercise


def test_a_transfer_of_any_size_takes_no_more_memory_than_may_be_staged(target: Target) -> None:
    environment = target.environment
    command = [environment.python, band_exercise.__file__, environment.backend, target.device]
    run = subprocess.run(
        command, env=dict(environment.variables), capture_output=True, text=True, timeout=START_S
    )
    assert run.returncode == 0, run.stderr
    held = run.stdout.split()
    assert held in (band_exercise.NAMES, band_exercise.NAMES[: len(band_exercise.CHECKS)])
