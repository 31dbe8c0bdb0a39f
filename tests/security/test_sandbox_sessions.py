"""Sessions with real devices inside bubblewrap and control groups: all works as without."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import numpy as np
import pytest

import accelpool as cl
from accelpool_node.sandbox import cgroups
from accelpool_node.sandbox.cgroups import Group

from ..conftest import Pool, running, wait_until
from .test_sandbox_bubblewrap import WHY_NOT

SOURCE = """
__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }
__kernel void next(__global ulong *at) { at[0] += 1; at[1] = (ulong)at; }
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A node whose children are inside bubblewrap, and in groups where some can be made."""
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    options, group = ["--bubblewrap"], None
    try:
        group = Group(path=cgroups.own() / f"accelpool-{secrets.token_hex(4)}")
        group.path.mkdir()
        options += ["--cgroup", str(group.path)]
    except OSError:
        group = None
    yield from running(Pool(folder=tmp_path_factory.mktemp("inside"), options=tuple(options), has_tls=True))
    if group:
        group.remove()


@pytest.fixture(params=["bundled", "intel"])
def ctx(pool: Pool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[cl.Context]:
    monkeypatch.setenv("ACCELPOOL_CA", pool.ca)
    with cl.connect(pool.url, pool.token) as broker:
        found = [device for device in broker.devices() if device["environment"] == request.param]
        if not [device for device in found if not device["fault"]]:
            pytest.skip(f"no device of {request.param} works here")
        with broker.acquire(where=f'device.environment == "{request.param}"', wait=30) as ctx:
            yield ctx


@pytest.mark.opencl
def test_programs_are_built_and_run(pool: Pool, ctx: cl.Context) -> None:
    queue = cl.CommandQueue(ctx)
    numbers = np.arange(1 << 16, dtype=np.int32)
    buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=numbers)
    cl.Program(ctx, SOURCE).build().twice(queue, numbers.shape, None, buffer)
    found = np.empty_like(numbers)
    cl.enqueue_copy(queue, found, buffer)
    assert (found == 2 * numbers).all()


@pytest.mark.opencl
def test_the_builder_serves_inside(pool: Pool, ctx: cl.Context) -> None:
    serves = re.compile(rf"builder \d+ of \w+ serves .*{re.escape(ctx.devices[0].name)}")
    wait_until(lambda: serves.search(pool.agents[1].log.read_text()), 60)


@pytest.mark.opencl
def test_shared_virtual_memory_is_at_the_same_address(ctx: cl.Context) -> None:
    if not ctx.devices[0].svm_capabilities:
        pytest.skip("the device has no shared virtual memory")
    queue = cl.CommandQueue(ctx)
    shared = cl.csvm_empty(ctx, 2, np.uint64)
    with cl.SVM(shared).map_rw(queue) as mapped:
        mapped[:] = 41, 0
    cl.Program(ctx, SOURCE).build().next(queue, (1,), None, cl.SVM(shared))
    with cl.SVM(shared).map_ro(queue) as mapped:
        assert mapped[0] == 42
        assert mapped[1] == shared.ctypes.data
