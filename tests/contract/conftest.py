"""A session on each device of this machine and a store of each kind, for contracts that all of them keep."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from accelpool_broker.store import Store, open_store
from accelpool_node.sandbox import landlock
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import Error

from ..conftest import SANDBOX_VARIABLE, wait_until
from ..integration.builder_rig import Builder
from ..integration.wire_client import Client
from ..integration.worker_rig import SHARE_BYTES, Target, Worker, healthy_targets
from .image_painter import Painter

SOURCE = """
typedef struct { int scale; float shift; int spare[2]; } Recipe;

__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }

__kernel void add(__global const int *a, __global const int *b, __global int *sum, int bias)
{ size_t i = get_global_id(0); sum[i] = a[i] + b[i] + bias; }

__kernel void number(__global int *out, int width, int height)
{
    size_t i = get_global_id(0) + width * (get_global_id(1) + height * get_global_id(2));
    out[i] = (int)(100 * get_global_id(2) + 10 * get_global_id(1) + get_global_id(0));
}

__kernel void reverse(__global int *a, __local int *scratch)
{
    size_t i = get_local_id(0), n = get_local_size(0);
    scratch[i] = a[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    a[get_global_id(0)] = scratch[n - 1 - i];
}

__kernel void cook(__global float *a, Recipe recipe)
{ size_t i = get_global_id(0); a[i] = recipe.scale * a[i] + recipe.shift + recipe.spare[1]; }

__kernel void is_null(__global int *out, __global int *maybe) { out[get_global_id(0)] = maybe == 0; }

__kernel void constants(__constant int *table, __global int *out)
{ out[get_global_id(0)] = table[get_global_id(0)]; }

__kernel void spin(__global uint *out, ulong rounds)
{
    uint x = out[0];
    for (ulong i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u;
    out[0] = x;
}
"""
IMAGE_SUPPORT = 0x1016  # CL_DEVICE_IMAGE_SUPPORT
RUNNING, SUBMITTED = 1, 2
UNTOLD_S = 0.1
LONG_ROUNDS = 120_000_000  # of `spin`: a fraction of a second
LONG = LONG_ROUNDS.to_bytes(8, "little")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        devices = [pytest.param(target, id=target.id, marks=_marks(target)) for target in healthy_targets()]
        metafunc.parametrize("target", devices, indirect=True, scope="session")


def _begun(elapsed_s: float) -> int:
    """Return the status of a kernel that runs, so long after it was flushed."""
    return RUNNING if elapsed_s < UNTOLD_S else SUBMITTED


def _marks(target: Target) -> list[pytest.MarkDecorator]:
    if target.is_null:
        return []
    return [pytest.mark.cuda if target.is_cuda else pytest.mark.opencl]


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The device under test."""
    return request.param


@pytest.fixture
def computes(target: Target) -> bool:
    """Whether kernels do anything."""
    return not target.is_null


@pytest.fixture
def no_cuda(target: Target) -> None:
    """Skips a test of what CUDA does not have."""
    if target.is_cuda:
        pytest.skip("CUDA does not have it")


@dataclass
class Shared:
    """What the tests of one device share: a session, a context, a built program.

    A test that loses the session fails; those after it get a new one.
    """

    target: Target
    worker: Worker = field(init=False)
    connection: Connection = field(init=False)
    context: int = field(init=False)
    program: int = field(init=False)
    built: m.Built = field(init=False)

    def open(self) -> None:
        self.worker = Worker(self.target).start()
        self.connection = self.worker.connect()
        client = Client(self.connection)
        self.context = client.context()
        self.program = client.program(self.context, SOURCE)
        self.built = client.build(self.program)

    def close(self) -> None:
        self.connection.close()
        self.worker.stop()


@pytest.fixture(scope="session")
def sessions() -> Iterator[Callable[[Target], Shared]]:
    """The sessions that tests share, one on each device for the whole run; each test leaves it in order."""
    opened: dict[str, Shared] = {}

    def on(target: Target) -> Shared:
        if target.id not in opened:
            opened[target.id] = Shared(target)
            opened[target.id].open()
        return opened[target.id]

    yield on
    for shared in opened.values():
        shared.close()


@pytest.fixture
def shared(sessions: Callable[[Target], Shared], target: Target) -> Shared:
    """The shared session on the device under test, open."""
    session = sessions(target)
    if not session.connection.is_open:
        session.close()
        session.open()
    return session


@pytest.fixture
def client(shared: Shared) -> Iterator[Client]:
    """A client of the shared session; whatever the test did to it, the session goes on."""
    client = Client(shared.connection)
    yield client
    client.failures()
    client.release(*client.made)
    client.sync()


@pytest.fixture
def context(shared: Shared) -> int:
    return shared.context


@pytest.fixture
def program(shared: Shared) -> int:
    """A built program of `SOURCE`."""
    return shared.program


@pytest.fixture
def queue(client: Client, context: int) -> int:
    """An in-order queue without profiling."""
    return client.queue(context)


@pytest.fixture
def spin(client: Client, context: int, program: int) -> Iterator[Callable[..., int]]:
    """Launches a kernel that takes so many fractions of a second where kernels compute; returns its event.

    One of several fractions has begun when this returns: a runtime may have whoever waits for another command
    run a kernel that has not. NVIDIA's never says that a command runs, so there it has been submitted for a
    while.
    """
    kernel = client.kernel(program, "spin")
    out = client.buffer(context, 64)
    queues = set()

    def launch(queue: int, fractions: int = 1) -> int:
        queues.add(queue)
        rounds = (fractions * LONG_ROUNDS).to_bytes(8, "little")
        event = client.launch(queue, kernel, [1], out, rounds)
        if fractions > 1:
            client.post(m.Flush(queue))
            flushed = time.monotonic()
            wait_until(lambda: client.state(event).status <= _begun(time.monotonic() - flushed))
        return event

    yield launch
    for queue in queues:
        with contextlib.suppress(Error):
            client.finish(queue)


@pytest.fixture
def open_session(target: Target) -> Iterator[Callable[..., Client]]:
    """Opens sessions of the test's own, each in a worker of its own."""
    with contextlib.ExitStack() as stack:

        def open_one(memory_bytes: int = SHARE_BYTES) -> Client:
            worker = stack.enter_context(Worker(target))
            return Client(stack.enter_context(worker.connect(memory_bytes)))

        yield open_one


@pytest.fixture
def painter(client: Client, context: int, queue: int) -> Painter:
    """A client that knows images, on a device that has them."""
    if not client.connection.devices[0].info.get(IMAGE_SUPPORT):
        pytest.skip("the device has no images: it refuses them, see test_backend_image_refusals.py")
    return Painter(client, context, queue)


# ---- the builder ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def builder(target: Target) -> Iterator[Builder]:
    """A builder for the device under test."""
    if target.is_cuda and os.environ.get(SANDBOX_VARIABLE) != "off" and os.geteuid() == 0 and landlock.abi():
        pytest.skip("a builder that stays root names no threads, as CUDA wants to: see docs/cuda.md")
    with Builder(target) as builder:
        assert builder.able == [target.device]
        yield builder


@pytest.fixture
def counted(builder: Builder) -> Callable[[], tuple[int, int]]:
    """Returns the hits and misses since the test began."""
    before = builder.counts()

    def since() -> tuple[int, int]:
        now = builder.counts()
        return now.hits - before.hits, now.misses - before.misses

    return since


@pytest.fixture
def connect(target: Target, builder: Builder) -> Iterator[Callable[[], Client]]:
    """Opens sessions whose workers may ask the builder."""
    with contextlib.ExitStack() as stack:

        def open_one() -> Client:
            worker = stack.enter_context(Worker(target, connect_builder=builder.connect))
            return Client(stack.enter_context(worker.connect()))

        yield open_one


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store of each kind, with nothing in it."""
    urls = {"memory": lambda: None, "sqlite": lambda: f"sqlite:///{tmp_path / 'broker.sqlite'}"}
    url = urls.get(request.param, lambda: request.getfixturevalue("postgres_url"))()
    opened = open_store(url, None)
    yield opened
    opened.close()
