"""Every OpenCL device of this machine, borrowed from a pool on it as any client would."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import accelpool

from ..conftest import Pool, running
from ..integration.worker_rig import EXTRA_ENVIRONMENTS, Target, opencl_targets


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pool_device" not in metafunc.fixturenames:
        return
    devices = [pytest.param(target, id=target.id) for target in opencl_targets() if not target.fault]
    faults = "; ".join(f"{target.id}: {target.fault[:100]}" for target in opencl_targets())
    nothing = pytest.mark.skip(reason=f"no OpenCL device works here ({faults or 'no driver shows one'})")
    parameters = devices or [pytest.param(None, id="none", marks=nothing)]
    metafunc.parametrize("pool_device", parameters, indirect=True, scope="module")


@pytest.fixture(scope="module")
def pool_device(request: pytest.FixtureRequest) -> Target:
    """The device under test."""
    return request.param


@pytest.fixture(scope="session")
def cl() -> ModuleType:
    """The module with PyOpenCL's names."""
    return accelpool


@pytest.fixture(scope="session")
def device_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one node with every device of this machine, those of `make devices` included."""
    extra = EXTRA_ENVIRONMENTS if EXTRA_ENVIRONMENTS.exists() else None
    folder = tmp_path_factory.mktemp("device-pool")
    yield from running(Pool(folder=folder, backend="opencl", environments=extra))


@pytest.fixture(scope="module")
def context(pool_device: Target, device_pool: Pool) -> Iterator[Any]:
    """A context on the device under test, leased while a module's tests run on it."""
    name = f"{pool_device.environment.name}/{pool_device.device}"
    with accelpool.connect(device_pool.url, device_pool.token) as broker:
        (found,) = [device for device in broker.devices() if device["name"] == name]
        with broker.acquire(device=found["id"], wait=30) as context:
            yield context
