"""Programs and devices on PyOpenCL's own objects and on the pool's: the same results, the same errors."""

import json
import subprocess
import sys

import numpy as np
import pytest

import accelpool

from .program_cases import CALLING, ERRORS, INFOS, RESULTS, compiled, from_il, outcome, run
from .spirv_assembler import filling_module
from .test_sdk_parity import Bench
from .worker_rig import opencl_targets

pytest.importorskip("pyopencl")
pytestmark = pytest.mark.opencl

# Where PoCL does not do as OpenCL says, the pool does: it crashes on the last one.
POCL = {
    "from_il": ["LogicError", -59],
    "binary before its build": [True, "", ""],
    "names of compiled kernels": ["LogicError", -45, "clGetProgramInfo"],
    "kernel of a compiled program": ["LogicError", -45, "clCreateKernel"],
    "on-device queue in order": ["LogicError", -30, "CommandQueue"],
}


def bench_on(pool, environment):
    """Return an open context on the pool's device of a driver environment."""
    with accelpool.connect(pool.url, pool.token) as broker:
        found = [device for device in broker.devices() if device["environment"] == environment]
        if not [device for device in found if device["state"] == "free"]:
            pytest.skip(f"the pool has no working device of {environment}")
        with broker.acquire(wait=20, device=found[0]["id"]) as ctx:
            yield Bench(accelpool, ctx)


@pytest.fixture(scope="module", params=["intel", "bundled", "pocl"])
def ours(request, opencl_pool):
    yield from bench_on(opencl_pool, request.param)


@pytest.fixture(scope="module")
def intel(opencl_pool):
    yield from bench_on(opencl_pool, "intel")


@pytest.fixture(scope="module")
def theirs(ours):
    """What PyOpenCL gives on the same device, in a process that has its driver."""
    name = ours.device.name.strip()
    environment = ours.device._key[1]
    target = next(target for target in opencl_targets() if target.environment.name == environment)
    command = [sys.executable, "-m", "tests.integration.program_cases", name]
    lines = subprocess.run(
        command, env=dict(target.environment.variables), capture_output=True, timeout=120, check=False
    ).stdout.splitlines()
    return dict(json.loads(line) for line in lines if line.startswith(b'["'))


@pytest.mark.parametrize("name", [*RESULTS, *INFOS, *ERRORS])
def test_the_same_call_has_the_same_outcome(ours, theirs, name):
    pocl = {} if ours.device._key[1] == "intel" else POCL
    assert outcome(name, ours) == pocl.get(name, theirs.get(name, "its process crashed"))


LOCAL_DRIVERS_CRASH = {
    "linking what lacks a function": (lambda b: b.cl.link_program(b.ctx, [compiled(b)]), -17),
    "linking what is not compiled": (lambda b: b.cl.link_program(b.ctx, [b.cl.Program(b.ctx, CALLING)]), -59),
    "options no linker knows": (lambda b: b.cl.link_program(b.ctx, [compiled(b)], "--nobody"), -67),
    "no such built-in kernel": (
        lambda b: b.cl.create_program_with_built_in_kernels(b.ctx, [b.device], ["no", "none"]),
        -30,
    ),
    "SPIR-V that ends early": (lambda b: b.cl.Program(b.ctx, filling_module()[:60]).build(), -30),
    "SPIR-V of zeros": (lambda b: b.cl.Program(b.ctx, filling_module()[:20] + bytes(40)).build(), -30),
}


@pytest.mark.parametrize("name", LOCAL_DRIVERS_CRASH)
def test_what_crashes_a_driver_is_an_error_and_the_session_goes_on(intel, name):
    call, code = LOCAL_DRIVERS_CRASH[name]
    with pytest.raises(accelpool.Error) as caught:
        call(intel)
    assert caught.value.code == code
    assert from_il(intel) == 42


def test_a_specialization_constant_is_set_before_the_build(intel):
    program = accelpool.Program(intel.ctx, filling_module())
    program.set_specialization_constant(7, np.uint32(5))
    assert run(intel, program.build(), "fill") == 5
    assert (program.kind(), program.il) == (accelpool.program_kind.IL, filling_module())


@pytest.mark.parametrize(
    ("spec_id", "value", "code"), [(8, bytes(4), -71), (7, bytes(8), -30), (7, b"", -30)]
)
def test_a_wrong_specialization_constant_is_refused(intel, spec_id, value, code):
    program = accelpool.Program(intel.ctx, filling_module())
    with pytest.raises(accelpool.LogicError) as caught:
        program.set_specialization_constant(spec_id, value)
    assert caught.value.code == code


def test_clocks_of_a_device_and_its_node_go_on(intel):
    first, second = intel.device.device_and_host_timer(), intel.device.device_and_host_timer()
    assert first < second
    assert first[1] < intel.device.host_timer()


def test_kernels_enqueue_to_a_queue_on_their_device(intel):
    cl, names = accelpool, accelpool.queue_properties
    queue = cl.CommandQueue(intel.ctx, intel.device, [names.PROPERTIES, 5, names.SIZE, 4096])
    assert (queue.properties, queue.get_info(names.SIZE)) == (5, 4096)
    intel.ctx.set_default_device_command_queue(intel.device, queue)
    assert queue.get_info(names.DEVICE_DEFAULT) is queue
    source = """__kernel void f(__global int *a) {
        enqueue_kernel(get_default_queue(), CLK_ENQUEUE_FLAGS_NO_WAIT, ndrange_1D(1), ^{ a[0] = 9; });
    }"""
    assert run(intel, cl.Program(intel.ctx, source).build("-cl-std=CL3.0")) == 9
    cl.enqueue_marker(queue)
    with pytest.raises(cl.LogicError, match="on its device"):
        queue.finish()


def test_how_large_a_programs_variables_are_is_known_once_it_is_built(intel):
    info = accelpool.program_build_info.GLOBAL_VARIABLE_TOTAL_SIZE
    program = accelpool.Program(
        intel.ctx, "__global int v[100]; " + CALLING.replace("nine(void);", "nine(void) { return v[0]; }")
    )
    assert program.build("-cl-std=CL3.0").get_build_info(intel.device, info) >= 400
