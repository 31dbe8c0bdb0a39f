"""Accelerators, as FPGAs are used: programs built once and loaded from binaries, beside other kinds."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests

import accelpool as cl

from ..conftest import Pool
from ..integration.worker_rig import EXTRA_ENVIRONMENTS, START_S, Target, opencl_targets

pytestmark = pytest.mark.opencl

SOURCE = "__kernel void scale(__global float *a, float by) { a[get_global_id(0)] *= by; }"
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def broker(device_pool: Pool) -> Iterator[Any]:
    with cl.connect(device_pool.url, device_pool.token) as broker:
        yield broker


@pytest.fixture
def with_accelerator(broker: Any) -> None:
    found = [device for device in broker.devices() if device["kind"] == "accelerator"]
    if not found:
        pytest.skip("this machine has no accelerator; `make devices` sets up Intel's FPGA emulator")
    assert [device["fault"] for device in found] == [""]


def scaled(ctx: Any, program: Any, values: np.ndarray, by: float) -> np.ndarray:
    """Run the kernel on values and return what it made of them."""
    queue = cl.CommandQueue(ctx)
    flags = cl.mem_flags
    buffer = cl.Buffer(ctx, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=values)
    program.scale(queue, values.shape, None, buffer, np.float32(by))
    out = np.empty_like(values)
    cl.enqueue_copy(queue, out, buffer)
    return out


@pytest.mark.usefixtures("with_accelerator")
def test_a_program_is_built_once_and_loaded_from_its_binary(broker: Any) -> None:
    with broker.acquire("accelerator", wait=30) as ctx:
        (device,) = ctx.devices
        assert device.type == cl.device_type.ACCELERATOR
        (binary,) = cl.Program(ctx, SOURCE).build().binaries
        first = ctx.lease.id
    values = np.arange(1000, dtype=np.float32)
    with broker.acquire("accelerator", wait=30) as ctx:
        assert ctx.lease.id != first
        program = cl.Program(ctx, ctx.devices, [binary]).build()
        assert [kernel.function_name for kernel in program.all_kernels()] == ["scale"]
        np.testing.assert_array_equal(scaled(ctx, program, values, 3), 3 * values)


@pytest.mark.usefixtures("with_accelerator")
def test_the_pool_shows_which_binary_an_accelerator_was_loaded_with_last(
    broker: Any, wait_until: Any
) -> None:
    for source in (SOURCE, SOURCE.replace("*=", "+=")):
        with broker.acquire("accelerator", wait=30) as ctx:
            (binary,) = cl.Program(ctx, source).build().binaries
            cl.Program(ctx, ctx.devices, [binary]).build()
            device = ctx.devices[0].pool_id
        expected = hashlib.sha256(binary).hexdigest()
        wait_until(lambda device=device, expected=expected: image_of(broker, device) == expected)


def image_of(broker: Any, device: str) -> str | None:
    """Return the SHA-256 of what a device of the pool was loaded with."""
    (found,) = [item["loaded_image"] for item in broker.devices() if item["id"] == device]
    return found and found["sha256"]


@pytest.mark.usefixtures("with_accelerator")
def test_curl_builds_once_and_loads_the_binary_under_another_lease(device_pool: Pool) -> None:
    values = np.arange(100, dtype=np.float32)
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {device_pool.token}"
        lease = leased(http, device_pool.url)
        program = http.post(f"{lease}/programs", json={"source": SOURCE}, timeout=60).json()["id"]
        binary = http.get(f"{lease}/programs/{program}/binary", timeout=60)
        assert binary.headers["Content-Type"] == "application/octet-stream"
        http.delete(lease, timeout=60)

        lease = leased(http, device_pool.url)
        loaded = http.post(f"{lease}/programs", data=binary.content, headers=OCTETS, timeout=60)
        assert loaded.status_code == 201, loaded.text
        assert [kernel["name"] for kernel in loaded.json()["kernels"]] == ["scale"]
        buffer = http.post(f"{lease}/buffers", json={"size_bytes": values.nbytes}, timeout=60).json()["id"]
        content = f"{lease}/buffers/{buffer}/content"
        http.put(content, data=values.tobytes(), headers=OCTETS, timeout=60)
        args = [{"buffer": buffer}, {"type": "float", "value": 0.5}]
        launch = {"program": loaded.json()["id"], "kernel": "scale", "global_size": [100], "args": args}
        answer = http.post(f"{lease}/launches", json=launch, timeout=60)
        assert answer.status_code == 201, answer.text
        out = np.frombuffer(http.get(content, timeout=60).content, np.float32)
        http.delete(lease, timeout=60)
    np.testing.assert_array_equal(out, values / 2)


def leased(http: requests.Session, url: str) -> str:
    """Return the URL of an active lease of an accelerator."""
    lease = http.post(
        f"{url}/leases?wait_s=25", json={"kind": "accelerator", "ttl_s": 3600}, timeout=60
    ).json()
    assert lease["state"] == "active", lease
    return f"{url}/leases/{lease['id']}"


@pytest.mark.usefixtures("with_accelerator")
def test_another_sessions_nonsense_is_no_binary(broker: Any) -> None:
    with broker.acquire("accelerator", wait=30) as ctx, pytest.raises(cl.Error):
        cl.Program(ctx, ctx.devices, [b"no binary of any kind"]).build()


def test_every_device_of_a_node_computes_at_once(broker: Any) -> None:
    healthy = [device for device in broker.devices() if not device["fault"]]
    if len(healthy) < 2:
        pytest.skip(f"one node with several devices is needed, this one has {len(healthy)}: `make devices`")
    assert len({device["node"] for device in healthy}) == 1
    all_hold_one = threading.Barrier(len(healthy), timeout=60)
    results: dict[str, Any] = {}

    def work(device: dict[str, Any]) -> None:
        values = np.arange(1 << 16, dtype=np.float32)
        try:
            with broker.acquire(device=device["id"], wait=30) as ctx:
                all_hold_one.wait()
                out = scaled(ctx, cl.Program(ctx, SOURCE).build(), values, 2)
                results[device["name"]] = bool(np.array_equal(out, 2 * values))
                all_hold_one.wait()
        except Exception as error:
            results[device["name"]] = error
            all_hold_one.abort()

    threads = [threading.Thread(target=work, args=(device,)) for device in healthy]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert results == dict.fromkeys((device["name"] for device in healthy), True)


def test_the_environments_of_make_devices_all_work() -> None:
    if not EXTRA_ENVIRONMENTS.exists():
        pytest.skip("`make devices` has not been run here")
    assert "fpga" in {target.environment.name for target in opencl_targets() if not target.fault}


NONSENSE = """
import sys
from accelpool_node.backends.opencl import OpenCLBackend, probe
probe.PROBE_SOURCE = probe.PROBE_SOURCE.replace("exp(-x[i])", "(i == 17 ? NAN : exp(-x[i]))")
backend = OpenCLBackend()
(device,) = [device for device in backend.devices() if device.name == sys.argv[1]]
print(backend.probe(device))
"""


def test_a_device_that_computes_nonsense_is_found_out(pool_device: Target) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NONSENSE, pool_device.device],
        env=dict(pool_device.environment.variables),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=True,
    )
    assert "as nan, not" in done.stdout
