"""Notebooks: cells of OpenCL C in IPython's shell, on a real pool."""

import signal

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors
from accelpool.ipython.build_report import BuildFailed

from .notebook_rig import READ, SETUP, TWICE, state

pytestmark = pytest.mark.opencl


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


@pytest.mark.parametrize(
    ("name", "kind"), [("np", "module"), ("ctx", "Context"), ("twice", "Kernel"), ("result", "NoneType")]
)
def test_a_kernel_takes_no_name_of_the_notebooks_own(used, capsys, name, kind):
    used.run("twice = cl.Program(ctx, 'kernel void f(global float *x) {}').build().f\nresult = None")
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
