"""Notebooks that idle: their leases are parked, and all is there again with the next cell."""

import numpy as np
import pytest

import accelpool as cl

from .notebook_rig import READ, SETUP, TWICE, state

pytestmark = pytest.mark.opencl


def test_a_notebook_that_idles_gives_its_device_to_others(parked, broker):
    assert state(broker, parked) == "released"
    with broker.acquire(device=parked["ctx"].devices[0].pool_id, wait=False) as other:
        assert other.is_open
    assert parked.run("%accelpool").state == "parked"
    assert parked.magics.lease.is_parked  # a cell that does not use it takes none


def test_the_next_cell_finds_everything_as_it_was(parked, broker):
    parked.run("twice(queue, numbers.shape, None, x)")
    assert state(broker, parked) == "active"
    assert np.array_equal(parked.run(READ), np.arange(1000, dtype=np.float32) * 4)
    assert parked.run("ctx.is_open")


def test_a_cell_waits_for_a_device_that_another_has_meanwhile(parked, broker):
    devices = [broker.acquire(device=device["id"], wait=10) for device in broker.devices()]
    timer_has = [ctx.lease.id for ctx in devices]
    parked.shell.user_ns["others"] = devices
    parked.run(
        "import threading\nthread = threading.Thread(target=lambda: [other.release() for other in others])\n"
        "thread.start()\ntwice(queue, (1000,), None, x)\nthread.join()"
    )
    assert state(broker, parked) == "active"
    assert parked["ctx"].lease.id not in timer_has
    assert np.array_equal(parked.run(READ), np.arange(1000, dtype=np.float32) * 4)


def test_it_parks_again_and_again(parked):
    for times in (4, 8, 16):
        parked.run("twice(queue, numbers.shape, None, x)")
        assert not parked.magics.lease.is_parked
        parked.idle(minutes=11)
        assert parked.magics.lease.is_parked
        assert np.array_equal(parked.run(READ), np.arange(1000, dtype=np.float32) * times)
        parked.idle(minutes=11)


def test_arrays_regions_and_set_arguments_survive(used):
    used.run(
        "import accelpool.array as cl_array\n"
        "a = cl_array.arange(queue, 512, dtype=np.int32)\n"
        "part = x[1024:2048]\n"
        "del numbers\nnumbers = np.arange(1000, dtype=np.float32)\n"
        "twice.set_args(part)\nprogram_of_before = twice.program"
    )
    used.idle(minutes=10)
    used.run("cl.enqueue_nd_range_kernel(queue, twice, (256,), None)")
    expected = np.arange(1000, dtype=np.float32) * 2
    expected[256:512] *= 2
    assert np.array_equal(used.run(READ), expected)
    assert used.run("int((a + a)[511].get())") == 1022
    assert used.run("cl_array.sum(a).get()") == sum(range(512))
    assert used.run("program_of_before.kernel_names") == "twice"


def test_images_and_samplers_survive(used):
    used.run(
        "fmt = cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.UNSIGNED_INT8)\n"
        "pixels = np.arange(8 * 4 * 4, dtype=np.uint8).reshape(4, 8, 4)\n"
        "image = cl.image_from_array(ctx, pixels, 4)\nsampler = cl.Sampler(ctx, False, 0x1130, 0x1140)"
    )
    used.idle(minutes=10)
    used.run(
        "back = np.empty_like(pixels)\ncl.enqueue_copy(queue, back, image, origin=(0, 0), region=(8, 4))"
    )
    assert np.array_equal(used["back"], used["pixels"])


def test_an_event_of_before_is_complete_and_has_its_times(notebook):
    notebook.run("%accelpool any")
    notebook.run(TWICE + "\n")
    notebook.run(SETUP)
    notebook.run("timed = cl.CommandQueue(ctx, properties=cl.command_queue_properties.PROFILING_ENABLE)")
    notebook.run("event = twice(timed, (1000,), None, x)\nseen = []\n")
    notebook.idle(minutes=10)
    assert notebook.magics.lease.is_parked
    assert notebook.run("event.profile.end - event.profile.start") > 0
    notebook.run("event.wait()")
    assert notebook.magics.lease.is_parked
    notebook.run("twice(queue, (1000,), None, x, wait_for=[event]).wait()")
    assert not notebook.magics.lease.is_parked


def test_a_failure_that_nobody_was_told_of_is_told_after_the_parking(used):
    used.run("gate = cl.UserEvent(ctx)\ncl.enqueue_marker(queue, wait_for=[gate])\ngate.set_status(-5)")
    used.idle(minutes=10)
    assert used.magics.lease.is_parked
    assert isinstance(used.fail("queue.finish()"), cl.Error)
    used.run("queue.finish()")


def test_what_was_given_back_while_parked_is_not_put_back(parked):
    parked.run("del x, event")
    parked.run(
        "y = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=numbers)\ntwice(queue, (1000,), None, y)"
    )
    parked.run("out = np.empty_like(numbers); cl.enqueue_copy(queue, out, y)")
    assert np.array_equal(parked["out"], np.arange(1000, dtype=np.float32) * 2)


def test_a_cell_that_runs_keeps_the_lease(used):
    used.shell.user_ns["notebook"] = used
    used.run("notebook.idle(minutes=60)")
    assert not used.magics.lease.is_parked


def test_use_from_a_thread_is_no_idling(used):
    used.clock.now += 9 * 60
    used["queue"].finish()
    used.idle(minutes=9)
    assert not used.magics.lease.is_parked
    used.idle(minutes=1)
    assert used.magics.lease.is_parked


def test_what_is_used_again_without_a_cell_is_parked_again(parked):
    parked["queue"].finish()
    assert not parked.magics.lease.is_parked
    parked.idle(minutes=10)
    assert parked.magics.lease.is_parked


def test_the_time_is_what_the_line_says(used):
    used.run("%accelpool --idle 30")
    used.idle(minutes=29)
    assert not used.magics.lease.is_parked
    used.idle(minutes=1)
    assert used.magics.lease.is_parked
    used.run("%accelpool --idle off")
    used.run("queue.finish()")
    used.idle(minutes=10_000)
    assert not used.magics.lease.is_parked


def test_the_thread_parks_by_itself(used, wait_until):
    used.run("%accelpool --idle 0.0001")
    used.clock.now += 1
    used.run("pass")
    used.clock.now += 1
    used.magics.parker._wake.set()
    wait_until(lambda: used.magics.lease.is_parked)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("kept = cl.UserEvent(ctx)", "a user event is not set"),
        ("kept = cl.Buffer(ctx, cl.mem_flags.HOST_NO_ACCESS, 64)", "HOST_NO_ACCESS"),
        (
            "kept = ctx.devices[0].create_sub_devices([cl.device_partition_property.EQUALLY, 1])",
            "sub-devices",
        ),
        (
            "kept = cl.Program(ctx, 'global int n; kernel void f(global int *x) { *x = n++; }')"
            ".build(['-cl-std=CL2.0'])",
            "variables in global memory",
        ),
        (
            "kept = cl.link_program(ctx, [cl.Program(ctx, 'global int n; kernel void f(global int *x) "
            "{ *x = n++; }').compile(['-cl-std=CL2.0'])])",
            "variables in global memory",
        ),
    ],
)
def test_what_cannot_be_kept_keeps_the_lease(used, broker, cell, why):
    used.run(cell)
    used.idle(minutes=10)
    assert state(broker, used) == "active"
    assert why in used.run("%accelpool").why_not


def test_more_than_is_to_be_kept_keeps_the_lease(used, capsys):
    used.fail("%accelpool park --keep 1kB")
    assert "4,000 bytes are in buffers and images; 1,000 are kept at most" in "".join(capsys.readouterr())
    assert np.array_equal(used.run(READ), np.arange(1000, dtype=np.float32) * 2)


def test_shared_virtual_memory_keeps_the_lease_while_it_lives(used):
    if not used["ctx"].devices[0].svm_capabilities:
        pytest.skip("the device has no shared virtual memory")
    used.run("shared = cl.SVM(cl.csvm_empty(ctx, 16, np.float32))")
    used.idle(minutes=10)
    assert not used.magics.lease.is_parked
    assert "shared virtual memory" in used.magics.lease.why_not
    used.run("del shared\nimport gc; gc.collect()\nqueue.finish()")
    used.idle(minutes=10)
    assert used.magics.lease.is_parked
