"""Programs in a context over several nodes: who builds what, and how the answers are put together."""

import pytest

import accelpool as cl
from accelpool.testing import FakeConnection, built, fake_spanning_context, kernel_info
from accelpool_wire import messages as m

from .spanning_rig import count

LOG = cl.program_build_info.LOG
NONE = m.WorkGroupInfo(0, [0, 0, 0], 0, 0, 0)


@pytest.fixture
def ctx(fakes):
    return fake_spanning_context(fakes)


@pytest.fixture
def queues(ctx):
    return [cl.CommandQueue(ctx, device) for device in ctx.devices]


def with_two_devices():
    """Return the connection to a node that has two devices."""
    (device,) = FakeConnection().devices
    return FakeConnection([m.Device(name, device.platform, device.info) for name in ("first", "second")])


def told(*sizes):
    """Return a node's answer to a build: one log and one size of work-groups per device, 0 for not built."""
    groups = [m.WorkGroupInfo(size, [0, 0, 0], 0, 8, 0) if size else NONE for size in sizes]
    logs = [f"group of {size}" if size else "" for size in sizes]
    return m.Built(0, [m.KernelInfo("work", 0, "", [], groups)], logs)


def size_of(program, device):
    return program.work.get_work_group_info(cl.kernel_work_group_info.WORK_GROUP_SIZE, device)


def test_a_program_is_made_and_built_on_every_node(fakes, ctx):
    groups = [m.WorkGroupInfo(size, [0, 0, 0], 0, 8, 0) for size in (64, 128)]
    for fake, group in zip(fakes, groups, strict=True):
        info = m.KernelInfo("work", 0, "", [], [group])
        fake.answers[m.BuildProgram] = built(info, log=f"group of {group.work_group_size}")
    program = cl.Program(ctx, "source").build()
    for device, size in zip(ctx.devices, (64, 128), strict=True):
        assert program.work.get_work_group_info(cl.kernel_work_group_info.WORK_GROUP_SIZE, device) == size
        assert program.get_build_info(device, cl.program_build_info.LOG) == f"group of {size}"
    assert [fake.asked for fake in fakes] == [[m.BuildProgram(program._handle, [0], "")]] * 2


def test_a_program_built_for_one_node_runs_there_alone(fakes, ctx, queues):
    fakes[1].answers[m.BuildProgram] = built(kernel_info("work"))
    kernel = cl.Program(ctx, "source").build(devices=ctx.devices[1:]).work
    kernel(queues[1], (1,), None)
    assert fakes[0].asked == []
    assert count(fakes[0], m.CreateKernel) == 0
    with pytest.raises(cl.LogicError) as caught:
        kernel(queues[0], (1,), None)
    assert caught.value.code == cl.status_code.INVALID_PROGRAM_EXECUTABLE


def test_a_program_built_for_one_node_after_the_other_runs_on_both(fakes, ctx, queues):
    program = cl.Program(ctx, "source")
    for fake, device in zip(fakes, ctx.devices, strict=True):
        fake.answers[m.BuildProgram] = built(kernel_info("work"))
        program.build(devices=[device])
    for fake, queue in zip(fakes, queues, strict=True):
        program.work(queue, (1,), None)
        assert count(fake, m.EnqueueNDRangeKernel) == 1


def test_binaries_go_to_the_nodes_of_their_devices_and_come_back_in_order(fakes, ctx):
    program = cl.Program(ctx, ctx.devices[::-1], [b"second", b"first"])
    assert [fake.payloads[-1] for fake in fakes] == [b"first", b"second"]
    for fake in fakes:
        fake.answers[m.BuildProgram] = built(kernel_info("work"))
    fakes[0].fetch_binaries = lambda program: [b"of the first"]
    fakes[1].fetch_binaries = lambda program: [b"of the second"]
    assert program.build().binaries == [b"of the second", b"of the first"]


def test_binaries_are_in_the_order_of_the_context_s_devices(fakes, ctx):
    for fake in fakes:
        fake.answers[m.BuildProgram] = built(kernel_info("work"))
    fakes[0].fetch_binaries = lambda program: [b"of the first"]
    fakes[1].fetch_binaries = lambda program: [b"of the second"]
    program = cl.Program(cl.Context(ctx.devices[::-1]), "source").build()
    assert program.devices == ctx.devices[::-1]
    assert program.binaries == [b"of the second", b"of the first"]


def test_what_is_built_for_one_device_is_told_of_that_device(fakes, ctx):
    fakes[1].answers[m.BuildProgram] = told(128)
    first, second = ctx.devices
    program = cl.Program(ctx, "source").build(devices=[second])
    assert [program.get_build_info(device, LOG) for device in (first, second)] == ["", "group of 128"]
    assert size_of(program, second) == 128
    with pytest.raises(cl.LogicError, match="not built for"):
        size_of(program, first)


def test_what_a_node_tells_of_devices_that_the_build_did_not_name_stays_in_its_place():
    two = with_two_devices()
    ctx = fake_spanning_context([two, FakeConnection()])
    two.answers[m.BuildProgram] = told(0, 64)
    program = cl.Program(ctx, "source").build(devices=[ctx.devices[1]])
    assert [program.get_build_info(device, LOG) for device in ctx.devices] == ["", "group of 64", ""]
    assert size_of(program, ctx.devices[1]) == 64


def test_a_later_build_for_another_node_leaves_known_what_the_first_one_told(fakes, ctx):
    program = cl.Program(ctx, "source")
    for fake, device, size in zip(fakes, ctx.devices, (64, 128), strict=True):
        fake.answers[m.BuildProgram] = told(size)
        program.build(devices=[device])
    assert [size_of(program, device) for device in ctx.devices] == [64, 128]


def test_a_node_that_tells_less_than_its_devices_moves_nothing_of_the_others():
    two, one = with_two_devices(), FakeConnection()
    ctx = fake_spanning_context([two, one])
    two.answers[m.BuildProgram], one.answers[m.BuildProgram] = told(64), told(128)
    program = cl.Program(ctx, "source").build()
    logs = [program.get_build_info(device, LOG) for device in ctx.devices]
    assert logs == ["group of 64", "", "group of 128"]
    assert size_of(program, ctx.devices[2]) == 128
