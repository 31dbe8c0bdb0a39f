"""What processes may use, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelpool.cli.checks import Status, check_sandbox
from accelpool_broker.scheduler.selector import selector
from accelpool_node.agent import users
from accelpool_node.agent.confinement import narrowed
from accelpool_node.agent.devices import describe
from accelpool_node.discover import Listed
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.sandbox import paths
from accelpool_node.sandbox.policy import Level, Policy, Sandbox, User, decode
from accelpool_wire.errors import Invalid

PLATFORM_NAME = 0x0902
POCL, OTHER = "Portable Computing Language", "Intel(R) OpenCL"
FULL = Sandbox(
    level=Level.FULL, landlock=7, seccomp=True, user=User.OWN, cgroup=["memory", "pids"], bubblewrap=True
)
PARTIAL = Sandbox(level=Level.PARTIAL, landlock=0, missing=["landlock: this kernel does not have it"])


def device(kind: str = "cpu", platform: str = OTHER, sandbox: Sandbox = FULL):
    listed = Listed(name="d", platform={PLATFORM_NAME: platform}, info={}, kind=kind, api="opencl")
    return describe("env", listed, "", sandbox)


def test_a_policy_survives_its_command_line():
    policy = Policy(folder="/a b", read=["/x"], user=7, is_cpu=False)
    assert decode(policy.encoded()) == policy


def test_cpus_need_no_devices_and_no_linker():
    found = narrowed(DriverEnvironment(name="env", backend="opencl", variables={}), [device()])
    assert (found.is_cpu, found.links, found.nodes) == (True, False, [])


def test_pocl_needs_a_linker():
    wide = DriverEnvironment(name="env", backend="opencl", variables={})
    assert narrowed(wide, [device(platform=POCL)]).links


def test_gpus_need_their_nodes():
    wide = DriverEnvironment(name="env", backend="opencl", variables={})
    found = narrowed(wide, [device(), device("gpu")])
    assert (found.is_cpu, list(found.nodes)) == (False, list(paths.DEVICES))


def test_what_an_operator_adds_stays():
    wide = DriverEnvironment(
        name="env", backend="opencl", variables={}, nodes=(*paths.DEVICES, "/dev/board*")
    )
    assert narrowed(wide, [device()]).nodes == ["/dev/board*"]


def test_an_environment_without_devices_stays_as_it_is():
    wide = DriverEnvironment(name="env", backend="opencl", variables={})
    assert narrowed(wide, []) is wide


def test_drivers_are_where_their_environment_says(tmp_path):
    (tmp_path / "a.icd").write_text("/opt/driver/lib/lib.so\n")
    (tmp_path / "b.icd").write_text("libfound.so\n")
    variables = {"OCL_ICD_VENDORS": str(tmp_path), "LD_LIBRARY_PATH": "/opt/libs:relative::"}
    assert paths.of_drivers(variables) == ["/opt/libs", str(tmp_path), "/opt/driver/lib"]


def test_code_around_a_secret_is_noticed(tmp_path):
    code, other = tmp_path / "code", tmp_path / "other"
    assert paths.around([str(code), str(other)], [str(code / "state")]) == [str(code)]
    assert paths.around([str(code)], [str(code)]) == [str(code)]


@pytest.mark.parametrize(
    ("text", "expected"), [("auto", None), ("none", ()), ("70000", range(70000, 70001)), ("5-7", range(5, 8))]
)
def test_users_are_named_in_several_ways(text, expected):
    assert users.parse(text) == expected


@pytest.mark.parametrize("text", ["root", "0", "0-5", "7-5", "nobody-knows", "", "-", "5-", "4294967295"])
def test_who_cannot_be_a_worker_is_refused(text):
    with pytest.raises(Invalid, match="--worker-user"):
        users.parse(text)


def test_a_user_that_cannot_run_python_has_a_reason(tmp_path):
    assert "cannot run" in users.why_not(str(tmp_path / "python"), 70000, {}, ())


def facts(sandbox: Sandbox) -> dict:
    return {"attributes": device(sandbox=sandbox).report.attributes}


@pytest.mark.parametrize(
    "where",
    [
        'device.attributes.sandbox.level == "full"',
        "device.attributes.sandbox.landlock >= 4 && device.attributes.sandbox.seccomp",
        'device.attributes.sandbox.user == "own"',
        "size(device.attributes.sandbox.missing) == 0",
        '"memory" in device.attributes.sandbox.cgroup',
        "device.attributes.sandbox.bubblewrap",
    ],
)
def test_leases_may_ask_for_a_sandbox(where):
    assert selector(where).why_not(facts(FULL)) == ""
    assert "is false" in selector(where).why_not(facts(PARTIAL))


def test_the_doctor_says_what_is_active_and_what_is_missing():
    def findings(sandbox):
        return check_sandbox([facts(sandbox)])

    (good,) = findings(FULL)
    assert (good.status, "Landlock 7" in good.detail) == (Status.OK, True)
    assert good.detail.endswith("control groups that bound memory and pids, inside bubblewrap")
    (bad,) = findings(PARTIAL)
    assert (bad.status, "this kernel does not have it" in bad.detail) == (Status.WARNING, True)
    assert check_sandbox([{"name": "d"}]) == []


def test_the_readable_is_no_home_and_no_configuration():
    allowed = [Path(path) for path in paths.SYSTEM]
    for secret in ("/etc/passwd", "/root/.ssh", "/home/u", "/var/lib", "/proc/1", "/run", "/tmp", "/"):
        assert not any(path in (Path(secret), *Path(secret).parents) for path in allowed), secret
