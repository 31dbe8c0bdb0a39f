"""What a GPU's worker may do more than a CPU's: what CUDA's driver needs to start, and nothing beyond.

No GPU is needed: a confined process makes the system calls that the driver makes, as docs/cuda.md has them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from accelpool_node.agent import users
from accelpool_node.sandbox import folders, landlock, paths
from accelpool_node.sandbox.policy import Policy

USER = 1_879_999_999  # nobody's, and none that an agent of its own accord gives
STARTS = ("listen", "name a thread", "make a memfd", "share memory")
LIMIT_S = 60


def user() -> int:
    """Return the user that a confined process becomes, 0 for none."""
    may_become = os.geteuid() == 0 and not users.why_not(sys.executable, USER, {}, ())
    return USER if may_become else 0


def outcomes(folder: Path, *, is_cpu: bool, has_parent: bool = False, pipe: str = "") -> dict[str, str]:
    folders.make(folder, user())
    policy = Policy(
        folder=str(folder),
        read=paths.found(paths.SYSTEM),
        devices=[] if is_cpu else ["/dev/nvidia0"],
        user=user(),
        is_cpu=is_cpu,
        pipe=pipe,
    )
    policies = [policy.of_parent(sys.executable), policy] if has_parent else [policy]
    command = [sys.executable, "-m", "tests.security.driver_start", *(one.encoded() for one in policies)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return json.loads(run.stdout)


@pytest.fixture
def gpu(tmp_path: Path) -> dict[str, str]:
    return outcomes(tmp_path / "gpu", is_cpu=False)


def test_a_gpus_driver_can_start(gpu: dict[str, str]) -> None:
    assert {name: gpu[name] for name in STARTS} == dict.fromkeys(STARTS, "done")


def test_a_gpus_driver_can_start_in_a_compiler_that_is_confined_within_its_builder(tmp_path: Path) -> None:
    compiler = outcomes(tmp_path / "compiler", is_cpu=False, has_parent=True)
    expected = dict.fromkeys(STARTS, "done")
    if os.geteuid() == 0 and not user() and landlock.abi():
        expected["name a thread"] = "EACCES"  # a builder that stays root writes nowhere below /proc
    assert {name: compiler[name] for name in STARTS} == expected


def test_a_gpus_worker_serves_nobody_and_reaches_nobody(gpu: dict[str, str]) -> None:
    refused = {"make a stream", "serve", "connect", "start a program"}
    assert {name: gpu[name] for name in refused} == dict.fromkeys(refused, "EPERM")


def test_a_gpus_worker_goes_through_mps_where_its_agent_wants_that(tmp_path: Path) -> None:
    pipe = tmp_path / "mps"
    folders.make(pipe, user())
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
        daemon.bind(str(pipe / "control"))
        daemon.listen()
        (pipe / "log").touch()
        for file in pipe.iterdir():
            file.chmod(0o666)
        through = outcomes(tmp_path / "through", is_cpu=False, pipe=str(pipe))
    expected = {
        "go through MPS": "done",
        "write MPS's pipe": "done",
        "make a stream": "EPERM",
        "serve": "EPERM",
    }
    assert {name: through[name] for name in expected} == expected


@pytest.mark.skipif(not landlock.abi(), reason="this machine has no Landlock, which refuses it")
def test_a_gpus_worker_writes_names_alone(gpu: dict[str, str]) -> None:
    assert gpu["be found as a file"] == "EACCES"
    assert gpu["save itself from the OOM killer"] in ("EACCES", "EPERM")


@pytest.mark.skipif(not landlock.abi(), reason="this machine has no Landlock, which refuses some of it")
def test_a_cpus_worker_may_do_nothing_of_it(tmp_path: Path) -> None:
    cpu = outcomes(tmp_path / "cpu", is_cpu=True)
    assert {cpu[name] for name in STARTS} <= {"EPERM", "EACCES"}
