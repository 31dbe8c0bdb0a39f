"""What the processes of a node are confined by, as the kernel says, and as the broker is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from accelpool_node.sandbox import landlock

from ..conftest import children, command, wait_until
from ..integration.agent_rig import LIMIT_S, FakeBroker, Node, worker_of

ROOT = os.geteuid() == 0


@pytest.fixture
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def node(broker, tmp_path):
    with Node(broker, tmp_path / "node") as node:
        yield node


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return [*found, *(one for child in found for one in descendants(child))]


def told(broker: FakeBroker) -> dict:
    return broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]


def test_every_process_that_loads_a_driver_is_confined(broker, node):
    with node.session(broker.token("L1", "0")):
        wait_until(lambda: len(descendants(node.process.pid)) >= 4)  # workers, builder, nursery, compiler
        wait_until(lambda: all(is_confined(pid) for pid in descendants(node.process.pid)))
        modules = " ".join(command(pid) for pid in descendants(node.process.pid))
        assert "accelpool_node.worker" in modules
        assert "accelpool_node.builder.nursery" in modules


def is_confined(pid: int) -> bool:
    try:
        found = status(pid)
    except OSError:
        return True  # it has ended
    return (found["NoNewPrivs"], found["Seccomp"], int(found["CapEff"], 16), int(found["CapBnd"], 16)) == (
        "1",
        "2",
        0,
        0 if ROOT else int(found["CapBnd"], 16),
    )


def test_a_worker_has_no_descriptors_and_no_variables_of_its_agent(broker, node):
    with node.session(broker.token("L1", "0")) as (_, welcome):
        pid = worker_of(node, welcome.session)
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        names = {variable.partition(b"=")[0].decode() for variable in variables if variable}
        allowed = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"}
        allowed |= {
            "POCL_CACHE_DIR",
            "CUDA_CACHE_PATH",
            "LC_CTYPE",
            "HWLOC_FSROOT",
            "HWLOC_THISSYSTEM",
            "PYOPENCL_NO_CACHE",
        }
        assert not {name for name in names - allowed if "COVERAGE" not in name}
        opened = [os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")]
        assert not [target for target in opened if target.startswith(f"{node.log.parent}/node/")]


def test_a_workers_folder_goes_with_it(broker, node, tmp_path):
    with node.session(broker.token("L1", "0")) as (_, welcome):
        own = Path(os.readlink(f"/proc/{worker_of(node, welcome.session)}/cwd"))
        assert own.parent == tmp_path / "node" / "work"
        assert own.stat().st_mode & 0o777 == 0o700
        (own / "left").write_text("behind")
    wait_until(lambda: not own.exists())


def test_no_folder_is_left_when_the_agent_ends(broker, tmp_path):
    with Node(broker, tmp_path / "node"):
        assert list((tmp_path / "node" / "work").iterdir())
    assert list((tmp_path / "node" / "work").iterdir()) == []


def test_what_a_killed_agents_workers_left_goes(broker, tmp_path):
    left = tmp_path / "node" / "work" / "999"
    left.mkdir(parents=True)
    (left / "file").write_text("old")
    with Node(broker, tmp_path / "node"):
        assert not left.exists()


def test_the_broker_is_told_what_is_active(broker, node):
    sandbox = told(broker)
    assert (sandbox["seccomp"], sandbox["no_new_privs"], sandbox["is_hidden"]) == (True, True, True)
    assert sandbox["landlock"] == landlock.abi()
    assert sandbox["has_capabilities"] is False
    assert (sandbox["level"] == "full") == (sandbox["missing"] == [])


def test_it_can_be_switched_off_and_says_so(broker, tmp_path):
    with Node(broker, tmp_path / "node", "--sandbox", "off") as node:
        sandbox = told(broker)
        assert (sandbox["level"], sandbox["seccomp"], sandbox["landlock"]) == ("off", False, 0)
        assert sandbox["missing"] == ["everything: it is switched off"]
        with node.session(broker.token("L1", "0")) as (_, welcome):
            assert status(worker_of(node, welcome.session))["Seccomp"] == "0"


def discovered(tmp_path: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess:
    node = [python, "-m", "accelpool_node", "--discover", "--backend", "null:1"]
    return subprocess.run(
        [*node, "--state-dir", str(tmp_path / "node"), *arguments], capture_output=True, timeout=60, text=True
    )


@pytest.mark.skipif(not ROOT, reason="an agent that is no root has no users to give")
def test_what_is_required_and_missing_keeps_the_node_from_starting(tmp_path):
    run = discovered(tmp_path, "--sandbox", "require", "--worker-user", "none")
    assert run.returncode == 1
    assert "the sandbox is not whole, and has to be: user: " in run.stderr


def test_code_around_the_state_directory_is_missing_protection(tmp_path):
    inside = Path(sys.prefix) / "state-of-a-test"
    try:
        run = discovered(inside)
        assert "is code, and holds what is secret" in run.stdout
    finally:
        shutil.rmtree(inside)


@pytest.mark.skipif(not ROOT, reason="only root has users to give")
def test_a_user_that_cannot_be_had_keeps_the_node_from_starting(tmp_path):
    run = discovered(tmp_path, "--worker-user", "nobody-knows")
    assert run.returncode == 1
    assert "--worker-user is NAME, NUMBER" in run.stderr


def test_agents_end_all_the_same(broker, tmp_path):
    with Node(broker, tmp_path / "node") as node:
        node.process.terminate()
        assert node.process.wait(LIMIT_S) == 0
        assert children(node.process.pid) == []
