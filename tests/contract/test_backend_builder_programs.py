"""What clients do with programs of the builder next: the same as with those that a worker built."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

from ..conftest import wait_until
from ..integration.wire_client import Client

WAIT_S = 60.0
STATUS, LOG, BINARY_TYPE, VARIABLES = 0x1181, 0x1183, 0x1184, 0x1185
CONSTRUCTORS, DESTRUCTORS = 0x116A, 0x116B
GROUP_INFOS = (0x11B0, 0x11B1, 0x11B2, 0x11B3, 0x11B4)
SEVENFOLD = "#define SEVEN 7\n__kernel void sevenfold(__global int *a) { a[0] *= SEVEN; }\n"
INCLUDING = '#include "seven.h"\n__kernel void times(__global int *a, int b) { a[0] *= SEVEN * b; }\n'


@pytest.fixture
def loaded(
    connect: Callable[[], Client], counted: Callable[[], tuple[int, int]], request: pytest.FixtureRequest
) -> tuple[Client, int, int]:
    """A client with a context and a program of `SEVENFOLD` from the builder, which another session built."""
    source = f"{SEVENFOLD}// {request.node.name}\n"
    other, client = connect(), connect()
    other.build(other.program(other.context(), source), "-w")
    wait_until(lambda: counted() == (0, 1), WAIT_S)
    context = client.context()
    program = client.program(context, source)
    client.build(program, "-w")
    wait_until(lambda: counted() == (1, 1), WAIT_S)
    return client, context, program


def multiplied(client: Client, context: int, kernel: int, *args: m.KernelArg) -> int:
    """Return what a kernel makes of 6."""
    queue, buffer = client.queue(context), client.buffer(context, content=(6).to_bytes(4, "little"))
    client.launch(queue, kernel, [1], buffer, *args)
    return int.from_bytes(client.read(queue, buffer, 4), "little")


def asked(client: Client, about: int, handle: int, name: int) -> object:
    try:
        return client.connection.ask(m.GetInfo(about, handle, name, 0), m.Info, WAIT_S).value
    except Error as error:
        return error.code  # not every driver knows every info


def everything(client: Client, program: int) -> dict[int, object]:
    """Return what can be asked of a built program and its kernel, but options: drivers see one of ours."""
    kernel = client.kernel(program, "sevenfold")
    told = {name: asked(client, m.BUILD, program, name) for name in (STATUS, LOG, BINARY_TYPE, VARIABLES)}
    told |= {name: asked(client, m.PROGRAM, program, name) for name in (CONSTRUCTORS, DESTRUCTORS)}
    return told | {name: asked(client, m.WORK_GROUP, kernel, name) for name in GROUP_INFOS}


@pytest.mark.usefixtures("no_cuda")
def test_a_program_of_the_builder_is_compiled_and_linked(loaded, computes):
    client, context, program = loaded
    client.connection.ask(m.CompileProgram(program, [0], "-DN=1"), m.Built, WAIT_S)
    linked = client.new()
    built = client.connection.ask(m.LinkProgram(linked, context, [program], [0]), m.Built, WAIT_S)
    assert [kernel.name for kernel in built.kernels] == ["sevenfold"]
    assert multiplied(client, context, client.kernel(linked, "sevenfold")) == (42 if computes else 6)


@pytest.mark.usefixtures("no_cuda")
def test_a_program_of_the_builder_is_a_header_with_its_kernels_alive(loaded, computes):
    client, context, program = loaded
    kernel = client.kernel(program, "sevenfold")
    including, linked = client.program(context, INCLUDING), client.new()
    compile = m.CompileProgram(including, [0], "", [program], ["seven.h"])
    client.connection.ask(compile, m.Built, WAIT_S)
    client.connection.ask(m.LinkProgram(linked, context, [including], [0]), m.Built, WAIT_S)
    two = (2).to_bytes(4, "little")
    assert multiplied(client, context, client.kernel(linked, "times"), two) == (84 if computes else 6)
    assert multiplied(client, context, kernel) == (42 if computes else 6)


def test_a_program_of_the_builder_answers_as_one_that_the_worker_built(loaded, open_session, request):
    client, _, program = loaded
    own = open_session()
    same = own.program(own.context(), f"{SEVENFOLD}// {request.node.name}\n")
    own.build(same, "-w")
    assert everything(client, program) == everything(own, same)


def test_a_program_of_the_builder_with_kernels_is_not_built_with_other_options(loaded, computes):
    client, context, program = loaded
    kernel = client.kernel(program, "sevenfold")
    for message in (m.BuildProgram(program, [0], "-DN=2"), m.CompileProgram(program, [0], "-DN=2")):
        with pytest.raises(Error) as caught:
            client.connection.call(message, WAIT_S)
        assert caught.value.code == ErrorCode.INVALID_OPERATION
    assert multiplied(client, context, kernel) == (42 if computes else 6)
    client.release(kernel)
    client.build(program, "-DN=2")
    assert multiplied(client, context, client.kernel(program, "sevenfold")) == (42 if computes else 6)
