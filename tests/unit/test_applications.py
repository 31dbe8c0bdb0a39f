"""What the run of applications makes of what they print, and of packages that are not there."""

import os

import pytest

from ..applications import __main__ as applications
from ..applications import debian
from ..applications.application import Application, Unfit, Wrong, output_of
from ..applications.listings import differing, facts
from ..applications.piglit import lost, results
from ..sides import Side, Sides

HERE = Side(name="here", variables=dict(os.environ))
SIDES = Sides(local=HERE, driver=HERE, sdk=HERE)
CLINFO = """  CL_PLATFORM_NAME                                accelpool
[ACCELPOOL/*]  #DEVICES                                          1
[ACCELPOOL/0]    CL_DEVICE_NAME                                  AMD EPYC
[ACCELPOOL/0]    CL_DEVICE_BUILT_IN_KERNELS                      
[ACCELPOOL/0]    CL_DEVICE_TYPE                                  CL_DEVICE_TYPE_CPU
"""  # noqa: W291 - as it prints it
FACTS = {"CL_DEVICE_NAME": "it", "CL_DEVICE_TYPE": "CPU"}
FACTS |= {"CL_DEVICE_MAX_COMPUTE_UNITS": "2", "CL_DEVICE_GLOBAL_MEM_SIZE": "4096"}
SUMMARY = "api/clbuildprogram: fail\napi/clsetkernelarg/input checks: pass\nsummary:\n       pass:     77\n"


def application(check, packages=()):
    return Application(name="it", check=check, packages=packages)


def fails(sides, folder):
    raise Wrong("no such result")


def does_not_fit(sides, folder):
    raise Unfit("it has no images")


def test_facts_are_those_of_devices_an_empty_one_too():
    assert facts(CLINFO) == {
        "CL_DEVICE_NAME": "AMD EPYC",
        "CL_DEVICE_BUILT_IN_KERNELS": "",
        "CL_DEVICE_TYPE": "CL_DEVICE_TYPE_CPU",
    }


@pytest.mark.parametrize(
    ("local", "driver", "names"),
    [
        ({}, {}, []),
        ({"CL_DEVICE_PIPE_SUPPORT": "CL_TRUE"}, {"CL_DEVICE_PIPE_SUPPORT": "CL_FALSE"}, []),
        ({"CL_DEVICE_UUID_KHR": "1"}, {}, []),
        ({"CL_DEVICE_PROFILE": "FULL"}, {"CL_DEVICE_PROFILE": ""}, ["CL_DEVICE_PROFILE"]),
    ],
)
def test_facts_differ_but_for_what_the_pool_has_not(local, driver, names):
    assert differing({**FACTS, **local}, {**FACTS, **driver}) == names


def test_a_device_without_its_key_facts_differs():
    assert differing(FACTS, {}) == list(FACTS)


def test_results_are_those_of_tests_and_their_parts():
    assert results(SUMMARY) == {"api/clbuildprogram": "fail", "api/clsetkernelarg/input checks": "pass"}


def test_only_what_was_good_is_lost():
    assert lost({"a": "pass", "b": "fail", "c": "warn"}, {"a": "fail", "b": "crash"}) == ["a", "c"]


def test_an_application_ends_as_its_check_does(tmp_path):
    good = application(lambda sides, folder: f"in {folder.name}")
    assert applications.run(good, SIDES, tmp_path, may_install=False) == ("passed", "in it")
    (tmp_path / "it").rmdir()
    ended = applications.run(application(fails), SIDES, tmp_path, may_install=False)
    assert ended == ("failed", "no such result")
    (tmp_path / "it").rmdir()
    ended = applications.run(application(does_not_fit), SIDES, tmp_path, may_install=False)
    assert ended == ("skipped", "it has no images")


def test_what_it_needs_and_may_not_be_installed_is_why_it_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(
        debian.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None
    )
    lacking = application(fails, packages=("no-such-package",))
    outcome, reason = applications.run(lacking, SIDES, tmp_path, may_install=False)
    assert outcome == "skipped"
    assert reason == ("needs no-such-package: apt-get install --no-install-recommends no-such-package")


def test_nothing_is_installed_where_there_is_no_apt(monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    assert debian.obstacle(["clinfo"], may_install=True) == "needs clinfo, of Debian"
    assert debian.obstacle([], may_install=True) == ""


def test_nothing_is_installed_by_who_is_not_root(monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda name: name if name == "apt-get" else None)
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    assert debian.obstacle(["clinfo"], may_install=True).startswith("needs clinfo: apt-get install")


def test_a_program_that_fails_is_wrong_with_what_it_said(tmp_path):
    assert output_of(HERE, ["sh", "-c", "echo well"], tmp_path) == "well\n"
    with pytest.raises(Wrong, match=r"here: sh ended with 3: \.\.\.oh no"):
        output_of(HERE, ["sh", "-c", "echo oh no; exit 3"], tmp_path)
    local = Side(name="local", variables=HERE.variables)
    with pytest.raises(Unfit, match="local: false ended with 1"):
        output_of(local, ["false"], tmp_path)
    with pytest.raises(Wrong, match="ended with -9"):
        output_of(HERE, ["sleep", "100"], tmp_path, limit_s=0.1)
