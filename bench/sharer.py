"""Sessions on one device that share it: workers with a ledger, as an agent starts them, and clients."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from accelpool_node import control
from accelpool_node.agent.confinement import Confinement
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.sandbox.policy import Mode
from accelpool_node.sharing import ledger
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.frames import PREFIX

MEMORY_BYTES = 1 << 26
QUEUES, BATCH = 2, 8
CALIBRATION = 4_000_000
READ_WRITE = 1
PAUSE = "kernel void accelpool_pause(ulong ns) {}"
SPIN = """
__kernel void spin(__global uint *out, ulong rounds)
{ uint x = out[0]; for (ulong i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u; out[0] = x; }
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sharer:
    """A session, and a kernel that takes as long as wanted.

    Attributes:
        connection: The client's.
        context: Its context.
        kernels: Of each thread, its queue, kernel and the first arguments.
        compute: Its compute share.
        slot: Its place in the ledger, or -1.
    """

    connection: Connection
    context: int
    kernels: Sequence[tuple[int, int, list[m.KernelArg]]]
    compute: float
    slot: int

    def launch(self, count: int, length: int, place: int = 0) -> None:
        """Launch a number of kernels of a length."""
        queue, kernel, args = self.kernels[place]
        sizes, rest = [1], [*args, length.to_bytes(8, "little")]
        for _ in range(count):
            self.connection.post(m.EnqueueNDRangeKernel(queue, kernel, sizes, None, 0, rest, None, None))

    def finish(self, place: int = 0) -> None:
        """Wait until all is done."""
        self.connection.call(m.Finish(self.kernels[place][0]))

    def length_of(self, duration_s: float) -> int:
        """Return the kernel's length that takes so long, as measured now."""
        self.launch(1, CALIBRATION)
        self.finish()
        began_at = time.perf_counter()
        self.launch(4, CALIBRATION)
        self.finish()
        return int(4 * CALIBRATION * duration_s / (time.perf_counter() - began_at))

    def work_until(self, end_at: float, length: int) -> int:
        """Want all of the device until an instant (monotonic); return how many kernels were done."""
        counts = [0] * QUEUES

        def work(place: int) -> None:
            while time.monotonic() < end_at:
                self.launch(BATCH, length, place)
                self.finish(place)
                counts[place] += BATCH

        threads = [threading.Thread(target=work, args=(place,)) for place in range(QUEUES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts)


@contextmanager
def sharing(
    environment: DriverEnvironment, device: str, shares: Sequence[float | None]
) -> Iterator[tuple[ledger.DeviceLedger, list[Sharer]]]:
    """Open a session for each compute share as long as the context lasts; None has no ledger at all."""
    registry = ledger.Registry(ledger.create())
    with ExitStack() as stack:
        sharers = []
        for number, compute in enumerate(shares):
            slot = -1
            if compute is not None:
                registry.set_limits(f"lease {number}", MEMORY_BYTES, compute)
                slot = registry.add_session(f"lease {number}")
            connection = stack.enter_context(_session(environment, device, registry, slot))
            is_null = environment.backend != "opencl"
            sharers.append(_sharer(connection, 1.0 if compute is None else compute, slot, is_null=is_null))
        yield registry.ledger, sharers


def _sharer(connection: Connection, compute: float, slot: int, *, is_null: bool) -> Sharer:
    context, program = connection.new_handle(), connection.new_handle()
    connection.post(m.CreateContext(context, [0]))
    connection.post(m.CreateProgramWithSource(program, context, PAUSE if is_null else SPIN))
    connection.ask(m.BuildProgram(program, [0], ""), m.Built)
    kernels = []
    for _ in range(QUEUES):
        queue, kernel, buffer = (connection.new_handle() for _ in range(3))
        connection.post(m.CreateCommandQueue(queue, context, 0, 0))
        connection.post(m.CreateKernel(kernel, program, "accelpool_pause" if is_null else "spin"))
        connection.post(m.CreateBuffer(buffer, context, READ_WRITE, 64))
        args: list[m.KernelArg] = [] if is_null else [buffer]
        kernels.append((queue, kernel, args))
    connection.call(m.Sync())
    return Sharer(connection=connection, context=context, kernels=kernels, compute=compute, slot=slot)


@contextmanager
def _session(
    environment: DriverEnvironment, device: str, registry: ledger.Registry, slot: int
) -> Iterator[Connection]:
    """Run a worker in its sandbox, and open a session on it."""
    agent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [environment.python, "-m", "accelpool_node.worker", "--control-fd", str(theirs.fileno())]
    with agent, theirs, tempfile.TemporaryDirectory(prefix="accelpool-bench-") as folder:
        place = Confinement(Mode.AUTO, Path(folder)).begin(environment)
        process = subprocess.Popen(
            [*command, "--backend", environment.backend, "--sandbox", place.policy.encoded()],
            pass_fds=[theirs.fileno()],
            env=place.variables,
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
        )
        try:
            control.receive_at_agent(agent)
            share = control.SessionShare(
                device=device, memory_bytes=MEMORY_BYTES, slot=None if slot < 0 else slot
            )
            descriptors = () if slot < 0 else (registry.ledger.descriptor,)
            with socket.create_server(("127.0.0.1", 0)) as listener:
                order = (listener, agent, share, descriptors)
                accepting = threading.Thread(target=_hand_over, args=order)
                accepting.start()
                with Connection.open(listener.getsockname(), "a token") as connection:
                    accepting.join()
                    yield connection
        finally:
            process.kill()
            process.wait()
            if slot >= 0:
                registry.remove_session(slot)


def _hand_over(
    listener: socket.socket,
    agent: socket.socket,
    share: control.SessionShare,
    ledgers: tuple[int, ...],
) -> None:
    stream, _ = listener.accept()
    with stream:
        prefix = stream.recv(PREFIX.size, socket.MSG_WAITALL)
        hello = prefix + stream.recv(PREFIX.unpack(prefix)[0], socket.MSG_WAITALL)
        order = control.Serve(session="bench", shares=[share], hello=hello)
        control.send(agent, order, (stream.fileno(), *ledgers))
