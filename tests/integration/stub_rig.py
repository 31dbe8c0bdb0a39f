"""Stubs of the agent's child processes: workers and drivers that do what a test makes them do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import textwrap
from types import SimpleNamespace

from accelpool_node.agent import discovery, workers
from accelpool_node.agent.confinement import Confinement
from accelpool_node.agent.processes import Processes
from accelpool_node.agent.state_dir import StateDir
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.sandbox.policy import Mode

LIMIT_S = 60.0

# Stubs of the worker and the discovery child; `behave` stands for what a test makes them do.
WORKER = """
import argparse, os, signal, socket, sys, time
from accelpool_node import control
parser = argparse.ArgumentParser()
parser.add_argument("--control-fd", type=int)
parser.add_argument("--backend")
parser.add_argument("--sandbox")
agent = socket.socket(fileno=parser.parse_args().control_fd)
def ready():
    control.send(agent, control.Ready([]))
    order = control.receive_at_worker(agent)
    if order is not None:
        control.send(agent, control.Alive(0.0))
    return order
"""
DRIVER = """
import os, signal, sys, time, msgspec
from accelpool_node.discover import Listed, Listing, Probed, Probing
def tell(line):
    sys.stdout.write(msgspec.json.encode(line).decode() + "\\n")
    sys.stdout.flush()
to_probe = [argument.removeprefix("--probe=") for argument in sys.argv if argument.startswith("--probe=")]
names = ["good", "bad", "last"]
tell(Listing([Listed(name=name, platform={}, info={}, kind="cpu", api="opencl") for name in names]))
"""


@contextlib.contextmanager
def stubs(tmp_path, monkeypatch):
    """Stubs, a state directory and the children of a test."""

    def write(stub, behave):
        (tmp_path / "accelpool_stub.py").write_text(stub + textwrap.dedent(behave))

    monkeypatch.setattr(workers, "MODULE", "accelpool_stub")
    monkeypatch.setattr(discovery, "MODULE", "accelpool_stub")
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    with StateDir(tmp_path / "state") as state:
        yield SimpleNamespace(
            worker=lambda behave: write(WORKER, behave),
            driver=lambda behave: write(DRIVER, behave),
            child=lambda behave: write("import os, sys, time\n", behave),
            environment=DriverEnvironment(name="x", backend="stub", variables=variables),
            processes=Processes(state, Confinement(Mode.OFF, tmp_path / "work")),
            state=state,
        )
        assert list((tmp_path / "state" / "children").iterdir()) == []


def run(bench, scenario):
    """Run a coroutine and leave no child."""

    async def whole():
        try:
            async with asyncio.timeout(LIMIT_S):
                return await scenario()
        finally:
            await bench.processes.kill_all(LIMIT_S)

    return asyncio.run(whole())
