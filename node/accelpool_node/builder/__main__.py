"""A builder's process: starts the nursery, tries the devices, serves workers, ends with its agent.

python -m accelpool_node.builder --control-fd FD --backend KIND --device NAME ... --sandbox POLICY

All three kinds of process are confined, each within what confines the one before: the builder may start
Python, the nursery may fork, a compiler may do what a worker may.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from accelpool_node.builder import control
from accelpool_node.builder.compiler import BUILD_LIMIT_S
from accelpool_node.builder.compilers import Compilers
from accelpool_node.builder.service import Service
from accelpool_node.builder.store import Store
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import Policy, decode
from accelpool_wire.private_file import PRIVATE_DIR

NURSERY = "accelpool_node.builder.nursery"
BOOTSTRAP = "accelpool_node.agent.child"
AGENT_GONE, TROUBLE = 3, 1


def main() -> NoReturn:
    """Run a builder's whole life."""
    parser = argparse.ArgumentParser(prog="accelpool_node.builder")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--device", action="append", default=[], metavar="NAME", help="serve it; repeatable")
    parser.add_argument("--sandbox", type=decode, required=True, metavar="POLICY")
    options = parser.parse_args()
    policy: Policy = options.sandbox.of_parent(sys.executable)
    confine(policy, os.environ, keep=[options.control_fd])
    folder = Path(policy.folder) / "compilers"
    agent = socket.socket(fileno=options.control_fd)
    agent.set_inheritable(False)
    folder.mkdir(mode=PRIVATE_DIR)
    nursery = _start_nursery(options.backend, folder, options.device, options.sandbox)
    asyncio.run(_run(agent, nursery, folder, frozenset(options.device)))
    _exit(AGENT_GONE)


def _start_nursery(backend: str, folder: Path, devices: Sequence[str], policy: Policy) -> socket.socket:
    """Start the process that forks compilers, and return the channel to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        arguments = ["--channel-fd", str(theirs.fileno()), "--backend", backend, "--folder", str(folder)]
        arguments += ["--sandbox", policy.encoded(), *(f"--device={name}" for name in devices)]
        command = [sys.executable, "-P", "-m", BOOTSTRAP, str(os.getpid()), NURSERY, *arguments]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    return ours


async def _run(agent: socket.socket, nursery: socket.socket, folder: Path, devices: frozenset[str]) -> None:
    """Serve until the agent is gone."""
    loop = asyncio.get_running_loop()
    agent.setblocking(False)
    nursery.setblocking(False)
    loop.add_reader(nursery, _fail, "the nursery has ended")
    compilers = Compilers(nursery, folder, BUILD_LIMIT_S, on_trouble=_fail)
    service = Service(compilers.make, Store())
    over = asyncio.Event()
    serving: set[asyncio.Task[None]] = set()

    def obey() -> None:
        try:
            received = control.receive_at_builder(agent)
        except BlockingIOError:
            return
        except OSError:
            received = None
        if received is None:
            over.set()
            loop.remove_reader(agent)
            return
        order, descriptors = received
        if isinstance(order, control.Count):
            control.send(agent, service.counts())
        for descriptor in descriptors:
            task = asyncio.create_task(_serve(service, socket.socket(fileno=descriptor)))
            serving.add(task)
            task.add_done_callback(serving.discard)

    loop.add_reader(agent, obey)
    shown = await compilers.devices()
    able = await service.try_devices(device for device in shown if device.name in devices)
    control.send(agent, control.Able(able))
    await over.wait()


async def _serve(service: Service, connection: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    await service.serve(reader, writer)


def _fail(trouble: str) -> NoReturn:
    """End the process; the agent starts another one, and the kernel ends the nursery and its compilers."""
    sys.stderr.write(f"a builder cannot go on: {trouble}\n")
    _exit(TROUBLE)


def _exit(status: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
