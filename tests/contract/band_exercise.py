"""Transfers many times larger than a session may stage, in a process of its own: BACKEND DEVICE.

Prints each check that held.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.discover import load_backend
from accelpool_node.worker.objects import Share
from accelpool_node.worker.session import Session
from accelpool_node.worker.transfers import BANDS, Pieces
from accelpool_wire import messages as m
from accelpool_wire.image_layout import IMAGE2D, IMAGE3D, IMAGE_SUPPORT

LIMIT = 1 << 20
SIZE = 16 * LIMIT
CONTENT = random.Random(1).randbytes(SIZE)
CONTEXT, IN_ORDER, OUT_OF_ORDER, MEMORY, EVENT = 1, 2, 3, 4, 5
RGBA8 = m.ImageFormat(0x10B5, 0x10DA)
PLANE, SPACE = [2048, 2048, 1], [256, 128, 128]  # of `SIZE` bytes each
START = [0, 0, 0]


class Bench:
    """A session that may stage `LIMIT` bytes, and the memory that it has taken at most."""

    def __init__(self, backend: Backend, device: BackendDevice) -> None:
        share = Share(device=device, memory_bytes=1 << 30)
        self.has_images = bool(device.info.get(IMAGE_SUPPORT))
        self.peak = 0
        self._session = Session(backend, [share], m.Limits(staged_bytes=LIMIT), self._reply)
        self._target = bytearray(SIZE)
        self._answers: list[m.Message] = []
        self._command = 0
        self.say(m.CreateContext(CONTEXT, [0]))
        self.say(m.CreateCommandQueue(IN_ORDER, CONTEXT, 0))
        self.say(m.CreateCommandQueue(OUT_OF_ORDER, CONTEXT, 0, 1))

    def _reply(self, message: m.Message, payload: Pieces | memoryview | bytes | None = None) -> None:
        assert not isinstance(message, m.Failed), message
        taken = 0
        for piece in payload.views if isinstance(payload, Pieces) else [payload or b""]:
            self._target[taken : taken + len(piece)] = piece
            taken += len(piece)
        self._answers.append(message)

    def say(self, message: m.Message, payload: bytes = b"") -> None:
        """Have the session carry out a message, and note what memory it takes for that."""
        rest = memoryview(payload)
        tracemalloc.start()
        self._command += 1
        while rest:
            view = self._session.open_payload(message, len(rest), self._command)
            assert view is not None, "the payload is wanted"
            view[:] = rest[: len(view)]
            rest = rest[len(view) :]
        self._session.execute(message, self._command)
        self.peak = max(self.peak, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    def finish(self, queue: int) -> None:
        """Wait for everything in a queue; nothing of it has failed."""
        self.say(m.WatchEvents([EVENT]))
        self.say(m.Finish(queue))
        self.say(m.Sync())
        self.say(m.Release([MEMORY, EVENT]))

    def read(self, message: m.Message) -> bytes:
        """Return what a read answers."""
        self.say(message)
        assert isinstance(self._answers[-1], m.Data)
        return bytes(self._target)


def images_are_written(bench: Bench) -> None:
    for extent, kind in (PLANE, IMAGE2D), (SPACE, IMAGE3D):
        for queue in (IN_ORDER, OUT_OF_ORDER):
            bench.say(m.CreateImage(MEMORY, CONTEXT, 1, kind, RGBA8, extent))
            bench.peak = 0
            bench.say(m.EnqueueWriteImage(queue, MEMORY, START, extent, EVENT), CONTENT)
            assert bench.peak <= LIMIT * (BANDS + 1) / BANDS, bench.peak
            assert bench.read(m.EnqueueReadImage(queue, MEMORY, START, extent, 0, [EVENT])) == CONTENT
            bench.finish(queue)


def images_are_read(bench: Bench) -> None:
    for extent, kind in (PLANE, IMAGE2D), (SPACE, IMAGE3D):
        for queue in (IN_ORDER, OUT_OF_ORDER):
            bench.say(m.CreateImage(MEMORY, CONTEXT, 1, kind, RGBA8, extent), CONTENT)
            bench.peak = 0
            assert bench.read(m.EnqueueReadImage(queue, MEMORY, START, extent, EVENT)) == CONTENT
            assert bench.peak <= LIMIT * (BANDS + 1) / BANDS, bench.peak
            bench.finish(queue)


def rectangles_are_written(bench: Bench) -> None:
    for region in ([4096, 64, 64], [4 << 20, 2, 2]):
        pitches = region[0] + 64, (region[0] + 64) * region[1]
        for queue in (IN_ORDER, OUT_OF_ORDER):
            bench.say(m.CreateBuffer(MEMORY, CONTEXT, 1, pitches[1] * region[2]))
            bench.peak = 0
            write = m.EnqueueWriteBufferRect(queue, MEMORY, [64, 0, 0], region, *pitches, EVENT)
            bench.say(write, CONTENT)
            assert bench.peak <= LIMIT * (BANDS + 1) / BANDS, bench.peak
            read = m.EnqueueReadBufferRect(queue, MEMORY, [64, 0, 0], region, *pitches, 0, [EVENT])
            assert bench.read(read) == CONTENT
            bench.finish(queue)


def rectangles_are_read(bench: Bench) -> None:
    for region in ([4096, 64, 64], [4 << 20, 2, 2]):
        for queue in (IN_ORDER, OUT_OF_ORDER):
            bench.say(m.CreateBuffer(MEMORY, CONTEXT, 1, SIZE), CONTENT)
            bench.peak = 0
            read = m.EnqueueReadBufferRect(queue, MEMORY, START, region, 0, 0, EVENT)
            assert bench.read(read) == CONTENT
            assert bench.peak <= LIMIT * (BANDS + 1) / BANDS, bench.peak
            bench.finish(queue)


def buffers_are_read(bench: Bench) -> None:
    for queue in (IN_ORDER, OUT_OF_ORDER):
        bench.say(m.CreateBuffer(MEMORY, CONTEXT, 1, SIZE), CONTENT)
        bench.peak = 0
        assert bench.read(m.EnqueueReadBuffer(queue, MEMORY, 0, SIZE, EVENT)) == CONTENT
        assert bench.peak <= LIMIT * (BANDS + 1) / BANDS, bench.peak
        bench.finish(queue)


CHECKS: list[Callable[[Bench], None]] = [rectangles_are_written, rectangles_are_read, buffers_are_read]
IMAGE_CHECKS: list[Callable[[Bench], None]] = [images_are_written, images_are_read]
NAMES = [check.__name__ for check in [*CHECKS, *IMAGE_CHECKS]]


def main(kind: str, name: str) -> None:
    backend = load_backend(kind)
    bench = Bench(backend, next(device for device in backend.devices() if device.name == name))
    for check in [*CHECKS, *(IMAGE_CHECKS if bench.has_images else ())]:
        check(bench)
        sys.stdout.write(f"{check.__name__}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
