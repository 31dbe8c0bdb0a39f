"""The conformance run's own parts: what it reads from documents, and how it sees what a run has come to."""

import os
from importlib.metadata import version

import pytest

from ..conformance.__main__ import KNOWN
from ..conformance.reasons import reason, table
from ..conformance.runs import run_example, run_tests
from ..conformance.source import _locked
from ..sides import Side

HERE = Side(name="here", variables=dict(os.environ))
PASSES = "def test_it(): pass\n"
FAILS = "def test_it(): assert False\n"


def outcomes(tmp_path, text, limit_s=60, test_limit_s=30):
    (tmp_path / "test_one.py").write_text(text)
    limits = {"limit_s": limit_s, "test_limit_s": test_limit_s}
    return run_tests(tmp_path / "test_one.py", HERE, tmp_path / "log", **limits, args=["-p", "no:randomly"])


@pytest.mark.parametrize(("text", "outcome"), [(PASSES, "passed"), (FAILS, "failed")])
def test_a_test_ends_as_pytest_says(tmp_path, text, outcome):
    assert outcomes(tmp_path, text) == {"test_one.py::test_it": outcome}


def test_the_worst_of_several_devices_counts_under_one_name(tmp_path):
    text = """import pytest
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("device", [True, False], ids=lambda ok:
    f"<context factory for <pyopencl.Device 'cpu {ok}' on 'A Platform'>>")
def test_it(device, n): assert device or n == 2
"""
    assert outcomes(tmp_path, text) == {
        "test_one.py::test_it[1]": "failed",
        "test_one.py::test_it[2]": "passed",
    }


def test_a_process_that_dies_has_failed_with_the_rest_of_its_tests(tmp_path):
    text = PASSES + "def test_crash():\n    import os\n    os.abort()\n"
    assert outcomes(tmp_path, text) == {"test_one.py::test_it": "passed", "test_one.py::(the rest)": "failed"}


def test_a_file_that_takes_too_long_is_ended(tmp_path):
    text = "def test_it():\n    import threading\n    threading.Event().wait()\n"
    assert outcomes(tmp_path, text, limit_s=0.1) == {"test_one.py::(the rest)": "failed"}


@pytest.mark.parametrize(("text", "outcome"), [("", "passed"), ("raise SystemExit(3)", "failed")])
def test_an_example_passes_if_it_ends_well(tmp_path, text, outcome):
    (tmp_path / "demo.py").write_text(text)
    ended = run_example(tmp_path / "demo.py", HERE, tmp_path / "log", limit_s=30)
    assert ended == {"demo.py": outcome}


def test_the_document_has_a_reason_for_each_difference():
    for heading in (*KNOWN.values(), "Examples that are not run"):
        assert all(why for why in table(heading).values())
    with pytest.raises(ValueError, match="no section"):
        table("No such section")


def test_a_reason_is_found_by_the_tests_name_without_its_parameters():
    reasons = {"test_a.py::test_*": "for all", "demo.py": "for one"}
    assert reason("test_a.py::test_it[1-[2]]", reasons) == "for all"
    assert reason("demo.py", reasons) == "for one"
    assert reason("test_b.py::test_it", reasons) is None


def test_the_source_distribution_is_checked_by_the_hashes_of_the_lock_file():
    installed = version("pyopencl")
    first, *hashes = _locked("pyopencl").splitlines()
    assert first.startswith(f"pyopencl=={installed} ")
    assert len(hashes) > 1
    assert all("--hash=sha256:" in line for line in hashes)
    with pytest.raises(ValueError, match="has no no-such-package"):
        _locked("no-such-package")
