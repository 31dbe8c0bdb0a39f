"""The pytest plugin as its users meet it: pytest as a process, against a real pool."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

import accelpool

from ..conftest import Pool, clean_environment, running, wait_until

PROJECT = Path(__file__).parents[2] / "examples" / "pytest_project"
LIMIT_S = 200.0
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins of this environment take seconds to load
BASIC = """
def test_one(accelerator):
    assert accelerator.is_open

def test_two(accelerator):
    assert accelerator.is_open
"""
WIDE = """
import pytest

@pytest.fixture(scope="module")
def program(accelerators):
    return accelerators.acquire("any")

@pytest.fixture
def broken(program):
    raise ValueError("nothing to do with the pool")

def test_first(program):
    assert program.is_open

def test_second(program):
    assert program.is_open

def test_broken(broken):
    pass

def test_in_its_body(accelerators):
    assert accelerators.acquire("any").is_open

def test_that_asks_for_none(accelerators):
    pass

def test_plain():
    pass
"""
STOPS = """
import time

def test_it(accelerator):
    open("up", "w").close()
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one null device, which nobody else uses."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("pytest-pool"), backend="null:1"))


def start(pool: Pool | None, folder: Path, *options: str, is_alone: bool = True) -> subprocess.Popen[str]:
    """Start pytest in a folder, and in a session of its own; without other plugins if it `is_alone`."""
    points = {} if pool is None else {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token}
    plugins = ["-p", "accelpool_pytest.plugin"] if is_alone else []
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsfE", *plugins, *options],
        cwd=folder,
        env=clean_environment(folder) | points | {"COLUMNS": "300"} | (ALONE if is_alone else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(pool: Pool | None, folder: Path, *options: str, is_alone: bool = True) -> tuple[int, str]:
    """Run pytest to its end; return its exit code and what it says."""
    process = start(pool, folder, *options, is_alone=is_alone)
    said, _ = process.communicate(timeout=LIMIT_S)
    return process.returncode, said


def project(folder: Path, code: str, ini: str = "") -> Path:
    """Make a project of one module."""
    (folder / "test_it.py").write_text(code)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    return folder


def properties(folder: Path) -> dict[str, dict[str, str]]:
    """Return what `report.xml` says of each test."""
    cases = ET.parse(folder / "report.xml").iter("testcase")
    return {
        case.attrib["name"]: {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        for case in cases
    }


def leases(pool: Pool, *states: str) -> list[str]:
    """Return the ids of the leases in one of some states."""
    with accelpool.connect(pool.url, pool.token) as broker:
        return [lease["id"] for lease in broker.leases() if lease["state"] in states]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "project"


@pytest.mark.opencl
def test_a_project_is_tested_on_the_pools_devices(opencl_pool: Pool, sample: Path) -> None:
    code, said = run(opencl_pool, sample, "--junitxml=report.xml", is_alone=False)
    assert code == 0, said
    assert "8 passed" in said
    assert "accelerators: tests: 7, leases: " in said
    assert "accelerator_lease" not in properties(sample)["test_what_needs_no_device_gets_none"]
    assert leases(opencl_pool, "queued", "active") == []


@pytest.mark.parametrize(
    ("policy", "code", "words"),
    [("skip", 0, "1 passed, 7 skipped"), ("fail", 1, "1 passed, 7 errors")],
)
def test_a_project_without_a_free_device_says_why(
    pool: Pool, sample: Path, policy: str, code: int, words: str
) -> None:
    with accelpool.connect(pool.url, pool.token) as broker, broker.acquire(wait=30):
        found, said = run(pool, sample, f"--accelerator-policy={policy}")
    assert (found, words in said) == (code, True), said
    assert "no accelerator: lease lse_" in said
    assert "was not granted within 0 s, at position 1: " in said


def test_tests_wait_for_a_device(pool: Pool, tmp_path: Path) -> None:
    with accelpool.connect(pool.url, pool.token) as broker:
        held = broker.acquire(wait=30)
        process = start(pool, project(tmp_path, BASIC))
        wait_until(lambda: leases(pool, "queued"), 60)
        held.release()
        said, _ = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, "2 passed" in said) == (0, True), said


@pytest.mark.parametrize("policy", ["wait", "skip", "fail"])
def test_what_no_device_could_do_is_not_waited_for(pool: Pool, tmp_path: Path, policy: str) -> None:
    marked = f"import pytest\npytestmark = pytest.mark.accelerator('gpu')\n{BASIC}"
    code, said = run(pool, project(tmp_path, marked, f"accelerator_policy = {policy}"))
    words = "2 skipped" if policy == "skip" else "2 errors"
    assert (code, words in said) == (0 if policy == "skip" else 1, True), said
    assert "no accelerator: " in said


def test_without_a_pool_the_reason_is_that(tmp_path: Path) -> None:
    code, said = run(None, project(tmp_path, BASIC, "accelerator_policy = skip"))
    assert (code, "2 skipped" in said) == (0, True), said
    assert "no accelerator: no pool is known" in said
    assert "another exception occurred" not in said


def test_a_wait_has_a_bound(pool: Pool, tmp_path: Path) -> None:
    with accelpool.connect(pool.url, pool.token) as broker, broker.acquire(wait=30):
        code, said = run(pool, project(tmp_path, BASIC), "--accelerator-wait=0.1")
    assert (code, "2 errors" in said) == (1, True), said
    assert "was not granted within 0.1 s" in said
    assert "was not granted within 0 s" in said  # the second test does not wait in vain again


def test_tests_share_a_lease_or_have_their_own(pool: Pool, tmp_path: Path) -> None:
    code, said = run(pool, project(tmp_path, BASIC))
    assert (code, "accelerators: tests: 2, leases: 1, waited" in said) == (0, True), said
    code, said = run(pool, project(tmp_path, BASIC, "accelerator_lease = test"))
    assert (code, "accelerators: tests: 2, leases: 2, waited" in said) == (0, True), said
    assert leases(pool, "queued", "active") == []


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "with xdist"])
def test_reports_know_the_leases_of_wider_fixtures(
    pool: Pool, tmp_path: Path, options: tuple[str, ...]
) -> None:
    _, said = run(pool, project(tmp_path, WIDE), "--junitxml=report.xml", *options)
    assert "5 passed, 1 error" in said
    assert "accelerators: tests: 4, leases: 1, waited for them: " in said
    told = properties(tmp_path)
    of_test = {name: found.get("accelerator_lease") for name, found in told.items()}
    lease = of_test["test_first"]
    assert lease is not None
    assert of_test == {
        "test_first": lease,
        "test_second": lease,
        "test_broken": lease,
        "test_in_its_body": lease,
        "test_that_asks_for_none": None,
        "test_plain": None,
    }
    assert set(told["test_second"]) == {"accelerator", "accelerator_lease", "accelerator_waited_s"}
    assert told["test_second"]["accelerator_waited_s"] == "0.0"


def test_a_selection_without_accelerators_needs_no_pool(tmp_path: Path) -> None:
    code, said = run(None, project(tmp_path, WIDE), "-m", "not accelerator")
    assert (code, "1 passed, 5 deselected" in said) == (0, True), said


def test_a_session_never_waits_for_itself(pool: Pool, tmp_path: Path) -> None:
    code = """
import pytest

def test_whole(accelerator):
    assert accelerator.is_open

@pytest.mark.accelerator(where="device.compute_units > 0")
def test_another(accelerator):
    assert accelerator.is_open

def test_whole_again(accelerator):
    assert accelerator.is_open
"""
    found, said = run(pool, project(tmp_path, code), "--accelerator-wait=20")
    assert (found, "accelerators: tests: 3, leases: 3" in said) == (0, True), said


def test_a_lease_that_is_lost_is_taken_anew(pool: Pool, tmp_path: Path) -> None:
    code = """
def test_one(accelerator):
    accelerator.release()

def test_two(accelerator):
    assert accelerator.is_open
"""
    found, said = run(pool, project(tmp_path, code))
    assert (found, "leases: 2" in said) == (0, True), said


def test_processes_of_xdist_take_turns(pool: Pool, tmp_path: Path) -> None:
    folder = project(tmp_path, BASIC, "accelerator_lease = test")
    code, said = run(pool, folder, "-p", "xdist", "-n", "2", "--dist=each")
    assert (code, "4 passed" in said, "accelerators: tests: 4, leases: 4" in said) == (0, True, True), said
    assert leases(pool, "queued", "active") == []


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGINT, ()), (signal.SIGINT, ("-p", "xdist", "-n", "1")), (signal.SIGKILL, ())],
    ids=["interrupted", "interrupted with xdist", "killed"],
)
def test_a_run_that_is_ended_gives_its_devices_back(
    pool: Pool, tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    process = start(pool, project(tmp_path, STOPS), *options)
    try:
        wait_until((tmp_path / "up").exists, 60)
        assert len(leases(pool, "active")) == 1
        os.killpg(process.pid, number)  # as a terminal does
        process.communicate(timeout=LIMIT_S)
        wait_until(lambda: not leases(pool, "queued", "active"))
    finally:
        process.kill()


def test_markers_that_are_wrong_fail_whatever_the_policy(tmp_path: Path) -> None:
    wrong = {
        "'tpu'": "accelerator: kind is one of 'any', 'gpu'",
        "memry=1": "unexpected keyword argument 'memry'",
        "lease='module'": "lease is one of session, test, not 'module'",
        "'gpu', 'cpu'": "a marker names one kind, not ('gpu', 'cpu')",
        "wait=-1": "accelerator: wait is ",
    }
    tests = [
        f"@pytest.mark.accelerator({marker})\ndef test_{number}(accelerator): pass\n"
        for number, marker in enumerate(wrong)
    ]
    code, said = run(None, project(tmp_path, "import pytest\n" + "".join(tests), "accelerator_policy = skip"))
    assert (code, f"{len(wrong)} errors" in said) == (1, True), said
    assert [words for words in wrong.values() if words not in said] == [], said
    assert "another exception occurred" not in said


def test_options_that_are_wrong_are_told_before_anything_runs(tmp_path: Path) -> None:
    for ini, words in (
        ("accelerator_policy = hope", "accelerator_policy is one of wait, skip, fail, not 'hope'"),
        ("accelerator_wait = long", "accelerator_wait is a number of seconds from 0 on, not 'long'"),
    ):
        code, said = run(None, project(tmp_path, BASIC, ini))
        assert (code, words in said) == (4, True), said


def test_tests_that_ask_for_no_accelerator_pay_nothing(tmp_path: Path) -> None:
    code = """
import sys

def test_plain():
    assert [name for name in ("accelpool", "numpy") if name in sys.modules] == []
"""
    found, said = run(None, project(tmp_path, code + BASIC), "-m", "not accelerator", is_alone=False)
    assert (found, "1 passed, 2 deselected" in said) == (0, True), said
    assert "accelerators:" not in said
