"""The monitor over a management library that is made up (`nvml.c`), loaded by the real `pynvml`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accelpool_icd.build import zig
from accelpool_node import drivers
from accelpool_node.agent.confinement import Confinement
from accelpool_node.agent.monitor import Monitor
from accelpool_node.agent.processes import Processes
from accelpool_node.agent.state_dir import StateDir
from accelpool_node.gpus import Look, Readings
from accelpool_node.monitor import ABSENT, FAILED
from accelpool_node.sandbox.policy import Mode

from ..conftest import coverage_variables
from ..gpu_cases import GPUS
from ..integration.agent_rig import FakeBroker, Node

SOURCE = Path(__file__).parent / "nvml.c"
LIMIT_S = 200.0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> drivers.DriverEnvironment:
    """The environment of a monitor that finds a library that is made up."""
    folder = tmp_path_factory.mktemp("nvml")
    command = [*zig(), "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", str(SOURCE)]
    subprocess.run([*command, "-o", str(folder / "libnvidia-ml.so.1")], check=True, timeout=LIMIT_S)
    variables = drivers.child_variables(os.environ, coverage_variables())
    return drivers.monitor_environment({**variables, "LD_LIBRARY_PATH": str(folder)})


def failing(environment: drivers.DriverEnvironment, code: int) -> drivers.DriverEnvironment:
    """Return an environment whose library does not start."""
    return replace(environment, variables={**environment.variables, "NVML_FAILS": str(code)})


def look_once(environment: drivers.DriverEnvironment) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "accelpool_node.monitor", "--once"]
    return subprocess.run(
        command, env=dict(environment.variables), capture_output=True, timeout=LIMIT_S, check=False
    )


def test_a_look_has_what_each_gpu_tells_and_its_mig_instances(
    environment: drivers.DriverEnvironment,
) -> None:
    done = look_once(environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert msgspec.json.decode(done.stdout, type=Look).gpus == GPUS


def test_what_no_sensor_can_measure_is_not_told(environment: drivers.DriverEnvironment) -> None:
    odd = replace(environment, variables={**environment.variables, "NVML_IS_ODD": "1"})
    whole, parted = msgspec.json.decode(look_once(odd).stdout, type=Look).gpus
    assert whole.readings == msgspec.structs.replace(GPUS[0].readings, utilization=None, power_w=None)
    assert [one.readings.power_w for one in (parted, *parted.instances)] == [None] * 3


@pytest.mark.parametrize("code", [9, 12])  # DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND
def test_without_a_driver_there_is_no_look_and_no_complaint(
    environment: drivers.DriverEnvironment, code: int
) -> None:
    done = look_once(failing(environment, code))
    assert (done.returncode, done.stdout, done.stderr) == (ABSENT, b"", b"")


def test_a_library_that_does_not_start_says_why(environment: drivers.DriverEnvironment) -> None:
    done = look_once(failing(environment, 999))
    assert (done.returncode, done.stdout) == (FAILED, b"")
    assert done.stderr.startswith(b"NVIDIA's management library does not start: ")


def with_monitor(
    folder: Path,
    environment: drivers.DriverEnvironment,
    what: Callable[[Monitor], Coroutine[Any, Any, Any]],
) -> Any:
    """Return what comes of a monitor, whose child is confined as an agent would confine it."""

    async def run() -> Any:
        with StateDir(folder) as state:
            processes = Processes(state, Confinement(Mode.AUTO, folder / "work"))
            try:
                return await what(Monitor(processes, environment, LIMIT_S))
            finally:
                await processes.kill_all(LIMIT_S)

    return asyncio.run(run())


def test_an_agent_is_told_which_gpus_there_are(
    tmp_path: Path, environment: drivers.DriverEnvironment
) -> None:
    assert with_monitor(tmp_path, environment, lambda monitor: monitor.look()) == GPUS


def test_an_agent_has_the_readings_of_its_devices(
    tmp_path: Path, environment: drivers.DriverEnvironment
) -> None:
    devices = {"opencl/H100": {"hardware": "0000:19:03"}, "pocl/cpu": {"name": "cpu"}}

    async def listen(monitor: Monitor) -> dict[str, Readings]:
        listening = asyncio.create_task(monitor.run())
        async with asyncio.timeout(LIMIT_S):
            while not monitor.readings(devices):
                await asyncio.sleep(0.02)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        return monitor.readings(devices)

    assert with_monitor(tmp_path, environment, listen) == {"opencl/H100": GPUS[0].readings}


def test_an_agent_does_not_ask_again_where_there_is_no_driver(
    tmp_path: Path, environment: drivers.DriverEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen(monitor: Monitor) -> None:
        async with asyncio.timeout(LIMIT_S):
            await monitor.run()

    with_monitor(tmp_path, failing(environment, 9), listen)
    assert caplog.messages == []


def test_an_agent_reports_what_its_devices_measure(
    tmp_path: Path, environment: drivers.DriverEnvironment
) -> None:
    expected = {"null/null-0": msgspec.to_builtins(GPUS[0].readings)}
    with FakeBroker() as broker:
        node = Node(
            broker,
            tmp_path / "state",
            "--backend=null:1",
            "--worker-user=none",  # pytest's folders are for who runs it
            module="tests.emulation.agent_with_gpu",
            variables={"LD_LIBRARY_PATH": environment.variables["LD_LIBRARY_PATH"]},
        )
        with node:
            broker.wait_for_report(lambda report: report.get("readings") == expected)
