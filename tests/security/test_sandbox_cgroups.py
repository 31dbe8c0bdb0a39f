"""Control groups: with the kernel's own where there are some, and what is written, where there are none."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool_node.sandbox import cgroups, limits
from accelpool_node.sandbox.cgroups import Group, Groups

from ..conftest import children, wait_until
from ..integration.agent_rig import FakeBroker, Node, worker_of

MIB = 1 << 20


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A group of the kernel's that is this test's own."""
    try:
        path = cgroups.own() / f"accelpool-{secrets.token_hex(4)}"
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    yield path
    for group in (*path.glob("*/"), path):
        Group(path=group).remove()


@pytest.fixture
def groups(delegated: Path) -> Iterator[Groups]:
    with Groups(delegated) as groups:
        yield groups


def started(group: Group, code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*group.enter, sys.executable, "-c", code], stdout=subprocess.PIPE)


def members(group: Group) -> list[int]:
    return [int(pid) for pid in (group.path / "cgroup.procs").read_text().split()]


def test_a_process_is_in_its_group_before_it_runs_anything(groups):
    group = groups.make("child-1")
    with started(group, "print(open('/proc/self/cgroup').read())") as process:
        said = process.communicate()[0].decode().splitlines()
    assert any(line.startswith("0::/") and line.endswith("/child-1") for line in said)
    group.remove()
    assert not group.path.exists()


def test_nothing_outlives_its_group(groups):
    group = groups.make("child-1")
    fork = "import os, time; os.fork() or os.setsid(); print(flush=True); time.sleep(60)"
    with started(group, fork) as process:
        process.stdout.readline()
        wait_until(lambda: len(members(group)) == 2)
        others = set(members(group)) - {process.pid}
        group.remove()
        assert process.wait(60) == -signal.SIGKILL
    wait_until(lambda: not [pid for pid in others if Path(f"/proc/{pid}").exists()])


def test_without_a_kill_of_groups_each_process_is_killed(groups, monkeypatch):
    monkeypatch.setattr(cgroups, "KILL", "cgroup.none")
    group = groups.make("child-1")
    with started(group, "import time; print(flush=True); time.sleep(60)") as process:
        process.stdout.readline()
        group.remove()
        assert process.wait(60) == -signal.SIGKILL


def test_what_an_earlier_agent_left_is_killed_and_removed(delegated):
    with Groups(delegated) as groups:
        process = started(groups.make("child-7"), "import time; print(flush=True); time.sleep(60)")
        process.stdout.readline()
    with process, Groups(delegated):
        assert process.wait(60) == -signal.SIGKILL
        assert list(delegated.glob("child-*")) == []


def test_a_directory_has_one_agent(delegated):
    with Groups(delegated), pytest.raises(PermissionError, match="another agent has it"), Groups(delegated):
        pass
    with Groups(delegated):
        pass


@pytest.mark.parametrize("name", ["memory", "pids"])
def test_what_a_group_does_not_bound_is_told(groups, name):
    there = name in (groups.path / "cgroup.controllers").read_text().split()
    assert (name in groups.bounds) == there
    assert (f"no bound of {name} ({groups.path} has no such controller)" in groups.missing) == (not there)


def bounding(groups: Groups, name: str) -> Group:
    if name not in groups.bounds:
        pytest.skip(f"this machine: {groups.missing}")
    return groups.make("child-1")


def test_memory_ends_where_the_bound_is(groups):
    group = bounding(groups, "memory")
    (group.path / "memory.max").write_text(str(64 * MIB))
    with started(group, "held = bytearray(200 << 20)") as process:
        assert process.wait(60) == -signal.SIGKILL


def test_so_do_processes(groups):
    group = bounding(groups, "pids")
    (group.path / "pids.max").write_text("5")
    code = """
import os, time
try:
    for _ in range(10):
        if os.fork() == 0:
            time.sleep(60)
except BlockingIOError:
    print("no more", flush=True)
"""
    with started(group, code) as process:
        assert process.stdout.readline() == b"no more\n"
        group.remove()


# ---- an agent ----------------------------------------------------------------------------------------


@pytest.fixture
def broker():
    with FakeBroker() as broker:
        yield broker


def group_of(pid: int) -> str:
    """Return the name of a process's group, "child-" once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return "child-"
    return next(line.rpartition("/")[2] for line in lines if line.startswith("0::"))


def test_each_child_of_an_agent_has_a_group_that_goes_with_it(broker, tmp_path, delegated):
    with Node(broker, tmp_path / "node", "--cgroup", str(delegated)) as node:
        with (
            node.session(broker.token("L1", "0")) as (_, one),
            node.session(broker.token("L2", "1")) as (_, two),
        ):
            found = [group_of(worker_of(node, welcome.session)) for welcome in (one, two)]
            assert len(set(found)) == 2
            assert all((delegated / name).is_dir() for name in found)
            wait_until(lambda: all(group_of(pid).startswith("child-") for pid in children(node.process.pid)))
        wait_until(lambda: not any((delegated / name).exists() for name in found))
    assert list(delegated.glob("child-*")) == []


def test_what_is_missing_is_told(broker, tmp_path, delegated, groups):
    missing, bounds = groups.missing, groups.bounds
    groups.__exit__()
    with Node(broker, tmp_path / "node", "--cgroup", str(delegated)) as node:
        sandbox = broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]
        assert sandbox["cgroup"] == bounds
        assert [one for one in sandbox["missing"] if one.startswith("cgroup: ")] == (
            [f"cgroup: {missing}"] if missing else []
        )
        assert ("groups of children bound less than they could" in node.log.read_text()) == bool(missing)
    groups.__enter__()


def test_a_killed_agents_groups_are_emptied_by_the_next_one(broker, tmp_path, delegated):
    with Node(broker, tmp_path / "node", "--cgroup", str(delegated)) as node:
        node.process.kill()
        node.process.wait()
    with Node(broker, tmp_path / "node", "--cgroup", str(delegated)):
        alive = [name.name for name in delegated.glob("child-*")]
        assert alive
        assert len(alive) <= 4


def discovered(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    node = [sys.executable, "-m", "accelpool_node", "--discover", "--backend", "null:1"]
    return subprocess.run(
        [*node, "--state-dir", str(tmp_path / "node"), *arguments], capture_output=True, timeout=60, text=True
    )


def test_a_directory_that_is_none_keeps_the_node_from_starting(tmp_path):
    for path, why in ((tmp_path / "none", "it has no cgroup.procs"), (tmp_path, "it has no cgroup.procs")):
        run = discovered(tmp_path, "--cgroup", str(path))
        assert run.returncode == 1
        assert run.stderr.splitlines()[-1] == (
            f"accelpool node: --cgroup {path}: it is no cgroup v2 directory: {why}"
        )


def in_group(tmp_path: Path, group: Path, python: str, before: str = "exec") -> str:
    """Return a program that is a Python inside a group."""
    program = tmp_path / "python-in-group"
    program.write_text(f'#!/bin/sh\necho 0 > {group}/cgroup.procs && {before} {python} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_an_agent_takes_the_group_that_it_was_given_and_makes_way_in_it(broker, tmp_path, delegated):
    python = in_group(tmp_path, delegated, sys.executable)
    for _ in range(2):
        with Node(broker, tmp_path / "node", "--cgroup", "auto", python=python) as node:
            assert group_of(node.process.pid) == "agent"
            with node.session(broker.token("L1", "0")) as (_, welcome):
                assert group_of(worker_of(node, welcome.session)).startswith("child-")
            broker.end("L1")
        assert list(delegated.glob("*/")) == []


ORDINARY = 1880001024


@pytest.mark.parametrize("is_given", [True, False], ids=["given", "not-given"])
def test_so_does_one_that_is_an_ordinary_user_if_it_may(broker, tmp_path, delegated, public_python, is_given):
    with tempfile.TemporaryDirectory(prefix="accelpool-") as folder:  # pytest's are root's alone
        (Path(folder) / "node").mkdir()
        ours = (delegated, delegated / "cgroup.procs", delegated / "cgroup.subtree_control")
        for path in (folder, f"{folder}/node", *(ours if is_given else ())):
            os.chown(path, ORDINARY, ORDINARY)
        who = f"--reuid {ORDINARY} --regid {ORDINARY} --clear-groups"
        python = in_group(tmp_path, delegated, public_python, f"exec env HOME={folder} setpriv {who}")
        with Node(broker, Path(folder) / "node", "--cgroup", "auto", python=python) as node:
            missing = broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]["missing"]
            refused = f"cgroup: {delegated} is not the agent's to write in"
            assert (refused in missing) != is_given
            with node.session(broker.token("L1", "0")) as (_, welcome):
                assert group_of(worker_of(node, welcome.session)).startswith("child-") == is_given


# ---- what is written, in a folder that stands for a group ---------------------------------------------


def plain(path: Path, bounds: tuple[str, ...] = ("memory", "pids")) -> Group:
    (path / "memory.swap.max").write_text("max")
    return Group(path=path, bounds=bounds)


def test_a_share_and_what_drivers_need_are_the_bound(tmp_path):
    plain(tmp_path).bound(1000 * MIB)
    most = 1000 * MIB + limits.slack_bytes() + cgroups.LOADED_BYTES
    assert (tmp_path / "memory.max").read_text() == str(most)
    assert (tmp_path / "memory.swap.max").read_text() == "0"
    assert (tmp_path / "pids.max").read_text() == str(limits.MAX_PROCESSES)


def test_what_is_not_bounded_is_not_written(tmp_path):
    plain(tmp_path, ("pids",)).bound(1)
    assert not (tmp_path / "memory.max").exists()
    plain(tmp_path, ("memory",)).bound(1)
    assert (tmp_path / "memory.max").exists()


def test_who_cannot_be_seen_from_here_is_not_taken_for_the_agents_own(tmp_path):
    (tmp_path / "cgroup.procs").write_text("0\n")  # so the kernel tells of processes in other namespaces
    group = [sys.executable, "-c", KILLS, str(tmp_path)]
    assert subprocess.run(group, start_new_session=True, timeout=60).returncode == 0


KILLS = """
import sys
from pathlib import Path
from accelpool_node.sandbox.cgroups import Group
Group(path=Path(sys.argv[1])).kill()
"""


@pytest.mark.parametrize(
    ("root", "group", "found"),
    [
        ("/", "/system.slice/accelpool.service", "/mnt/system.slice/accelpool.service"),
        ("/", "/", "/mnt"),
        ("/docker/1", "/docker/1", "/mnt"),
        ("/docker/1", "/docker/1/agent", "/mnt/agent"),
    ],
)
def test_the_own_group_is_found_where_it_is_mounted(tmp_path, root, group, found):
    (tmp_path / "cgroup").write_text(f"4:memory:/x\n1:name=systemd:/\n0::{group}\n")
    (tmp_path / "mountinfo").write_text(
        "25 30 0:23 / /sys rw - sysfs sysfs rw\n"
        f"31 25 0:26 {root} /mnt rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    assert cgroups.own(tmp_path) == Path(found)


def test_a_group_outside_of_what_is_mounted_is_none(tmp_path):
    (tmp_path / "cgroup").write_text("0::/user.slice\n")
    (tmp_path / "mountinfo").write_text("31 25 0:26 /docker/1 /mnt rw - cgroup2 cgroup2 rw\n")
    with pytest.raises(FileNotFoundError, match="no cgroup v2"):
        cgroups.own(tmp_path)
