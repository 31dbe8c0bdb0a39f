"""Compute shares through NVIDIA's Multi-Process Service: what an agent asks for, and what it refuses."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool_node import mps
from accelpool_node.agent import arrangement
from accelpool_node.agent.confinement import Confinement
from accelpool_node.agent.enclosure import NOTHING
from accelpool_node.agent.options import read_options, read_settings
from accelpool_node.agent.settings import Settings
from accelpool_node.drivers import cuda_environment
from accelpool_node.gpus import Gpu, Instance
from accelpool_node.mig import with_instances
from accelpool_node.sandbox.policy import Mode
from accelpool_wire.errors import Invalid

WANTED = ["--compute-shares", "mps", "--discover"]


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[str]:
    """The directory of a daemon that answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
        daemon.bind(str(tmp_path / "control"))
        daemon.listen()
        yield str(tmp_path)


def settings(*arguments: str, **environ: str) -> Settings:
    given = ["--backend", "cuda", "--state-dir", "/state", *arguments]
    return read_settings(read_options(given), {"HOME": "/home/u", **environ})


def test_sessions_take_turns_unless_the_operator_wants_otherwise(pipe: str) -> None:
    assert settings("--discover", CUDA_MPS_PIPE_DIRECTORY=pipe).mps_pipe == ""
    assert settings(*WANTED, CUDA_MPS_PIPE_DIRECTORY=pipe).mps_pipe == pipe


def test_without_a_daemon_the_agent_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=rf"no daemon answers at {tmp_path}/control \(No such file") as told:
        settings(*WANTED, CUDA_MPS_PIPE_DIRECTORY=str(tmp_path))
    assert "nvidia-cuda-mps-control -d" in told.value.detail


def test_what_a_daemon_has_left_behind_is_no_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
        daemon.bind(str(tmp_path / "control"))
    with pytest.raises(Invalid, match="Connection refused"):
        settings(*WANTED, CUDA_MPS_PIPE_DIRECTORY=str(tmp_path))


def test_a_directory_with_too_long_a_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="path too long"):
        settings(*WANTED, CUDA_MPS_PIPE_DIRECTORY=f"/{'x' * 200}")


@pytest.mark.parametrize("option", [("--sandbox", "require"), ("--bubblewrap", "bwrap")])
def test_what_keeps_workers_from_the_daemon_excludes_it(pipe: str, option: tuple[str, str]) -> None:
    with pytest.raises(Invalid, match=f"--compute-shares mps and {option[0]}.* exclude each other"):
        settings(*WANTED, *option, CUDA_MPS_PIPE_DIRECTORY=pipe)


def test_it_is_for_cuda(tmp_path: Path, pipe: str) -> None:
    without = settings(*WANTED, "--backend", "null:1", CUDA_MPS_PIPE_DIRECTORY=pipe)
    with pytest.raises(Invalid, match="there is no CUDA here"):
        arrangement.environments_of(without, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="an agent that is no root has workers of one user anyway")
def test_workers_have_to_be_one_user(tmp_path: Path, pipe: str) -> None:
    each_their_own = settings(*WANTED, CUDA_MPS_PIPE_DIRECTORY=pipe)
    with pytest.raises(Invalid, match="MPS serves one user at a time"):
        arrangement.arrange(each_their_own, tmp_path, NOTHING)
    all_root = settings(*WANTED, "--worker-user", "none", CUDA_MPS_PIPE_DIRECTORY=pipe)
    _, environments = arrangement.arrange(all_root, tmp_path / "state", NOTHING)
    assert environments["cuda"].pipe == pipe


def test_children_find_the_daemon_and_their_devices_say_so(tmp_path: Path) -> None:
    environment = cuda_environment({"PATH": "/bin"}, is_expected=True, pipe="/mps")
    assert environment.variables == {
        "PATH": "/bin",
        "CUDA_MPS_PIPE_DIRECTORY": "/mps",
        "CUDA_MPS_ENABLE_PER_CTX_DEVICE_MULTIPROCESSOR_PARTITIONING": "1",
    }
    assert environment.known == {"compute_shares": "mps"}
    policy = Confinement(Mode.AUTO, tmp_path / "work").begin(environment).policy
    assert policy.pipe == "/mps"
    assert policy.lacks == {"mps": mps.LACK}


def test_without_it_children_know_of_no_daemon(tmp_path: Path) -> None:
    environment = cuda_environment({"PATH": "/bin"}, is_expected=True)
    assert (environment.variables, environment.known) == ({"PATH": "/bin"}, {})
    policy = Confinement(Mode.AUTO, tmp_path / "work").begin(environment).policy
    assert (policy.pipe, policy.lacks) == ("", {})


def test_mig_instances_are_left_to_the_daemon() -> None:
    environments = {"cuda": cuda_environment({}, is_expected=True, pipe="/mps")}
    instance = Instance(uuid="MIG-a", profile="", gpu_instance=1, compute_instance=0)
    gpu = Gpu(uuid="GPU-1", place="0000:01:00", is_parted=True, instances=[instance])
    assert with_instances(environments, [gpu]) == environments


@pytest.mark.parametrize(
    ("compute", "percentage"), [(1.0, 100), (0.5, 50), (0.29, 29), (1 / 3, 33), (0.999, 99), (1e-6, 1)]
)
def test_shares_of_a_device_are_never_more_than_all_its_threads(compute: float, percentage: int) -> None:
    assert mps.thread_percentage(compute) == percentage


def test_a_driver_in_this_process_sees_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mps.PERCENTAGE, "100")
    mps.limit_threads(25)
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    assert getenv(mps.PERCENTAGE.encode()) == b"25"
