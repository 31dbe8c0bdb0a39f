"""A session's part of a GPU's multiprocessors, through a daemon of MPS that the tests start."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

import accelpool.cuda.driver as cuda
from accelpool.cuda import over
from accelpool.cuda.compiler import SourceModule
from accelpool.testing import FakeConnection, fake_context
from accelpool_node import drivers, mps
from accelpool_node.sandbox.policy import Mode

from ..integration.worker_rig import Target, Worker

pytestmark = pytest.mark.cuda

DAEMON = shutil.which("nvidia-cuda-mps-control")
LIMIT_S = 60.0
SHARE_BYTES = 1 << 30
WHERE = """
__global__ void where(unsigned *places) {
    unsigned place;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(place));
    long long until = clock64() + 1000000;
    while (clock64() < until);
    places[blockIdx.x] = place;
}
"""


@pytest.fixture(scope="module")
def pipe() -> Iterator[str]:
    """The directory of a daemon that runs."""
    if DAEMON is None:
        pytest.skip("there is no nvidia-cuda-mps-control on the PATH")
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:  # short: the name of a socket is
        variables = {**os.environ, mps.DIRECTORY: folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        run = subprocess.run([DAEMON, "-d"], env=variables, capture_output=True, text=True, timeout=LIMIT_S)
        if run.returncode:
            pytest.skip(f"MPS's daemon does not start: {run.stderr or run.stdout}")
        try:
            yield folder
        finally:
            subprocess.run([DAEMON], input=b"quit\n", env=variables, timeout=LIMIT_S, check=False)


def multiprocessors_used(gpu: Target, pipe: str, percentage: int) -> tuple[int, int]:
    """On how many multiprocessors a session's blocks run, and how many the device has."""
    variables = drivers.child_variables(os.environ)
    environment = drivers.cuda_environment(variables, is_expected=True, pipe=pipe)
    target = replace(gpu, environment=environment)
    with Worker(target, thread_percentage=percentage) as worker:
        connection = cast(FakeConnection, worker.connect(SHARE_BYTES))
        with over(fake_context(connection)) as context:
            count = cast(Any, context).get_device().get_attribute(cuda.device_attribute.MULTIPROCESSOR_COUNT)
            places = np.zeros(16 * count, np.uint32)
            grid = (places.size, 1)
            SourceModule(WHERE).get_function("where")(cuda.Out(places), block=(32, 1, 1), grid=grid)
    return len(np.unique(places)), count


def test_the_agent_finds_the_daemon(pipe: str) -> None:
    environ = {mps.DIRECTORY: pipe}
    assert mps.find_pipe(mps.ComputeShares.MPS, environ, Mode.AUTO, "") == pipe


@pytest.mark.parametrize("percentage", [25, 50, 100])
def test_a_sessions_blocks_run_on_its_part_of_the_multiprocessors(
    gpu: Target, pipe: str, percentage: int
) -> None:
    used, count = multiprocessors_used(gpu, pipe, percentage)
    assert used <= -(-count * percentage // 100) + 2  # the driver rounds up to what it can part
    assert used >= count * percentage // 200
