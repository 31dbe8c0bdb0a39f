"""Contexts of CUDA on each GPU of this machine, over a worker as an agent would start it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from accelpool.cuda import over
from accelpool.testing import FakeConnection, fake_context

from ..integration.worker_rig import Target, Worker, cuda_targets

SHARE_BYTES = 4 << 30


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gpu" not in metafunc.fixturenames:
        return
    targets = cuda_targets()
    faults = "; ".join(f"{target.id}: {target.fault[:100]}" for target in targets)
    nothing = pytest.mark.skip(reason=f"no CUDA device works here ({faults or 'there is none'})")
    devices = [pytest.param(target, id=target.id) for target in targets if not target.fault]
    parameters = devices or [pytest.param(None, id="none", marks=nothing)]
    metafunc.parametrize("gpu", parameters, indirect=True, scope="module")


@pytest.fixture(scope="module")
def gpu(request: pytest.FixtureRequest) -> Target:
    """The device under test."""
    return request.param


@pytest.fixture(scope="module")
def context(gpu: Target) -> Iterator[Any]:
    """A context on the device under test, current in this thread while a module's tests run."""
    with Worker(gpu) as worker:
        connection = cast(FakeConnection, worker.connect(SHARE_BYTES))  # a real one, and no lease behind it
        with over(fake_context(connection)) as context:
            yield context
