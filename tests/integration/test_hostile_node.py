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
    process = Path(f"/proc/{null_pool.workers()[0]}")
    wait_until(lambda: (process / "oom_score_adj").read_text() == "1000\n")
    (core,) = [line for line in (process / "limits").read_text().splitlines() if "core" in line]
    assert core.split()[4:6] == ["0", "0"]


def test_what_a_kernel_prints_does_not_fill_the_nodes_log(null_pool: Any, wait_until: Any) -> None:
    wait_until(null_pool.workers)
    assert os.readlink(f"/proc/{null_pool.workers()[0]}/fd/1") == os.devnull


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
