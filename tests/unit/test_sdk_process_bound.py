"""What lives in a session is of the process that made it."""

import copy
import gc
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


def test_each_is_found_by_its_number(ctx, queue, program, x):
    device = ctx.devices[0]
    sampler = cl.Sampler(ctx, False, cl.addressing_mode.CLAMP, cl.filter_mode.NEAREST)
    things = [device, device.platform, ctx, queue, cl.enqueue_marker(queue), program, program.nop, x, sampler]
    for thing in things:
        assert type(thing).from_int_ptr(thing.int_ptr) is thing
        assert thing.int_ptr == thing.int_ptr
    assert len({thing.int_ptr for thing in things}) == len(things)


def test_equal_devices_share_their_number():
    one, other = (cl.Device({}, cl.Platform({}), ("n", "", "d")) for _ in range(2))
    assert one.int_ptr == other.int_ptr
    assert cl.Device.from_int_ptr(one.int_ptr) == one


@pytest.mark.parametrize("kind", [cl.Device, cl.Program, cl.Context, cl.CommandQueue, cl.Kernel])
def test_what_is_no_such_number_is_refused(kind, x):
    for number in (1, x.int_ptr):
        with pytest.raises(cl.LogicError, match=f"no {kind.__name__} of this process") as caught:
            kind.from_int_ptr(number)
        assert caught.value.code == cl.status_code.INVALID_VALUE


def test_a_number_keeps_nothing_alive(ctx):
    number = cl.Buffer(ctx, 0, 64).int_ptr
    gc.collect()
    with pytest.raises(cl.LogicError):
        cl.Buffer.from_int_ptr(number)
