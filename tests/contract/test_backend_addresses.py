"""Addresses of buffers, and buffers over a program's variables: where kernels know addresses."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, LogicError

from ..integration.wire_client import WAIT_S, Client
from ..integration.worker_rig import Target

FOLLOW = """
__kernel void follow(__global ulong *places, __global int *out) { out[0] = *(int *)places[0] + 1; }
"""
TABLE = 'extern "C" __device__ int table[4] = {5, 6, 7, 8}; extern "C" __constant__ float factor = 2.5f;\n'
READING = f"{TABLE}__kernel void look(__global int *a, int i) {{ a[0] = table[i] * factor; }}"


@pytest.fixture
def addresses(target: Target) -> None:
    """Skips where kernels know no addresses."""
    if target.environment.backend == "opencl":
        pytest.skip("buffers of OpenCL have no addresses: that is refused")


@pytest.fixture
def variables(target: Target) -> None:
    """Skips where programs show no variables."""
    if not target.is_cuda:
        pytest.skip("programs show no variables: that is refused")


def address(client: Client, buffer: int) -> m.Address:
    return client.connection.ask(m.GetBufferAddress(buffer), m.Address, WAIT_S)


def variable(client: Client, program: int, name: str) -> tuple[int, m.Address]:
    handle = client.new()
    return handle, client.connection.ask(m.CreateVariableBuffer(handle, program, name), m.Address, WAIT_S)


def test_the_feature_is_negotiated(client: Client) -> None:
    assert "addresses" in client.connection.features


def test_addresses_are_refused_where_there_are_none(
    client: Client, context: int, program: int, target: Target
) -> None:
    if target.environment.backend != "opencl":
        pytest.skip("there are some")
    with pytest.raises(LogicError) as caught:
        address(client, client.buffer(context, 64))
    assert caught.value.code == ErrorCode.INVALID_OPERATION
    with pytest.raises(LogicError) as caught:
        variable(client, program, "table")
    assert caught.value.code == ErrorCode.INVALID_OPERATION


@pytest.mark.usefixtures("addresses")
def test_a_buffer_has_an_address_and_a_region_one_within_it(client: Client, context: int) -> None:
    buffer = client.buffer(context, 4096)
    whole, part = address(client, buffer), address(client, client.sub_buffer(buffer, 1024, 512))
    assert (whole.size, part.size) == (4096, 512)
    assert part.address == whole.address + 1024


@pytest.mark.usefixtures("addresses")
def test_buffers_do_not_lie_on_each_other(client: Client, context: int) -> None:
    places = sorted(address(client, client.buffer(context, 1000)).address for _ in range(8))
    assert all(later - earlier >= 1000 for earlier, later in pairwise(places))


def test_the_address_of_what_is_no_buffer_is_refused(client: Client) -> None:
    with pytest.raises(LogicError) as caught:
        address(client, 999_999)
    assert caught.value.code == ErrorCode.INVALID_MEM_OBJECT


@pytest.mark.usefixtures("variables")
def test_kernels_follow_addresses(client: Client, context: int, queue: int) -> None:
    program = client.program(context, FOLLOW)
    client.build(program)
    value = client.buffer(context, content=struct.pack("i", 41))
    places = client.buffer(context, content=struct.pack("Q", address(client, value).address))
    out = client.buffer(context, 4)
    client.launch(queue, client.kernel(program, "follow"), [1], places, out)
    assert client.read(queue, out, 4) == struct.pack("i", 42)


@pytest.mark.usefixtures("variables")
def test_a_variable_is_a_buffer(client: Client, context: int, queue: int) -> None:
    program = client.program(context, READING)
    client.build(program)
    table, told = variable(client, program, "table")
    assert told.size == 16
    assert address(client, table).address == told.address
    assert client.read(queue, table, 16) == struct.pack("4i", 5, 6, 7, 8)
    client.write(queue, table, struct.pack("i", 70), offset=8)
    factor, _ = variable(client, program, "factor")
    client.write(queue, factor, struct.pack("f", 0.5))
    out = client.buffer(context, 4)
    client.launch(queue, client.kernel(program, "look"), [1], out, struct.pack("i", 2))
    assert client.read(queue, out, 4) == struct.pack("i", 35)


@pytest.mark.usefixtures("variables")
def test_a_variable_outlives_the_handle_of_its_program(client: Client, context: int, queue: int) -> None:
    program = client.program(context, READING)
    client.build(program)
    table, _ = variable(client, program, "table")
    client.release(program)
    assert client.read(queue, table, 4) == struct.pack("i", 5)


@pytest.mark.usefixtures("variables")
def test_variables_take_nothing_of_the_share(open_session) -> None:
    small = open_session(memory_bytes=4096)
    context = small.context()
    program = small.program(context, READING)
    small.build(program)
    for _ in range(300):
        table, _ = variable(small, program, "table")
        small.release(table)
    small.buffer(context, 4096)
    small.sync()


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("name", ["chair", "", "\0", "x" * 5000])
def test_a_variable_that_is_none_is_refused(client: Client, program: int, name: str) -> None:
    with pytest.raises(Error) as caught:
        variable(client, program, name)
    assert caught.value.code == ErrorCode.INVALID_VALUE
    client.sync()


def test_a_variable_of_what_is_no_program_is_refused(client: Client) -> None:
    with pytest.raises(LogicError) as caught:
        variable(client, 999_999, "table")
    assert caught.value.code == ErrorCode.INVALID_PROGRAM
