"""Kernels that lack a part of the sandbox: the others hold, and what is missing is told."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CONFINED = """
import errno, json, os, socket, sys
import msgspec
from accelpool_node.sandbox import system
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import Mode, Policy

missing, mode, whole = sys.argv[1].split(","), Mode(sys.argv[2]), system.call

def call(name, *arguments):
    if name in missing:
        raise OSError(errno.ENOSYS, f"{name}: Function not implemented")
    return whole(name, *arguments)

system.call = call
if "machine" in missing:
    system.machine = lambda: "riscv64"
sandbox = confine(Policy(mode=mode), os.environ, keep=())
print(json.dumps(msgspec.to_builtins(sandbox)))

def fails(what, *arguments):
    try:
        what(*arguments)
    except OSError:
        return True
    return False

print(json.dumps({"reads": not fails(open, "/etc/passwd"), "connects": not fails(socket.socket)}))
"""


def confined(missing: str, mode: str = "auto") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CONFINED, missing, mode]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def active(missing: str) -> tuple[dict, dict]:
    run = confined(missing)
    assert run.returncode == 0, run.stderr
    sandbox, able = (json.loads(line) for line in run.stdout.splitlines())
    return sandbox, able


def test_with_all_parts_nothing_is_possible():
    sandbox, able = active("nothing")
    assert sandbox["landlock"] > 0
    assert sandbox["seccomp"]
    assert able == {"reads": False, "connects": False}


def test_without_landlock_files_are_open_and_it_says_so():
    sandbox, able = active("landlock_create_ruleset")
    assert (sandbox["level"], sandbox["landlock"], sandbox["seccomp"]) == ("partial", 0, True)
    assert "landlock: this kernel does not have it, or does not use it" in sandbox["missing"]
    assert able == {"reads": True, "connects": False}


def test_without_seccomp_sockets_are_there_and_it_says_so():
    sandbox, able = active("seccomp")
    assert (sandbox["level"], sandbox["seccomp"]) == ("partial", False)
    assert any(one.startswith("seccomp: ") for one in sandbox["missing"])
    assert able == {"reads": False, "connects": True}


def test_without_a_filter_for_the_processor_the_rest_holds():
    sandbox, _ = active("machine")
    assert sandbox["seccomp"] is False
    assert sandbox["no_new_privs"]


def test_with_nothing_it_goes_on_and_says_so():
    sandbox, able = active("landlock_create_ruleset,seccomp,capset")
    assert (sandbox["level"], sandbox["landlock"], sandbox["seccomp"]) == ("partial", 0, False)
    assert able["connects"]


@pytest.mark.parametrize(
    ("part", "told"),
    [("landlock_create_ruleset", "landlock: "), ("seccomp", "seccomp: "), ("capset", "capabilities: ")],
)
def test_what_is_required_and_missing_ends_the_process(part, told):
    run = confined(part, "require")
    assert run.returncode == 5
    assert "the sandbox is not whole, and has to be" in run.stderr
    assert told in run.stderr
    assert run.stdout == ""
