"""What NVIDIA's management library tells on a real GPU, from a child that is confined as an agent would."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest

import accelpool.cuda.driver as cuda
from accelpool.cuda.compiler import SourceModule
from accelpool_node import cuda_toolkit, discover, drivers
from accelpool_node.agent.devices import attributes, place_of
from accelpool_node.gpus import Gpu, Look, readings_of
from accelpool_node.mig import with_instances

from ..integration.worker_rig import confinement

pytestmark = pytest.mark.cuda

LIMIT_S = 60.0
SPIN = """
__global__ void spin(long long ticks) { long long until = clock64() + ticks; while (clock64() < until); }
"""


def ask(environment: drivers.DriverEnvironment, module: str, *arguments: str) -> bytes:
    """What a child prints."""
    jail = confinement().begin(environment)
    command = [sys.executable, "-m", module, *arguments, "--sandbox", jail.policy.encoded()]
    done = subprocess.run(
        command,
        env={**jail.variables},
        cwd=jail.folder,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def look() -> list[Gpu]:
    environment = drivers.monitor_environment(drivers.child_variables(os.environ))
    return msgspec.json.decode(ask(environment, "accelpool_node.monitor", "--once"), type=Look).gpus


@pytest.fixture(scope="module")
def gpus() -> list[Gpu]:
    if not cuda_toolkit.has_driver():
        pytest.skip("there is no driver of NVIDIA's here")
    return look()


@pytest.fixture(scope="module")
def cuda_environment() -> drivers.DriverEnvironment:
    if not cuda_toolkit.has_pycuda():
        pytest.skip("there is no PyCUDA here")
    return drivers.cuda_environment(drivers.child_variables(os.environ), is_expected=True)


def listed(environment: drivers.DriverEnvironment) -> list[discover.Listed]:
    output = ask(environment, "accelpool_node.discover", "--backend", environment.backend, "--list")
    (listing,), trouble = discover.parse(output)
    assert isinstance(listing, discover.Listing), trouble
    return listing.devices


def test_each_gpu_tells_what_it_measures(gpus: list[Gpu]) -> None:
    assert gpus
    for gpu in gpus:
        told = gpu.readings
        assert told.memory_used_bytes is not None and told.memory_used_bytes > 0  # noqa: PT018
        assert told.temperature_c is None or 0 < told.temperature_c < 120
        assert told.power_w is None or 0 < told.power_w < 2000
        assert told.clock_hz is None or told.clock_hz > 10**8
        assert gpu.is_parted or told.utilization is not None


def test_each_cuda_device_has_the_readings_of_its_gpu(
    gpus: list[Gpu], cuda_environment: drivers.DriverEnvironment
) -> None:
    by_place = {gpu.place: gpu for gpu in gpus}
    for environment in with_instances({"cuda": cuda_environment}, gpus).values():
        for device in listed(environment):
            told = attributes(device)
            found = readings_of(
                gpus, {"d": {**told, **environment.known}, "p": {"hardware": place_of(device)}}
            )
            gpu = by_place[place_of(device)]
            expected = {one.uuid: one.readings for one in gpu.instances} or {gpu.uuid: gpu.readings}
            assert found["d"] in expected.values()
            assert found["p"] == gpu.readings  # as for a GPU that OpenCL lends
            plain = {uuid.removeprefix("GPU-").removeprefix("MIG-").replace("-", "") for uuid in expected}
            assert told["uuid"] in plain


def test_a_gpu_that_computes_is_busy_and_draws_power(gpus: list[Gpu], context: Any) -> None:
    if any(gpu.is_parted for gpu in gpus):
        pytest.skip("of GPUs in MIG mode nobody tells how busy they are")
    spin = SourceModule(SPIN).get_function("spin")
    for _ in range(40):  # of 0.1 s each, so that there is work for as long as looking takes
        spin(np.int64(2 * 10**8), block=(32, 1, 1), grid=(1, 1))
    busy = max(gpu.readings.utilization or 0.0 for gpu in look())
    cuda.Context.synchronize()
    assert busy > 0.5


def test_each_mig_instance_is_the_one_device_of_its_environment(
    gpus: list[Gpu], cuda_environment: drivers.DriverEnvironment
) -> None:
    instances = {one.uuid: one for gpu in gpus for one in gpu.instances}
    if not instances:
        pytest.skip("no GPU here is in MIG mode with instances")
    environments = with_instances({"cuda": cuda_environment}, gpus).values()
    found = [one for one in environments if one.known]
    assert len(found) == len(instances)
    for environment in found:
        (device,) = listed(environment)
        instance = instances[environment.variables["CUDA_VISIBLE_DEVICES"]]
        assert device.info[0x106A] == instance.uuid.removeprefix("MIG-").replace("-", "")
        assert place_of(device) == environment.known["parent_hardware"]
        assert environment.known["mig_profile"] in device.name
