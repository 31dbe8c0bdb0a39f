"""Fixtures that several modules here share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool.rest import RestClient

from ..conftest import Pool, wait_until
from .cli_rig import Cli
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
