"""Shared virtual memory: an address that the client is told, and everything that buffers can."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

import pytest

from accelpool_node.control import Cause
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.errors import MemoryError as DeviceMemoryError

from ..integration.wire_client import WAIT_S, Client
from ..integration.worker_rig import Target, Worker
from .conftest import LONG
from .test_backend_memory_share import SHARE, assert_free

PAGE = 4096
SVM_CAPABILITIES, COARSE_GRAIN_BUFFER = 0x1053, 1
SOURCE = """
__kernel void link(__global ulong *a) { a[0] = (ulong)(a + 2); a[2] = 77; }
__kernel void follow(__global ulong *a, __global ulong *out)
{ out[0] = (ulong)a; out[1] = *(__global ulong *)a[0]; }
"""


def svm(client: Client, context: int, size: int = 2 * PAGE, alignment: int = PAGE, flags: int = 1) -> int:
    """Return the handle of new memory; its address is in `addresses`."""
    handle = client.new()
    message = m.CreateSVM(handle, context, flags, size, alignment)
    addresses[handle] = client.connection.ask(message, m.SVMCreated, WAIT_S).address
    return handle


addresses: dict[int, int] = {}


@pytest.fixture(autouse=True)
def _has_svm(client: Client) -> None:
    if not int(client.connection.devices[0].info.get(SVM_CAPABILITIES) or 0) & COARSE_GRAIN_BUFFER:
        pytest.skip("the device has no coarse-grained shared virtual memory")


def test_both_ends_agree_on_the_feature(client: Client) -> None:
    assert "svm" in client.connection.features


@pytest.mark.parametrize("alignment", [1, 128, PAGE, 65536])
def test_the_address_is_aligned_as_it_was_asked_for(client: Client, context: int, alignment: int) -> None:
    handles = [svm(client, context, 100, alignment) for _ in range(3)]
    found = sorted(addresses[handle] for handle in handles)
    assert not any(address % alignment for address in found)
    assert all(second - first >= 100 for first, second in itertools.pairwise(found))


def test_it_is_a_buffer_to_all_commands(client: Client, context: int, queue: int) -> None:
    memory, other = svm(client, context), client.buffer(context, 2 * PAGE)
    client.write(queue, memory, b"content!", offset=8)
    client.post(m.EnqueueFillBuffer(queue, memory, b"x", 0, 4))
    client.post(m.EnqueueCopyBuffer(queue, memory, other, 0, 16, 16))
    client.post(m.EnqueueCopyBuffer(queue, other, memory, 16, PAGE, 16))
    client.post(m.EnqueueMigrateMemObjects(queue, [memory]))
    assert client.read(queue, memory, 16, offset=PAGE) == client.read(queue, memory, 16)
    assert client.read(queue, memory, 8, offset=PAGE + 8) == b"content!"


def test_large_writes_and_reads_arrive(client: Client, context: int, queue: int) -> None:
    content = bytes(range(256)) * 4096
    memory = svm(client, context, len(content))
    client.write(queue, memory, content)
    assert client.read(queue, memory, len(content)) == content


def test_kernels_see_the_address_that_the_client_was_told(
    client: Client, context: int, queue: int, computes: bool
) -> None:
    program = client.program(context, SOURCE)
    client.build(program)
    memory, out = svm(client, context), client.buffer(context, 16)
    client.launch(queue, client.kernel(program, "link"), [1], {memory: 64})
    client.launch(queue, client.kernel(program, "follow"), [1], {memory: 64}, out)
    seen = struct.unpack("2Q", client.read(queue, out, 16))
    assert not computes or seen == (addresses[memory] + 64, 77)
    (link,) = struct.unpack("Q", client.read(queue, memory, 8, offset=64))
    assert not computes or link == addresses[memory] + 64 + 16


@pytest.mark.parametrize("place", [{}, {0: 0}, {999_999: 0}])
def test_a_place_that_is_none_is_refused(client: Client, program: int, place: dict[int, int]) -> None:
    client.set_args(client.kernel(program, "twice"), place)
    assert client.failure().code in (ErrorCode.INVALID_ARG_VALUE, ErrorCode.INVALID_MEM_OBJECT)


@pytest.mark.parametrize("offset", [-1, 2 * PAGE])
def test_an_offset_beyond_the_memory_is_refused(
    client: Client, context: int, program: int, offset: int
) -> None:
    client.set_args(client.kernel(program, "twice"), {svm(client, context): offset})
    assert client.failure().code == ErrorCode.INVALID_ARG_VALUE


def test_a_buffer_has_no_place_in_shared_virtual_memory(client: Client, context: int, program: int) -> None:
    client.set_args(client.kernel(program, "twice"), {client.buffer(context, 64): 0})
    assert client.failure().code == ErrorCode.INVALID_ARG_VALUE


def test_a_launch_with_memory_that_was_released_fails(
    client: Client, context: int, queue: int, program: int
) -> None:
    kernel, memory = client.kernel(program, "twice"), svm(client, context)
    client.set_args(kernel, {memory: 0})
    client.sync()
    client.release(memory)
    client.launch(queue, kernel, [1])
    assert client.failure().code == ErrorCode.INVALID_MEM_OBJECT


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"size": -1}, {"alignment": 0}, {"alignment": 3}, {"alignment": 131072}, {"flags": 0x401}],
    ids=str,
)
def test_what_is_not_possible_is_an_invalid_value(
    client: Client, context: int, wrong: dict[str, int]
) -> None:
    with pytest.raises(Error) as caught:
        svm(client, context, **wrong)
    assert caught.value.code == ErrorCode.INVALID_VALUE


def test_it_takes_its_size_and_its_alignment_of_the_share(open_session: Callable[..., Client]) -> None:
    small = open_session(memory_bytes=SHARE)
    context = small.context()
    memory = svm(small, context, 400_001, PAGE)
    assert_free(small, context, SHARE - 400_001 - PAGE)
    with pytest.raises(DeviceMemoryError) as caught:
        svm(small, context, SHARE - 400_001 - 2 * PAGE + 1, PAGE)
    assert caught.value.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE
    small.release(memory)
    assert_free(small, context, SHARE)


def test_regions_hold_its_bytes(open_session: Callable[..., Client]) -> None:
    small = open_session(memory_bytes=SHARE)
    context = small.context()
    memory = svm(small, context, 400_000, PAGE)
    region = small.sub_buffer(memory, 0, 1024)
    small.release(memory)
    assert_free(small, context, SHARE - 400_000 - PAGE)
    queue = small.queue(context)
    small.write(queue, region, b"still there")
    assert small.read(queue, region, 11) == b"still there"
    small.release(region)
    assert_free(small, context, SHARE)


def test_it_is_freed_after_the_commands_that_use_it(
    client: Client, context: int, queue: int, program: int
) -> None:
    memory = svm(client, context)
    client.launch(queue, client.kernel(program, "spin"), [1], {memory: 0}, LONG)
    client.release(memory)
    client.finish(queue)


def test_a_session_that_has_it_in_use_ends_in_order(target: Target) -> None:
    with Worker(target) as worker:
        with worker.connect() as connection:
            client = Client(connection)
            context = client.context()
            client.fill(client.queue(context), svm(client, context), b"x", PAGE)
        assert worker.ended().cause is Cause.GOODBYE
        assert (worker.process.returncode, worker.errors()) == (0, "")
