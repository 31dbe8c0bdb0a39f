"""The runner of OpenCL-CTS, on stand-ins that keep its programs' conventions."""

import os
import sys

import pytest

from ..conformance.cts.__main__ import report
from ..conformance.cts.harness import EVERYTHING, suites
from ..sides import Side

HERE = Side(name="here", variables=dict(os.environ))
LIMIT_S = 30
STAND_IN = f"""#!{sys.executable}
import json, os, sys, threading
OUTCOMES = {{"good": "pass", "bad": "fail", "absent": "skip", "dies_late": "pass"}}
if sys.argv[1:] == ["-h"]:
    print("Usage: it [<test name>*]\\n\\t<test name>\\tOne or more\\n\\nTest names:\\n\\tbad\\n\\tgood")
    sys.exit()
print(sys.argv[1], os.environ["CL_DEVICE_TYPE"], os.getcwd())
if sys.argv[1] == "hangs":
    threading.Event().wait()
if sys.argv[1] == "crashes":
    os.abort()
results = {{name: OUTCOMES[name] for name in sys.argv[1:2]}}
with open(os.environ["CL_CONFORMANCE_RESULTS_FILENAME"], "w") as file:
    json.dump({{"cmd": sys.argv[0], "results": results}}, file)
sys.exit("fail" in results.values() or 3 * (sys.argv[1] == "dies_late"))
"""
WORDY = f"""#!{sys.executable}
import sys
help = "Test names:\\n        from_to, such as:"
print(help if sys.argv[1:] == ["-h"] else "Listing\\n\\tint_float\\n\\tlong_int")
"""
SLOW = f"#!{sys.executable}\nimport threading\nthreading.Event().wait()\n"
UNRULY = f"#!{sys.executable}\nimport sys\nprint('\\tUsage')\nsys.exit(len(sys.argv) - 1)\n"


def stand_in(folder, name, text=STAND_IN):
    program = folder / "test_conformance" / name
    program.parent.mkdir(parents=True)
    program.write_text(text)
    program.chmod(0o755)


@pytest.fixture
def suite(tmp_path):
    stand_in(tmp_path, "api/test_api")
    (found,) = suites(tmp_path)
    return found


def test_suites_are_found_in_either_folder_and_named_by_theirs(tmp_path):
    for name in (
        "api/test_api",
        "images/clGetInfo/test_cl_get_info",
        "multiple_device_context/test_multiples",
    ):
        stand_in(tmp_path, name)
    (tmp_path / "test_conformance" / "api" / "test_api.cpp").write_text("no program")
    names = ["api", "images/clGetInfo", "multiple_device_context"]
    for folder in (tmp_path, tmp_path / "test_conformance"):
        assert [one.name for one in suites(folder)] == names


@pytest.mark.parametrize("word", ["images", "images/clGetInfo", "cl_get_info"])
def test_a_suite_is_meant_by_its_folders_and_its_program(tmp_path, word):
    stand_in(tmp_path, "images/clGetInfo/test_cl_get_info")
    (found,) = suites(tmp_path)
    assert found.is_named(word)
    assert not found.is_named("api")


def test_a_program_lists_its_tests(suite):
    assert suite.tests(HERE) == ["bad", "good"]


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("good", "passed"),
        ("bad", "failed"),
        ("absent", "skipped"),
        ("crashes", "failed"),
        ("dies_late", "failed"),
        ("unknown", "failed"),
    ],
)
def test_a_test_ends_as_its_program_says_and_ends(suite, tmp_path, test, outcome):
    assert suite.run(test, HERE, tmp_path / "log", limit_s=LIMIT_S) == outcome


def test_a_test_that_hangs_has_failed(suite, tmp_path):
    assert suite.run("hangs", HERE, tmp_path / "log", limit_s=0.1) == "failed"


def test_results_of_an_earlier_run_do_not_count(suite, tmp_path):
    suite.run("good", HERE, tmp_path / "log", limit_s=LIMIT_S)
    assert suite.run("crashes", HERE, tmp_path / "log", limit_s=LIMIT_S) == "failed"


@pytest.mark.parametrize("set_by_caller", [{}, {"CL_DEVICE_TYPE": "cpu"}])
def test_a_program_runs_in_its_folder_on_the_device_of_the_variables(
    suite, tmp_path, monkeypatch, set_by_caller
):
    monkeypatch.delenv("CL_DEVICE_TYPE", raising=False)
    for name, value in set_by_caller.items():
        monkeypatch.setenv(name, value)
    suite.run("good", HERE, tmp_path / "log", limit_s=LIMIT_S)
    expected = f"good {set_by_caller.get('CL_DEVICE_TYPE', 'all')} {suite.program.parent}\n"
    assert (tmp_path / "log").read_text() == expected


def test_a_program_whose_help_describes_its_tests_is_asked_for_a_list(tmp_path):
    stand_in(tmp_path, "conversions/test_conversions", WORDY)
    (found,) = suites(tmp_path)
    assert found.tests(HERE) == ["int_float", "long_int"]


def test_a_program_that_does_not_end_when_asked_lists_nothing(tmp_path):
    stand_in(tmp_path, "gl/test_gl", SLOW)
    (found,) = suites(tmp_path)
    assert found.tests(HERE, limit_s=0.1) == [EVERYTHING]


def test_a_program_of_other_conventions_is_one_test_that_its_status_decides(tmp_path):
    stand_in(tmp_path, "printf/test_printf", UNRULY)
    (found,) = suites(tmp_path)
    assert found.tests(HERE) == [EVERYTHING]
    assert found.run(EVERYTHING, HERE, tmp_path / "log", limit_s=LIMIT_S) == "passed"
    assert found.run(EVERYTHING, HERE, tmp_path / "log", limit_s=LIMIT_S, args=["a"]) == "failed"


@pytest.mark.parametrize(
    ("local", "driver", "status"),
    [
        ("passed", "passed", 0),
        ("passed", "failed", 1),
        ("passed", "skipped", 0),
        ("failed", "failed", 0),
        ("skipped", "failed", 0),
    ],
)
def test_only_what_passes_locally_must_not_fail_through_the_driver(local, driver, status, capsys):
    assert report({"api it": (local, driver), "api other": ("passed", "passed")}) == status
    assert (f"  {driver}: api it" in capsys.readouterr().out) == (local == "passed" != driver)
