"""One REST compute session: a data plane connection under a lease, and what was made through it.

Posted commands are followed by a Sync under the session's lock, so that a failure is told to the caller whose
command it was.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from accelpool_broker.services.compute_objects import Buffer, Launch, Program, Table
from accelpool_broker.services.kernel_args import wire_args
from accelpool_broker.services.library import fill_in
from accelpool_kernels.description import CUDA, OPENCL
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import Invalid, Timeout

PROFILING_ENABLE = 1 << 1
READ_WRITE = 1 << 0
ARG_INFO = "-cl-kernel-arg-info"
CAPABILITY = 0x20000 + 75  # an info of CUDA's devices alone: CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
CHUNK_BYTES = 4 << 20
MAX_OBJECTS = 1024


class ComputeSession:
    """Programs, buffers and launches of one lease.

    Args:
        connection: Open, and from now on this session's own.
        timeout_s: How long the node may take to answer.

    Attributes:
        api: What its programs are written for: "opencl" or "cuda".
    """

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self.programs: Table[Program] = Table("program", "prg", MAX_OBJECTS)
        self.buffers: Table[Buffer] = Table("buffer", "buf", MAX_OBJECTS)
        self.launches: Table[Launch] = Table("launch", "lch", MAX_OBJECTS)
        self._places = list(range(len(connection.devices)))
        self.api = CUDA if connection.devices and CAPABILITY in connection.devices[0].info else OPENCL
        with self._lock:
            self._context = connection.new_handle()
            connection.post(m.CreateContext(self._context, self._places))
            self._queues = [self._create_queue(place) for place in self._places]
            self._sync()

    @property
    def is_open(self) -> bool:
        """Whether the session can still be used, as far as is known."""
        return self._connection.is_open

    def close(self) -> None:
        """End the session and everything in it."""
        self._connection.close()

    # ---- programs

    def build(self, source: str, options: str, library: str | None = None) -> str:
        """Build a program from source and return its id."""
        is_complete = self.api == CUDA or ARG_INFO in options
        wanted = options if is_complete else f"{options} {ARG_INFO}".strip()
        with self._lock:
            self.programs.check_room()
            handle = self._connection.new_handle()
            self._connection.post(m.CreateProgramWithSource(handle, self._context, source))
            return self._finish_build(handle, wanted, library)

    def load(self, binary: bytes) -> str:
        """Make a program from a binary, the same for every device, and return its id."""
        with self._lock:
            self.programs.check_room()
            handle = self._connection.new_handle()
            sizes = [len(binary)] * len(self._places)
            self._connection.post(
                m.CreateProgramWithBinary(handle, self._context, self._places, sizes),
                binary * len(self._places),
            )
            return self._finish_build(handle, "", None)

    def binary(self, id: str) -> bytes:
        """Return a program's binary for the first device."""
        program = self.programs.get(id)
        with self._lock:
            return self._connection.fetch_binaries(program.handle)[0]

    def delete_program(self, id: str) -> None:
        """Give a program back."""
        with self._lock:
            program = self.programs.get(id)
            del self.programs.items[id]
            self._release(program.handle, *program.kernels.values())

    # ---- buffers

    def create_buffer(self, size_bytes: int) -> str:
        """Make a buffer and return its id."""
        with self._lock:
            self.buffers.check_room()
            handle = self._connection.new_handle()
            self._connection.post(m.CreateBuffer(handle, self._context, READ_WRITE, size_bytes))
            try:
                self._sync()
            except Exception:
                self._release(handle)
                raise
            return self.buffers.add(Buffer(handle=handle, size_bytes=size_bytes))

    def delete_buffer(self, id: str) -> None:
        """Give a buffer back."""
        with self._lock:
            buffer = self.buffers.get(id)
            del self.buffers.items[id]
            self._release(buffer.handle)

    def write(self, id: str, offset: int, stream: IO[bytes], length: int | None) -> int:
        """Write a stream to a buffer as it comes in; return how many bytes it had.

        Args:
            id: The buffer.
            offset: Where in the buffer the bytes go, from this byte on.
            stream: Read to its end.
            length: How many bytes the stream has, if known.

        Raises:
            Invalid: The stream is longer than the room from `offset` on, or ends before its length; what came
                may have been written.
        """
        buffer = self.buffers.get(id)
        room = buffer.size_bytes - offset
        if room < 0 or (length or 0) > room:
            told = "more" if length is None else str(length)
            raise _overrun(id, buffer, offset, told)
        written = 0
        while chunk := stream.read(CHUNK_BYTES):
            if written + len(chunk) > room:
                raise _overrun(id, buffer, offset, f"more than {room}")
            self._connection.post(
                m.EnqueueWriteBuffer(self._queues[0], buffer.handle, offset + written), chunk
            )
            written += len(chunk)
        with self._lock:
            self._sync()
        if written < (length or 0):
            raise Invalid(f"the body ended after {written} of the {length} bytes that Content-Length says")
        return written

    def read(self, id: str, offset: int, size: int | None) -> tuple[int, Iterator[memoryview]]:
        """Return how many bytes come, and a buffer's content, piece by piece, the first read already.

        Raises:
            Invalid: The region is not inside the buffer.
        """
        buffer = self.buffers.get(id)
        wanted = buffer.size_bytes - offset if size is None else size
        if wanted < 0 or offset + wanted > buffer.size_bytes:
            raise _overrun(id, buffer, offset, str(wanted))
        if wanted == 0:
            return 0, iter(())
        pieces = self._pieces(buffer.handle, offset, offset + wanted)
        first = next(pieces)
        return wanted, _chain(first, pieces)

    def _pieces(self, handle: int, offset: int, end: int) -> Iterator[memoryview]:
        """Read one piece ahead, so that the node and the client are busy at once."""
        ahead = self._start_read(handle, offset, end)
        while ahead is not None:
            pending, piece = ahead
            offset += piece.nbytes
            following = self._start_read(handle, offset, end)
            pending.wait(self._timeout_s)
            yield piece
            ahead = following

    def _start_read(self, handle: int, offset: int, end: int) -> tuple[Any, memoryview] | None:
        size = min(CHUNK_BYTES, end - offset)
        if size <= 0:
            return None
        piece = memoryview(bytearray(size))
        message = m.EnqueueReadBuffer(self._queues[0], handle, offset, size)
        return self._connection.read(message, piece), piece

    # ---- launches

    def launch(
        self,
        *,
        program_id: str,
        kernel: str,
        global_size: Sequence[int] | None,
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        args: Sequence[Mapping[str, Any] | None],
    ) -> str:
        """Launch a kernel and return the launch's id at once."""
        with self._lock:
            program = self.programs.get(program_id)
            info = program.infos.get(kernel)
            if info is None:
                known = ", ".join(program.infos) or "none"
                raise Invalid(f"program {program_id} has no kernel {kernel}; it has: {known}")
            if program.library is not None:
                sizes = {id: buffer.size_bytes for id, buffer in self.buffers.items.items()}
                args, global_size, local_size = fill_in(
                    program.library, args, global_size, local_size, sizes, self.api
                )
            if global_size is None:
                raise Invalid("a launch needs its global_size; only the kernel library's kernels know theirs")
            handles = {id: buffer.handle for id, buffer in self.buffers.items.items()}
            wired = wire_args(info, args, handles, has_shared=self.api == CUDA)
            self._make_room()
            launch = Launch(handle=self._connection.new_handle(), program=program_id, kernel=kernel)
            message = m.EnqueueNDRangeKernel(
                self._queues[0],
                self._kernel(program, kernel),
                list(global_size),
                None if local_size is None else list(local_size),
                launch.handle,
                wired,
                None,
                None if offset is None else list(offset),
            )
            self._connection.post(message)
            self._connection.post(m.Flush(self._queues[0]))
            self._sync()
            return self.launches.add(launch)

    def look(self, id: str, wait_s: float) -> Launch:
        """Return a launch, brought up to date, after waiting for its end for at most `wait_s`."""
        launch = self.launches.get(id)
        if launch.is_over:
            return launch
        if wait_s > 0:
            with suppress(Timeout):
                launch.note(self._connection.wait_events([launch.handle], wait_s)[0])
                return launch
        launch.note(self._connection.ask(m.GetEvent(launch.handle), m.EventState, self._timeout_s))
        return launch

    # ---- within the lock

    def _create_queue(self, place: int) -> int:
        queue = self._connection.new_handle()
        self._connection.post(m.CreateCommandQueue(queue, self._context, place, PROFILING_ENABLE))
        return queue

    def _finish_build(self, handle: int, options: str, library: str | None) -> str:
        try:
            message = m.BuildProgram(handle, self._places, options)
            built = self._connection.ask(message, m.Built, self._timeout_s)
        except Exception:
            self._release(handle)
            with suppress(Exception):
                self._sync()  # what remains of the failure, so that the next caller is not told
            raise
        infos = {kernel.name: kernel for kernel in built.kernels}
        log = "\n".join(line for line in built.logs if line)
        return self.programs.add(Program(handle=handle, infos=infos, build_log=log, library=library))

    def _kernel(self, program: Program, name: str) -> int:
        if name not in program.kernels:
            handle = self._connection.new_handle()
            self._connection.post(m.CreateKernel(handle, program.handle, name))
            program.kernels[name] = handle
        return program.kernels[name]

    def _make_room(self) -> None:
        """Forget the oldest launch that is over, if there are too many."""
        if len(self.launches.items) >= MAX_OBJECTS:
            over = next((id for id, launch in self.launches.items.items() if launch.is_over), None)
            if over is not None:
                self._connection.release(self.launches.items.pop(over).handle)
        self.launches.check_room()

    def _release(self, *handles: int) -> None:
        """Give objects back before anything that follows, so that their memory can be used again."""
        self._connection.post(m.Release(list(handles)))

    def _sync(self) -> None:
        self._connection.ask(m.Sync(), m.Done, self._timeout_s)


def _overrun(id: str, buffer: Buffer, offset: int, given: str) -> Invalid:
    return Invalid(
        f"buffer {id} has {buffer.size_bytes} bytes: {given} bytes from byte {offset} on are not inside it",
        size_bytes=buffer.size_bytes,
        offset=offset,
    )


def _chain(first: memoryview, rest: Iterator[memoryview]) -> Iterator[memoryview]:
    yield first
    yield from rest
