"""Children inside bubblewrap: what is not there for them, and that all works as before."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from accelpool_node.agent import users
from accelpool_node.sandbox import bubblewrap, folders, landlock, limits
from accelpool_node.sandbox.bubblewrap import Bubblewrap
from accelpool_node.sandbox.policy import Mode, Policy

from ..conftest import children, open_files, wait_until
from ..integration.agent_rig import FakeBroker, Node, wait_for_exit, worker_of

PROGRAM = shutil.which("bwrap")
TRIAL = (
    "--die-with-parent",
    *bubblewrap.NAMESPACES,
    "--proc",
    "/proc",
    "--ro-bind",
    "/",
    "/",
    "--",
    "/bin/true",
)


def why_not() -> str:
    if PROGRAM is None:
        return "bubblewrap is not installed"
    run = subprocess.run([PROGRAM, *TRIAL], capture_output=True, text=True)
    return f"bubblewrap does not work here: {run.stderr.strip()}" if run.returncode else ""


WHY_NOT = why_not()
needs_bubblewrap = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def node(broker, tmp_path):
    with Node(broker, tmp_path / "node", "--bubblewrap") as node:
        yield node


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return [*found, *(one for child in found for one in descendants(child))]


def inner(node: Node, session: str) -> int:
    """The process that serves a session: the last of those inside."""
    return descendants(worker_of(node, session))[-1]


@needs_bubblewrap
def test_a_worker_has_namespaces_of_its_own_but_for_its_user(broker, node):
    with node.session(broker.token("L1", "0")) as (_, welcome):
        pid = inner(node, welcome.session)
        for name in ("pid", "ipc", "uts", "net", "mnt"):
            assert os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"), name


@needs_bubblewrap
def test_it_is_told(broker, node):
    sandbox = broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]
    assert sandbox["bubblewrap"] is True
    assert sandbox["landlock"] == landlock.abi()
    assert sandbox["seccomp"]
    assert not [one for one in sandbox["missing"] if one.startswith("bubblewrap")]


@needs_bubblewrap
def test_an_agent_without_it_says_so(broker, tmp_path):
    with Node(broker, tmp_path / "node"):
        sandbox = broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]
        assert sandbox["bubblewrap"] is False


@needs_bubblewrap
def test_nobody_outside_keeps_what_a_worker_was_given(broker, node):
    with node.session(broker.token("L1", "0")) as (_, welcome):
        outer = worker_of(node, welcome.session)
        for pid in (outer, *children(outer)):
            assert not [name for name in open_files(pid) if name.startswith("socket:")]


@needs_bubblewrap
def test_sessions_end_and_crash_as_ever(broker, node):
    with node.session(broker.token("L1", "0")) as (stream, welcome):
        pid = inner(node, welcome.session)
        os.kill(pid, 11)
        told = broker.wait_for_end(welcome.session)
        assert told["cause"] == "crashed"
        assert "was killed by signal 11 (SIGSEGV)" in told["detail"]
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""
    with node.session(broker.token("L2", "0")) as (_, welcome):
        pids = [worker_of(node, welcome.session), *descendants(worker_of(node, welcome.session))]
        broker.end("L2")
        assert broker.wait_for_end(welcome.session)["cause"] == "ended"
    wait_for_exit(pids)


@needs_bubblewrap
def test_workers_end_with_their_agent(broker, node):
    with node.session(broker.token("L1", "0")) as (_, welcome):
        pids = descendants(node.process.pid)
        assert inner(node, welcome.session) in pids
        node.process.kill()
        wait_for_exit(pids)


@needs_bubblewrap
def test_builders_work_inside(broker, node):
    with node.session(broker.token("L1", "0")):
        wait_until(lambda: "builder " in node.log.read_text() and " serves null-0" in node.log.read_text())


def user_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Uid:"))


def inside(tmp_path: Path, code: str, **policy: object) -> subprocess.CompletedProcess[str]:
    """Run Python inside, in a folder of its own and not confined otherwise."""
    folder = tmp_path / "own"
    folders.make(folder)
    assert PROGRAM
    policy = Policy(mode=Mode.OFF, folder=str(folder), read=["/usr", "/lib", "/lib64", "/bin"], **policy)
    variables = {**folders.variables(folder), "PATH": os.defpath}
    command = Bubblewrap(PROGRAM).command(policy, variables, sys.executable)
    return subprocess.run(
        [*command, sys.executable, "-P", "-c", code], env=variables, capture_output=True, text=True
    )


@needs_bubblewrap
def test_what_it_may_not_read_is_not_there(tmp_path):
    run = inside(
        tmp_path, "import os; print(os.listdir('/'), os.listdir('/etc'), os.listdir('/proc/self/fd'))"
    )
    assert run.returncode == 0, run.stderr
    for name in ("'home'", "'var'", "'tmp'", "'run'", "'passwd'", "'boot'"):
        if name != "'tmp'" or not str(tmp_path).startswith("/tmp"):
            assert name not in run.stdout
    run = inside(
        tmp_path / "2", "import os; print([name for name in os.listdir('/proc') if name.isdecimal()])"
    )
    assert run.stdout == "['1', '2']\n"


@needs_bubblewrap
def test_its_folder_has_an_end_for_files_without_a_name_too(tmp_path, monkeypatch):
    monkeypatch.setattr(bubblewrap, "FOLDER_BYTES", 1 << 20)
    code = """
import errno, os
try:
    for number in range(64):
        file = os.open(f"{number}", os.O_RDWR | os.O_CREAT)
        os.unlink(f"{number}")
        os.write(file, bytes(1 << 16))
except OSError as error:
    print(errno.errorcode[error.errno], number)
"""
    run = inside(tmp_path, code)
    assert run.stdout.startswith("ENOSPC 1"), run.stderr
    assert list((tmp_path / "own").iterdir()) == [tmp_path / "own" / "root"]


@needs_bubblewrap
def test_it_has_no_network(tmp_path):
    code = "import socket; print([name for _, name in socket.if_nameindex()])"
    assert inside(tmp_path, code).stdout == "['lo']\n"


@needs_bubblewrap
def test_as_root_workers_inside_have_users_of_their_own_and_all_of_the_sandbox(
    broker, tmp_path, public_python
):
    arguments = ("--bubblewrap", "--sandbox", "require")
    with Node(broker, tmp_path / "node", *arguments, python=public_python) as node:
        sandbox = broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]
        assert (sandbox["level"], sandbox["user"], sandbox["bubblewrap"]) == ("full", "own", True)
        with (
            node.session(broker.token("L1", "0")) as (_, one),
            node.session(broker.token("L2", "1")) as (_, two),
        ):
            assert len({user_of(inner(node, each.session)) for each in (one, two)} - {0}) == 2
    shutil.rmtree(users.shared_folder(tmp_path / "node"))


@needs_bubblewrap
def test_an_ordinary_user_has_it_all_too(broker, tmp_path, public_python):
    with tempfile.TemporaryDirectory(prefix="accelpool-") as folder:  # pytest's are root's alone
        agent = tmp_path / "agent"
        who = "--reuid 1880001024 --regid 1880001024 --clear-groups"
        agent.write_text(f'#!/bin/sh\nexec env HOME={folder} setpriv {who} {public_python} "$@"\n')
        agent.chmod(0o755)
        state = Path(folder) / "node"
        state.mkdir()
        for path in (folder, state):
            os.chown(path, 1880001024, 1880001024)
        with Node(broker, state, "--bubblewrap", "--sandbox", "require", python=str(agent)) as node:
            sandbox = broker.registrations[-1]["devices"][0]["attributes"]["sandbox"]
            assert (sandbox["level"], sandbox["user"], sandbox["bubblewrap"]) == ("full", "agent", True)
            with node.session(broker.token("L1", "0")) as (_, welcome):
                told = Path(f"/proc/{inner(node, welcome.session)}/limits").read_text().splitlines()
                (processes,) = (line.split()[2] for line in told if line.startswith("Max processes"))
                assert processes == str(limits.MAX_USER_PROCESSES)


def discovered(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    node = [sys.executable, "-m", "accelpool_node", "--discover", "--backend", "null:1"]
    return subprocess.run(
        [*node, "--state-dir", str(tmp_path / "node"), *arguments], capture_output=True, timeout=60, text=True
    )


def test_without_the_program_the_node_does_not_start(tmp_path):
    run = discovered(tmp_path, "--bubblewrap", "bwrap-that-is-none")
    assert run.returncode == 1
    assert run.stderr.endswith("accelpool node: --bubblewrap: there is no program bwrap-that-is-none\n")


def test_nor_where_it_does_not_work(tmp_path):
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho bwrap: no permissions to create a namespace >&2\nexit 1\n")
    program.chmod(0o755)
    run = discovered(tmp_path, "--bubblewrap", str(program))
    assert run.returncode == 1
    assert "accelpool node: no child process can be confined: " in run.stderr
    assert "bwrap: no permissions to create a namespace" in run.stderr


# ---- the view -----------------------------------------------------------------------------------------


def test_links_are_shown_with_what_they_lead_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "far").symlink_to(tmp_path / "link" / "file")
    real, link, far = (str(tmp_path / name) for name in ("real", "link", "far"))
    assert bubblewrap.view([link, far, f"{real}/file", real]) == {
        far: ("--symlink", f"{tmp_path}/link/file"),
        link: ("--symlink", "real"),
        real: ("--ro-bind", real),
    }


def test_what_is_not_there_or_is_of_other_processes_is_not_shown(tmp_path):
    assert bubblewrap.view([str(tmp_path / "none"), "/proc/self", "/proc", "/proc/cpuinfo"]) == {}


def test_the_inner_of_two_folders_is_shown_by_the_outer(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    outer = str(tmp_path / "a")
    assert bubblewrap.view([f"{outer}/b", outer]) == {outer: ("--ro-bind", outer)}
