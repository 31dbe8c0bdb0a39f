"""What lives in a session is of the process that made it."""

import copy
import pickle

import pytest

import accelpool as cl

from .kernel_rig import with_compiler


@pytest.fixture
def fake():
    return with_compiler()


@pytest.fixture
def program(ctx):
    return cl.Program(ctx, "source").build("-D N=4 -w")


@pytest.fixture
def x(ctx):
    return cl.Buffer(ctx, 0, 64)


def test_what_lives_in_a_session_is_not_pickled(ctx, queue, program, x):
    event = cl.enqueue_marker(queue)
    device, platform = ctx.devices[0], ctx.devices[0].platform
    for thing in (ctx, queue, program, program.nop, x, event, device, platform):
        name = type(thing).__name__
        for copying in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match=f"{name} cannot be pickled or copied: it lives in a session"):
                copying(thing)


@pytest.mark.parametrize("kind", [cl.Device, cl.Program, cl.Context, cl.CommandQueue, cl.Kernel])
def test_there_are_no_pointers(kind):
    with pytest.raises(cl.LogicError, match="no pointer"):
        kind.from_int_ptr(1)
