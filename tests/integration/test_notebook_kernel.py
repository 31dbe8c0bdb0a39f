"""Notebooks in a real kernel of Jupyter's: the example, and what becomes of a lease whose kernel dies."""

import gc
import os
import signal
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from ..conftest import clean_environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
START_S = 120.0

pytestmark = [
    pytest.mark.opencl,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def tidied_up():
    """Jupyter's clients leave their sockets to the garbage collector: not in another test's time."""
    yield
    gc.collect()


@pytest.fixture
def environment(opencl_pool, tmp_path):
    """The variables of a kernel with an empty home folder."""
    return clean_environment(tmp_path) | {
        "ACCELPOOL_URL": opencl_pool.url,
        "ACCELPOOL_TOKEN": opencl_pool.token,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }


@pytest.fixture
def kernel(environment):
    """A kernel's manager and client."""
    manager, client = start_new_kernel(startup_timeout=START_S, env=environment)
    yield manager, client
    client.stop_channels()
    if manager.is_alive():
        manager.shutdown_kernel(now=True)


def run(client, code):
    """Run a cell and return what it printed."""
    said = []
    reply = client.execute_interactive(
        code, timeout=START_S, output_hook=lambda message: said.append(message)
    )
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(each["content"]["text"] for each in said if each["msg_type"] == "stream")


def lease_of(client):
    return run(
        client,
        "%load_ext accelpool\n_ = get_ipython().run_line_magic('accelpool', 'any')\nprint(ctx.lease.id)",
    ).strip()


def states(broker):
    return {lease["id"]: lease["state"] for lease in broker.leases()}


def test_the_example_runs_and_leaves_no_lease(environment, broker):
    notebook = nbformat.read(EXAMPLE, as_version=4)
    before = states(broker)
    NotebookClient(notebook, timeout=START_S, startup_timeout=START_S).execute(env=environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    told = "".join(output.get("text", "") for output in outputs)
    assert "the same" in told
    assert any("kept here" in output.get("data", {}).get("text/html", "") for output in outputs)
    mine = {lease: state for lease, state in states(broker).items() if lease not in before}
    assert len(mine) == 2
    assert set(mine.values()) == {"released"}


def test_the_example_is_committed_without_outputs():
    for cell in nbformat.read(EXAMPLE, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_a_kernel_that_is_killed_gives_its_device_back(kernel, broker, wait_until):
    _, client = kernel
    lease = lease_of(client)
    assert states(broker)[lease] == "active"
    os.kill(int(run(client, "import os; print(os.getpid())")), signal.SIGKILL)
    wait_until(lambda: states(broker)[lease] != "active")


def test_a_kernel_that_is_restarted_gives_its_device_back(kernel, broker, wait_until):
    manager, client = kernel
    lease = lease_of(client)
    manager.restart_kernel(now=False)
    wait_until(lambda: states(broker)[lease] != "active")


def test_an_interrupt_ends_a_cell_that_waits_and_the_lease_stays(kernel, broker):
    _, client = kernel
    lease = lease_of(client)
    told = run(
        client,
        "import accelpool as cl, os, signal, threading\n"
        "never = cl.UserEvent(ctx)\n"
        "cl.enqueue_marker(queue, wait_for=[never])\n"
        "interrupt = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))\n"
        "try:\n    interrupt.start()\n    queue.finish()\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
        "never.set_status(0)\nqueue.finish()",
    )
    assert "interrupted" in told
    assert states(broker)[lease] == "active"
