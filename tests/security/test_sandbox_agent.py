"""What the processes of a node are confined by, as the kernel says, and as the broker is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from accelpool_node.agent import users
from accelpool_node.sandbox import landlock, limits
from accelpool_wire.client import Connection

from ..conftest import children, command, open_files, wait_until
from ..integration.agent_rig import LIMIT_S, FakeBroker, Node, wait_for_exit, worker_of

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
        wait_until(lambda: {"worker", "builder", "builder.nursery"} <= modules(node.process.pid))
        wait_until(lambda: all(is_confined(pid) for pid in descendants(node.process.pid)))


def modules(pid: int) -> set[str]:
    """What of ours a process's descendants run."""
    commands = " ".join(command(one) for one in descendants(pid)).split()
    return {word.removeprefix("accelpool_node.") for word in commands if word.startswith("accelpool_node.")}


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
        folder = f"{node.log.parent}/node/"
        assert not [name for name in open_files(pid) if name.startswith(folder)]


def test_a_worker_that_does_tls_is_as_confined_and_keeps_no_file_of_its_key(broker, tmp_path):
    with Node(broker, tmp_path / "node", "--tls") as node:
        pin = node.ready["certificate_sha256"]
        address = node.ready["host"], node.ready["port"]
        with Connection.open(address, broker.token("L1", "0"), certificate_sha256=pin) as connection:
            pid = worker_of(node, connection.session)
            assert is_confined(pid)
            assert not [name for name in open_files(pid) if "memfd" in name and "certificate" in name]


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


@pytest.mark.skipif(not landlock.abi(), reason="this machine has no Landlock, which is what protects")
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


@pytest.fixture
def node_with_users(broker, tmp_path, public_python):
    with Node(broker, tmp_path / "node", "--sandbox", "require", python=public_python) as node:
        yield node
    shutil.rmtree(users.shared_folder(tmp_path / "node"))


def user_of(pid: int) -> int:
    """Return who a process is: the same in every respect, and in no group but its own."""
    found = status(pid)
    (user,) = {int(number) for name in ("Uid", "Gid") for number in found[name].split()}
    assert found["Groups"] == ""
    return user


def test_as_root_each_worker_has_a_user_of_its_own(broker, node_with_users):
    node = node_with_users
    assert (told(broker)["level"], told(broker)["user"]) == ("full", "own")
    with node.session(broker.token("L1", "0")) as (_, one), node.session(broker.token("L2", "1")) as (_, two):
        first, second = worker_of(node, one.session), worker_of(node, two.session)
        assert len({user_of(first), user_of(second), 0}) == 3
        assert Path(f"/proc/{first}/cwd").stat().st_uid == user_of(first)
        told_limits = Path(f"/proc/{first}/limits").read_text().splitlines()
        (processes,) = (line.split()[2] for line in told_limits if line.startswith("Max processes"))
        assert processes == str(limits.MAX_PROCESSES)


def test_workers_with_users_still_end_with_their_agent(broker, node_with_users):
    with node_with_users.session(broker.token("L1", "0")) as (_, welcome):
        pid = worker_of(node_with_users, welcome.session)
        node_with_users.process.kill()
        wait_for_exit([pid])


def test_users_are_taken_again(broker, tmp_path, public_python):
    arguments = ("--worker-user", "70001-70006")
    with Node(broker, tmp_path / "node", *arguments, python=public_python) as node:
        for turn in range(8):
            with node.session(broker.token(f"L{turn}", "0")) as (_, welcome):
                assert 70001 <= user_of(worker_of(node, welcome.session)) <= 70006
    shutil.rmtree(users.shared_folder(tmp_path / "node"))


def test_agents_end_all_the_same(broker, tmp_path):
    with Node(broker, tmp_path / "node") as node:
        node.process.terminate()
        assert node.process.wait(LIMIT_S) == 0
        assert children(node.process.pid) == []
