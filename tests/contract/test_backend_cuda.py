"""What CUDA has and OpenCL has not: parameters in one piece, PTX, errors that stick, and so on."""

from __future__ import annotations

import contextlib
import struct
import time

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, SessionLost

from ..integration.wire_client import PROFILING, WAIT_S, Client
from ..integration.worker_rig import Target

ATTRIBUTE = 0x20000
MAX_THREADS, NUM_REGS, SHARED_BYTES = ATTRIBUTE + 0, ATTRIBUTE + 4, ATTRIBUTE + 1
SHARED_ALLOWED, CACHE_PREFERENCE = 8, 0x100
TRAP = "__kernel void trap(__global int *a) { if (a) __trap(); }"
MIXED = """
__kernel void mixed(__global long *a, char c, double d, short s, int i) { a[0] = c + (long)d + s + i; }
__kernel void none() { }
"""
PTX = """
.version 7.0
.target sm_80
.address_size 64
.visible .entry seven(.param .u64 seven_param_0)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<3>;
    ld.param.u64 %rd1, [seven_param_0];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r1, 7;
    st.global.u32 [%rd2], %r1;
    ret;
}
"""


@pytest.fixture(autouse=True)
def only_cuda(target: Target) -> None:
    if not target.is_cuda:
        pytest.skip("it is not CUDA")


def place(client: Client, buffer: int) -> bytes:
    """Return a buffer's address as a parameter has it."""
    return struct.pack("Q", client.connection.ask(m.GetBufferAddress(buffer), m.Address, WAIT_S).address)


def asked(client: Client, kernel: int, name: int) -> object:
    return client.connection.ask(m.GetInfo(m.WORK_GROUP, kernel, name, 0), m.Info, WAIT_S).value


def test_a_device_tells_its_attributes_and_which_hardware_it_is(client: Client) -> None:
    info = client.connection.devices[0].info
    assert info[ATTRIBUTE + 75] == info[0x4000]  # compute capability
    assert info[ATTRIBUTE + 10] == 32  # warp
    assert len(bytes.fromhex(info[0x106A])) == 16


def test_parameters_come_in_one_piece(client: Client, context: int, program: int, queue: int) -> None:
    a, b = (client.buffer(context, content=struct.pack("i", number)) for number in (1, 20))
    total, kernel = client.buffer(context, 4), client.kernel(program, "add")
    whole = place(client, a) + place(client, b) + place(client, total) + struct.pack("i", 300)
    client.launch(queue, kernel, [1], whole)
    assert client.read(queue, total, 4) == struct.pack("i", 321)
    client.launch(queue, kernel, [1], whole + bytes(4))  # padded to 8 bytes
    client.set_args(kernel, struct.pack("i", 400), first=3)
    client.launch(queue, kernel, [1])
    assert client.read(queue, total, 4) == struct.pack("i", 421)
    client.launch(queue, kernel, [1], whole)
    assert client.read(queue, total, 4) == struct.pack("i", 321)


def test_parameters_lie_where_c_would_have_them(client: Client, context: int, queue: int) -> None:
    program = client.program(context, MIXED)
    client.build(program)
    kernel, out = client.kernel(program, "mixed"), client.buffer(context, 8)
    parts = (struct.pack("b", 1), struct.pack("d", 20.0), struct.pack("h", 300), struct.pack("i", 4000))
    client.launch(queue, kernel, [1], out, *parts)
    assert client.read(queue, out, 8) == struct.pack("q", 4321)
    whole = place(client, out) + struct.pack("<b7xdh2xi", 2, 20.0, 300, 4000)
    client.launch(queue, kernel, [1], whole)
    assert client.read(queue, out, 8) == struct.pack("q", 4322)


@pytest.mark.parametrize("size", [0, 27, 28 + 16, 4096])
def test_one_piece_of_another_size_is_refused(client: Client, program: int, queue: int, size: int) -> None:
    client.launch(queue, client.kernel(program, "add"), [1], bytes(size))
    assert client.failure().code == ErrorCode.INVALID_ARG_SIZE


def test_a_kernel_without_parameters_is_launched(client: Client, context: int, queue: int) -> None:
    program = client.program(context, MIXED)
    client.build(program)
    kernel = client.kernel(program, "none")
    for args in ([], [b""], [m.LocalMemory(64)]):
        client.post(m.EnqueueNDRangeKernel(queue, kernel, [32], [32], 0, args))
    client.finish(queue)
    client.post(m.EnqueueNDRangeKernel(queue, kernel, [32], [32], 0, [b"x"]))
    assert client.failure().code == ErrorCode.INVALID_KERNEL_ARGS


def test_shared_memory_follows_the_parameters(client: Client, context: int, program: int, queue: int) -> None:
    numbers = struct.pack("4i", 1, 2, 3, 4)
    buffer, kernel = client.buffer(context, content=numbers), client.kernel(program, "reverse")
    client.launch(queue, kernel, [4], place(client, buffer), m.LocalMemory(16), local=[4])
    assert client.read(queue, buffer, 16) == struct.pack("4i", 4, 3, 2, 1)
    client.set_args(kernel, buffer, m.LocalMemory(16))
    client.launch(queue, kernel, [4], local=[4])
    assert client.read(queue, buffer, 16) == numbers


def test_more_shared_memory_than_a_launch_has_by_itself_is_given(
    client: Client, context: int, program: int, queue: int
) -> None:
    most = client.connection.devices[0].info[0x1023]
    buffer = client.buffer(context, content=struct.pack("2i", 1, 2))
    kernel = client.kernel(program, "reverse")
    client.launch(queue, kernel, [2], buffer, m.LocalMemory(most), local=[2])
    assert client.read(queue, buffer, 8) == struct.pack("2i", 2, 1)
    client.launch(queue, kernel, [2], buffer, m.LocalMemory(most + 1), local=[2])
    assert client.failure().code == ErrorCode.OUT_OF_RESOURCES


def test_kernels_of_one_function_take_nothing_of_each_others_shared_memory(
    client: Client, context: int, program: int, queue: int
) -> None:
    most = client.connection.devices[0].info[0x1023]
    buffer = client.buffer(context, content=struct.pack("2i", 1, 2))
    large, small = client.kernel(program, "reverse"), client.kernel(program, "reverse")
    for kernel, size in ((large, most), (small, (48 << 10) + 4), (large, most)):
        client.launch(queue, kernel, [2], buffer, m.LocalMemory(size), local=[2])
    assert client.read(queue, buffer, 8) == struct.pack("2i", 2, 1)


def test_attributes_of_functions_are_set(client: Client, program: int) -> None:
    kernel, most = client.kernel(program, "reverse"), client.connection.devices[0].info[0x1023]

    def put(name: int, value: int) -> None:
        client.connection.ask(m.SetKernelAttribute(kernel, ATTRIBUTE + name, value), m.Done, WAIT_S)

    put(SHARED_ALLOWED, most)
    assert asked(client, kernel, ATTRIBUTE + SHARED_ALLOWED) == most
    put(CACHE_PREFERENCE, 2)
    for name, value in ((SHARED_ALLOWED, most + 1), (4, 8), (250, 1), (CACHE_PREFERENCE, 1 << 40)):
        with pytest.raises(Error) as caught:
            put(name, value)
        assert caught.value.code == ErrorCode.INVALID_VALUE


def test_attributes_of_functions_are_told(client: Client, program: int) -> None:
    kernel = client.kernel(program, "add")
    assert 1 <= asked(client, kernel, MAX_THREADS) <= 1024
    assert asked(client, kernel, NUM_REGS) > 0
    assert asked(client, kernel, SHARED_BYTES) == 0
    with pytest.raises(Error):
        asked(client, kernel, ATTRIBUTE + 200)


def test_times_of_a_queue_are_those_of_its_commands(client: Client, context: int, program: int) -> None:
    queue = client.queue(context, PROFILING)
    out, kernel = client.buffer(context, 4), client.kernel(program, "spin")
    first = client.marker(queue)
    event = client.launch(queue, kernel, [1], out, struct.pack("Q", 3_000_000))
    last = client.marker(queue)
    client.finish(queue)
    queued, submitted, started, ended = client.state(event).times
    assert queued <= submitted <= started < ended
    between = client.state(last).times[3] - client.state(first).times[3]
    assert 0.5 * (ended - started) <= between <= 2 * (ended - started) + 2_000_000


def test_nonsense_in_ptx_is_told_with_cudas_name(client: Client, context: int) -> None:
    program = client.program_from_binary(context, b".version 7.0\n.target sm_80\n.nonsense\n")
    with pytest.raises(Error, match="CUDA_ERROR_INVALID_PTX") as caught:
        client.build(program)
    assert caught.value.code == ErrorCode.BUILD_PROGRAM_FAILURE


def test_ptx_is_a_binary(client: Client, context: int, queue: int, target: Target) -> None:
    if target.device.startswith("Fake"):
        pytest.skip("there is no compiler of PTX")
    program = client.program_from_binary(context, PTX.encode())
    assert [kernel.name for kernel in client.build(program).kernels] == ["seven"]
    out = client.buffer(context, 4)
    client.launch(queue, client.kernel(program, "seven"), [1], out)
    assert client.read(queue, out, 4) == struct.pack("i", 7)


def finish_until_lost(client: Client, queue: int) -> None:
    """Finish a queue again and again: that fails, and once the worker has noticed the session ends."""
    for _ in range(100):
        with contextlib.suppress(Error):
            client.finish(queue)
        time.sleep(0.05)


def test_an_error_that_sticks_ends_the_session_with_its_name(open_session) -> None:
    client = open_session()
    context = client.context()
    queue, program = client.queue(context), client.program(context, TRAP)
    client.build(program)
    client.launch(queue, client.kernel(program, "trap"), [1], client.buffer(context, 4))
    with pytest.raises(SessionLost, match="CUDA_ERROR_"):
        finish_until_lost(client, queue)


def test_another_session_does_not_notice_an_error_that_sticks(
    open_session, client: Client, context: int, queue: int
) -> None:
    test_an_error_that_sticks_ends_the_session_with_its_name(open_session)
    assert client.read(queue, client.buffer(context, content=b"ok"), 2) == b"ok"
