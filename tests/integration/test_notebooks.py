"""Notebooks: cells of OpenCL C in IPython's shell, on a real pool, and leases parked between them."""

import signal

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors
from accelpool.ipython.build_report import BuildFailed

from .notebook_rig import Notebook

pytestmark = pytest.mark.opencl

TWICE = "%%opencl\nkernel void twice(global float *x) { x[get_global_id(0)] *= 2; }"
SETUP = """
import numpy as np, accelpool as cl
numbers = np.arange(1000, dtype=np.float32)
x = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=numbers)
"""
READ = "out = np.empty_like(numbers); cl.enqueue_copy(queue, out, x); out"


@pytest.fixture
def broker(opencl_pool):
    with cl.connect(opencl_pool.url, opencl_pool.token) as broker:
        yield broker


@pytest.fixture
def notebook(opencl_pool, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("ACCELPOOL_URL", opencl_pool.url)
    monkeypatch.setenv("ACCELPOOL_TOKEN", opencl_pool.token)
    notebook = Notebook.begin()
    yield notebook
    notebook.end()


@pytest.fixture
def used(notebook):
    """A notebook with a lease, a kernel and a buffer of 0, 2, 4, ..., which then idles until it is parked."""
    notebook.run("%accelpool any")
    notebook.run(TWICE)
    notebook.run(SETUP)
    notebook.run("event = twice(queue, (1000,), None, x)")
    return notebook


@pytest.fixture
def parked(used):
    used.idle(minutes=10)
    assert used.magics.lease.is_parked
    return used


def state(broker, notebook):
    """How the pool says that the notebook's lease is."""
    return {lease["id"]: lease["state"] for lease in broker.leases()}[notebook["ctx"].lease.id]


def test_a_first_cell_takes_a_lease_and_has_its_kernels_under_their_names(notebook, broker):
    notebook.run(TWICE)
    assert state(broker, notebook) == "active"
    notebook.run(SETUP)
    notebook.run("twice(queue, numbers.shape, None, x)")
    assert np.array_equal(notebook.run(READ), np.arange(1000, dtype=np.float32) * 2)


def test_a_lease_is_what_the_line_asks_for(notebook):
    status = notebook.run("%accelpool cpu --compute 50% --memory 64MiB")
    assert status.state == "active"
    assert notebook["ctx"].lease.shares[0].compute == 0.5
    assert notebook["ctx"].devices[0].global_mem_size == 64 << 20
    assert status.id in repr(status)
    assert status.id in status._repr_html_()


def test_options_reach_the_compiler(notebook):
    notebook.run(
        "%%opencl -o -DN=4 -o '-DM=3 -cl-fast-relaxed-math'\nkernel void f(global int *x) { *x = N * M; }"
    )
    notebook.run("import numpy as np, accelpool as cl\nx = cl.Buffer(ctx, 0, 4)\nf(queue, (1,), None, x)")
    assert notebook.run("out = np.zeros(1, np.int32); cl.enqueue_copy(queue, out, x); out")[0] == 12


def test_a_cell_that_does_not_compile_shows_what_is_wrong_and_where(notebook, capsys):
    error = notebook.fail("%%opencl\nkernel void f(global int *x)\n{\n  *x = nothing;\n}")
    assert isinstance(error, BuildFailed)
    shown = "".join(capsys.readouterr())
    assert "nothing" in error.what
    assert "-->    3 |   *x = nothing;" in shown
    assert "Traceback" not in shown


def test_what_the_compiler_warns_of_is_shown(notebook, capsys):
    notebook.run("%%opencl\nkernel void f(global int *x)\n#warning unfinished\n{ *x = 1; }")
    shown = capsys.readouterr().err
    assert "unfinished" in shown
    assert "-->    2 |" in shown


def test_cells_build_for_a_context_of_the_notebooks_own(notebook, broker):
    notebook.shell.user_ns["ctx"] = broker.acquire(wait=10)
    notebook.run(TWICE)
    assert notebook["twice"].context is notebook["ctx"]
    assert not notebook.magics.lease.is_held
    notebook["ctx"].release()


def test_a_name_of_the_notebooks_own_is_not_taken(notebook, capsys):
    notebook.run("queue = ['a', 'b']")
    notebook.fail("%accelpool any")
    assert "`queue` is the notebook's own" in "".join(capsys.readouterr())
    assert notebook["queue"] == ["a", "b"]


@pytest.mark.parametrize(("name", "kind"), [("np", "module"), ("ctx", "Context"), ("twice", "Kernel")])
def test_a_kernel_takes_no_name_of_the_notebooks_own(used, capsys, name, kind):
    used.run("twice = cl.Program(ctx, 'kernel void f(global float *x) {}').build().f")
    before = used[name]
    used.fail(f"%%opencl\nkernel void other(global int *x) {{}}\nkernel void {name}(global int *x) {{}}")
    shown = "".join(capsys.readouterr())
    assert (
        f"`{name}` is the notebook's own, of type {kind}: call the kernel otherwise, or `del {name}`" in shown
    )
    assert "Traceback" not in shown
    assert used[name] is before
    assert "other" not in used.shell.user_ns
    used.run(f"del {name}")
    used.run(f"%%opencl\nkernel void {name}(global int *x) {{}}")
    assert used[name].function_name == name


def test_a_cell_that_is_run_again_has_its_kernels_anew(used):
    before = used["twice"]
    for cell in (TWICE, "%accelpool release", TWICE):
        used.run(cell)
        assert used["twice"] is not before
    used.end()
    assert "twice" not in used.shell.user_ns


def test_a_second_lease_wants_the_first_given_back(used, capsys):
    used.fail("%accelpool cpu")
    assert "%accelpool release" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gpus", "invalid choice: 'gpus'"),
        ("any --idle soon", "--idle is in minutes"),
        ("any --keep much", "--keep"),
        ("any --compute 7", "compute is a fraction"),
        ("any --compute half", "or a string such as '25%', not 'half'"),
        ("gpu", "it is of kind cpu, not gpu"),
        ("release --count 2", "takes no count"),
        ("any --where 'x", "No closing quotation"),
    ],
)
def test_a_line_that_is_wrong_says_what_was_expected(notebook, capsys, line, said):
    notebook.fail(f"%accelpool {line}")
    shown = "".join(capsys.readouterr())
    assert said in shown
    assert "Traceback" not in shown


def test_an_option_that_the_compiler_does_not_know_is_told_on_a_line(notebook, capsys):
    notebook.fail("%%opencl -o -no-such-option\nkernel void f(global int *x) { *x = 1; }")
    shown = "".join(capsys.readouterr())
    assert "-no-such-option" in shown
    assert "Traceback" not in shown


# ---- parking ---------------------------------------------------------------------------------------------


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


# ---- ends ------------------------------------------------------------------------------------------------


def test_release_gives_the_device_back_for_good(used, broker):
    ctx = used["ctx"]
    assert used.run("%accelpool release").state == "none"
    assert {lease["id"]: lease["state"] for lease in broker.leases()}[ctx.lease.id] == "released"
    assert "ctx" not in used.shell.user_ns
    with pytest.raises(errors.SessionLost, match="given back"):
        cl.CommandQueue(ctx)
    used.run("%accelpool any")
    assert used["ctx"].is_open


def test_release_of_a_parked_lease_takes_none(parked, broker):
    ctx = parked["ctx"]
    before = len(broker.leases())
    parked.run("%accelpool release")
    with pytest.raises(errors.SessionLost, match="given back"):
        cl.CommandQueue(ctx)
    assert len(broker.leases()) == before


def test_unloading_gives_the_device_back_and_takes_the_magics_away(used, broker):
    ctx = used["ctx"]
    used.end()
    assert {lease["id"]: lease["state"] for lease in broker.leases()}[ctx.lease.id] == "released"
    assert used.shell.find_line_magic("accelpool") is None
    assert used.shell.find_cell_magic("opencl") is None


def test_an_interrupted_cell_leaves_the_lease_usable(used, broker):
    lease = used["ctx"].lease.id
    used.shell.user_ns["signal"] = signal
    error = used.fail("twice(queue, (1000,), None, x)\nsignal.raise_signal(signal.SIGINT)\nqueue.finish()")
    assert isinstance(error, KeyboardInterrupt)
    assert np.array_equal(used.run(READ), np.arange(1000, dtype=np.float32) * 4)
    assert used["ctx"].lease.id == lease


def test_a_lease_that_was_revoked_says_so_and_another_one_is_taken(used, broker):
    broker._rest.request("DELETE", f"/leases/{used['ctx'].lease.id}")
    assert isinstance(used.fail("queue.finish()"), errors.ProblemError)
    used.run("%accelpool any")
    used.run(SETUP)
    used.run(TWICE)
    used.run("twice(queue, (1000,), None, x)")
    assert np.array_equal(used.run(READ), np.arange(1000, dtype=np.float32) * 2)
