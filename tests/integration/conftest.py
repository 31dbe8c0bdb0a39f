"""Fixtures that several modules here share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import accelpool
from accelpool.rest import RestClient

from ..conftest import Pool, wait_until
from .cli_rig import Cli
from .notebook_rig import SETUP, TWICE, Notebook
from .scripted_device import Device
from .stub_rig import stubs


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The command line with a home folder of its own; what a failed test has left running is killed."""
    yield from Cli(tmp_path).until_the_end_of_the_test()


@pytest.fixture
def idle_pool(null_pool: Pool) -> Pool:
    """The pool of null devices, once what tests before had leased has ended."""
    rest = RestClient(null_pool.url, null_pool.token)
    wait_until(lambda: not any(rest.pages("/leases", {"state": state}) for state in ("queued", "active")))
    rest.close()
    return null_pool


@pytest.fixture
def driver(tmp_path: Path) -> dict[str, str]:
    """The variables that name a driver, which no loader loads here, and where lease files go."""
    (tmp_path / "libaccelpool.so").touch()
    (tmp_path / "runtime").mkdir()
    return {
        "ACCELPOOL_DRIVER_PATH": str(tmp_path / "libaccelpool.so"),
        "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
    }


@pytest.fixture
def device() -> Iterator[Device]:
    """A session on a scripted device."""
    device = Device()
    yield device
    device.end_all()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Stubs of an agent's child processes, a state directory and the children of a test."""
    with stubs(tmp_path, monkeypatch) as bench:
        yield bench


@pytest.fixture
def broker(opencl_pool: Pool) -> Iterator[accelpool.Broker]:
    """The client of the pool of OpenCL devices; modules that test brokers have their own."""
    with accelpool.connect(opencl_pool.url, opencl_pool.token) as broker:
        yield broker


@pytest.fixture
def notebook(opencl_pool, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("ACCELPOOL_URL", opencl_pool.url)
    monkeypatch.setenv("ACCELPOOL_TOKEN", opencl_pool.token)
    notebook = Notebook.begin()
    yield notebook
    notebook.end()


@pytest.fixture
def used(notebook):
    """A notebook with a lease, a kernel and a buffer of 0, 2, 4, ..., which then idles until it is parked."""
    notebook.run("%accelpool any")
    notebook.run(TWICE)
    notebook.run(SETUP)
    notebook.run("event = twice(queue, (1000,), None, x)")
    return notebook


@pytest.fixture
def parked(used):
    used.idle(minutes=10)
    assert used.magics.lease.is_parked
    return used
