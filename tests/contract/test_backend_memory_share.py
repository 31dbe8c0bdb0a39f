"""The memory share: counted to the byte, given back to the byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import MemoryError as DeviceMemoryError

from ..integration.wire_client import Client
from .conftest import LONG, SOURCE

SHARE = 1_000_003
GLOBAL_MEM_SIZE, MAX_MEM_ALLOC_SIZE = 0x101F, 0x1010


@pytest.fixture
def small(open_session: Callable[..., Client]) -> Client:
    """A client whose share is `SHARE` bytes."""
    return open_session(memory_bytes=SHARE)


def assert_free(client: Client, context: int, size: int) -> None:
    """Exactly so many bytes can be allocated."""
    client.buffer(context, size + 1)
    error = client.failure()
    assert isinstance(error, DeviceMemoryError)
    assert error.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE
    whole = client.buffer(context, size)
    client.sync()
    client.release(whole)


def test_the_device_reports_the_share_as_its_memory(small: Client) -> None:
    info = small.connection.devices[0].info
    assert info[GLOBAL_MEM_SIZE] == SHARE
    assert info[MAX_MEM_ALLOC_SIZE] == SHARE


def test_the_share_is_counted_to_the_byte(small: Client) -> None:
    context = small.context()
    assert_free(small, context, SHARE)
    first = small.buffer(context, content=b"x" * 400_001)
    assert_free(small, context, SHARE - 400_001)
    second = small.buffer(context, 600_002)
    small.sync()
    small.release(first)
    assert_free(small, context, 400_001)
    small.release(second)
    assert_free(small, context, SHARE)


def test_contexts_of_a_session_share_one_share(small: Client) -> None:
    one, other = small.context(), small.context()
    small.buffer(one, 600_000)
    small.sync()
    assert_free(small, other, SHARE - 600_000)


def test_a_device_named_twice_counts_once(small: Client) -> None:
    context = small.context([0, 0])
    small.buffer(context, 600_000)
    small.sync()
    assert_free(small, context, SHARE - 600_000)


def test_sub_buffers_take_nothing_and_hold_their_buffers_bytes(small: Client) -> None:
    context = small.context()
    buffer = small.buffer(context, 900_000)
    regions = [small.sub_buffer(buffer, 0, 1024), small.sub_buffer(buffer, 1024, 1024)]
    assert_free(small, context, SHARE - 900_000)
    small.release(buffer, regions[0])
    assert_free(small, context, SHARE - 900_000)
    small.release(regions[1])
    assert_free(small, context, SHARE)


def test_buffers_that_could_not_be_made_take_nothing(small: Client) -> None:
    context = small.context()
    small.buffer(context, SHARE + 1)
    small.buffer(context, content=b"x" * (SHARE + 1))
    small.buffer(context, 1000, flags=0b111)
    small.buffer(context, 0)
    small.sub_buffer(small.made[-1], 0, 10)
    small.failures()
    small.release(*small.made[1:])
    assert_free(small, context, SHARE)


def test_releasing_twice_gives_back_once(small: Client) -> None:
    context = small.context()
    kept, gone = small.buffer(context, 500_000), small.buffer(context, 500_000)
    small.release(gone, gone)
    small.release(gone)
    assert_free(small, context, SHARE - 500_000)
    small.release(kept)


def test_memory_in_use_by_a_running_kernel_is_not_given_out_again(small: Client, computes: bool) -> None:
    context = small.context()
    program = small.program(context, SOURCE)
    small.build(program)
    queue = small.queue(context)
    first = small.buffer(context, SHARE)
    running = small.launch(queue, small.kernel(program, "spin"), [1], first, LONG)
    small.release(first)
    small.buffer(context, SHARE)
    small.sync()
    assert not computes or small.state(running).status == 0
