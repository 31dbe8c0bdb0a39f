"""What clients may leave behind on a node: nothing that grows, and nothing of theirs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from accelpool_wire import messages as m

from .scripted_device import Device


def test_a_worker_leaves_no_core_file_and_goes_first_when_memory_runs_out(
    null_pool: Any, wait_until: Any
) -> None:
    wait_until(null_pool.workers)
    process = Path(f"/proc/{null_pool.workers()[-1]}")  # the newest: one before it may be about to end

    def core_limits() -> list[str]:
        (core,) = [line for line in (process / "limits").read_text().splitlines() if "core" in line]
        return core.split()[4:6]

    wait_until(lambda: (process / "oom_score_adj").read_text() == "1000\n")
    wait_until(lambda: core_limits() == ["0", "0"])


def test_what_a_kernel_prints_does_not_fill_the_nodes_log(null_pool: Any, wait_until: Any) -> None:
    wait_until(lambda: {stdout_of(pid) for pid in null_pool.workers()} - {""})
    assert {stdout_of(pid) for pid in null_pool.workers()} <= {os.devnull, ""}


def stdout_of(pid: int) -> str:
    """Return where a process prints to, "" once it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/fd/1")
    except OSError:
        return ""


def test_a_failure_that_stays_with_a_handle_is_short() -> None:
    device = Device()
    device.say(m.CreateProgramWithSource(50, 1, "kernel void f() {}"))
    device.ask(m.BuildProgram(50, [0]))
    device.say(m.CreateKernel(51, 50, "x" * 1_000_000))
    device.say(m.SetKernelArgs(51, 0, [None]))
    failed = device.ask(m.Sync())
    while isinstance(failed, m.Failed):
        assert len(failed.what) < 3000
        failed = device.ask(m.Sync())
