"""A session's client in OpenCL's words, one method a message, every wait bounded."""

from __future__ import annotations

from collections.abc import Sequence

from accelpool_wire import messages as m
from accelpool_wire.client import Connection, PendingRead
from accelpool_wire.errors import Error

from ..dialect import for_cuda, is_cuda

WAIT_S = 90.0  # less than a test may take
READ_WRITE = 1 << 0
OUT_OF_ORDER, PROFILING = 1 << 0, 1 << 1


class Client:
    """Posts and asks; remembers the handles it made.

    Args:
        connection: The open session.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.made: list[int] = []

    def new(self) -> int:
        """Return a fresh handle, released at the end."""
        self.made.append(self.connection.new_handle())
        return self.made[-1]

    def post(self, message: m.Message, payload: bytes | bytearray | memoryview | None = None) -> int:
        """Post any message; return its number."""
        return self.connection.post(message, payload)

    # ---- objects -----------------------------------------------------------------------------------------

    def context(self, devices: Sequence[int] = (0,)) -> int:
        handle = self.new()
        self.post(m.CreateContext(handle, list(devices)))
        return handle

    def queue(self, context: int, properties: int = 0, device: int = 0) -> int:
        handle = self.new()
        self.post(m.CreateCommandQueue(handle, context, device, properties))
        return handle

    def buffer(
        self, context: int, size: int = 0, content: bytes | bytearray | None = None, flags: int = READ_WRITE
    ) -> int:
        handle = self.new()
        self.post(m.CreateBuffer(handle, context, flags, len(content) if content else size), content)
        return handle

    def sub_buffer(self, buffer: int, origin: int, size: int, flags: int = READ_WRITE) -> int:
        handle = self.new()
        self.post(m.CreateSubBuffer(handle, buffer, flags, origin, size))
        return handle

    def program(self, context: int, source: str) -> int:
        """Make a program of OpenCL C, or of its CUDA twin if the device takes that."""
        handle = self.new()
        if is_cuda(self.connection.devices[0].info):
            source = for_cuda(source)
        self.post(m.CreateProgramWithSource(handle, context, source))
        return handle

    def program_from_binary(self, context: int, binary: bytes) -> int:
        handle = self.new()
        self.post(m.CreateProgramWithBinary(handle, context, [0], [len(binary)]), binary)
        return handle

    def build(self, program: int, options: str = "") -> m.Built:
        return self.connection.ask(m.BuildProgram(program, [0], options), m.Built, WAIT_S)

    def kernel(self, program: int, name: str) -> int:
        handle = self.new()
        self.post(m.CreateKernel(handle, program, name))
        return handle

    def set_args(self, kernel: int, *args: m.KernelArg, first: int = 0) -> int:
        return self.post(m.SetKernelArgs(kernel, first, list(args)))

    def release(self, *handles: int) -> None:
        self.post(m.Release(list(handles)))

    # ---- commands ----------------------------------------------------------------------------------------

    def launch(
        self,
        queue: int,
        kernel: int,
        global_size: Sequence[int],
        *args: m.KernelArg,
        local: Sequence[int] | None = None,
        offset: Sequence[int] | None = None,
        wait_for: Sequence[int] | None = None,
    ) -> int:
        """Launch with these arguments, or without any with those set before; return the event."""
        event = self.new()
        self.post(
            m.EnqueueNDRangeKernel(
                queue,
                kernel,
                list(global_size),
                None if local is None else list(local),
                event,
                list(args) or None,
                None if wait_for is None else list(wait_for),
                None if offset is None else list(offset),
            )
        )
        return event

    def write(
        self,
        queue: int,
        buffer: int,
        content: bytes | bytearray | memoryview,
        offset: int = 0,
        wait_for: Sequence[int] = (),
    ) -> int:
        event = self.new()
        self.post(m.EnqueueWriteBuffer(queue, buffer, offset, event, list(wait_for)), content)
        return event

    def start_read(
        self, queue: int, buffer: int, size: int, offset: int = 0, wait_for: Sequence[int] = ()
    ) -> tuple[bytearray, PendingRead, int]:
        """Start a non-blocking read: its target, the read, its event."""
        target, event = bytearray(size), self.new()
        message = m.EnqueueReadBuffer(queue, buffer, offset, size, event, list(wait_for))
        return target, self.connection.read(message, memoryview(target)), event

    def read(
        self, queue: int, buffer: int, size: int, offset: int = 0, wait_for: Sequence[int] = ()
    ) -> bytes:
        """Read and wait."""
        target = bytearray(size)
        message = m.EnqueueReadBuffer(queue, buffer, offset, size, 0, list(wait_for), is_blocking=True)
        self.connection.read(message, memoryview(target)).wait(WAIT_S)
        return bytes(target)

    def copy(
        self,
        queue: int,
        source: int,
        target: int,
        size: int,
        source_offset: int = 0,
        target_offset: int = 0,
        wait_for: Sequence[int] = (),
    ) -> int:
        event = self.new()
        offsets = (source_offset, target_offset)
        self.post(m.EnqueueCopyBuffer(queue, source, target, *offsets, size, event, list(wait_for)))
        return event

    def fill(
        self,
        queue: int,
        buffer: int,
        pattern: bytes,
        size: int,
        offset: int = 0,
        wait_for: Sequence[int] = (),
    ) -> int:
        event = self.new()
        self.post(m.EnqueueFillBuffer(queue, buffer, pattern, offset, size, event, list(wait_for)))
        return event

    def marker(self, queue: int, wait_for: Sequence[int] = ()) -> int:
        event = self.new()
        self.post(m.EnqueueMarker(queue, event, list(wait_for)))
        return event

    def barrier(self, queue: int, wait_for: Sequence[int] = ()) -> int:
        event = self.new()
        self.post(m.EnqueueBarrier(queue, event, list(wait_for)))
        return event

    # ---- synchronous -------------------------------------------------------------------------------------

    def finish(self, queue: int) -> None:
        self.connection.call(m.Finish(queue), WAIT_S)

    def sync(self) -> None:
        self.connection.call(m.Sync(), WAIT_S)

    def wait(self, *events: int, timeout_s: float = WAIT_S) -> list[m.EventDone]:
        return self.connection.wait_events(events, timeout_s)

    def state(self, event: int) -> m.EventState:
        return self.connection.ask(m.GetEvent(event), m.EventState, WAIT_S)

    def failure(self) -> Error:
        """Return the failure that the session holds, which is thereby reported."""
        try:
            self.sync()
        except Error as error:
            return error
        raise AssertionError("nothing has failed")

    def failures(self) -> list[Error]:
        """Return all failures that the session holds; afterwards it has none."""
        found = []
        for _ in range(100):
            try:
                self.sync()
            except Error as error:
                found.append(error)
            else:
                return found
        raise AssertionError("failures without end")
