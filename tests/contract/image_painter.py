"""A client that knows images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_wire import messages as m
from accelpool_wire.image_layout import IMAGE2D

from ..integration.wire_client import READ_WRITE, WAIT_S, Client

RGBA8, RGBA_F = m.ImageFormat(0x10B5, 0x10DA), m.ImageFormat(0x10B5, 0x10DE)
CLAMP_TO_EDGE, NEAREST = 0x1131, 0x1140
START = [0, 0, 0]


@dataclass
class Painter:
    """Makes and uses images in a context, through a queue."""

    client: Client
    context: int
    queue: int

    def image(
        self,
        extent: Sequence[int],
        content: bytes | None = None,
        *,
        kind: int = IMAGE2D,
        format: m.ImageFormat = RGBA8,
        flags: int = READ_WRITE,
        buffer: int = 0,
        row_pitch: int = 0,
        context: int = 0,
    ) -> int:
        handle = self.client.new()
        place = (handle, context or self.context, flags, kind, format, list(extent), buffer, row_pitch)
        self.client.post(m.CreateImage(*place), content)
        return handle

    def sampler(self, addressing: int = CLAMP_TO_EDGE, filtering: int = NEAREST) -> int:
        handle = self.client.new()
        self.client.post(m.CreateSampler(handle, self.context, False, addressing, filtering))
        return handle

    def write(self, image: int, content: bytes, origin: Sequence[int], region: Sequence[int]) -> None:
        message = m.EnqueueWriteImage(self.queue, image, list(origin), list(region))
        self.client.post(message, content)

    def read(self, image: int, origin: Sequence[int], region: Sequence[int], size: int = 0) -> bytes:
        target = bytearray(size or 4 * math.prod(region))
        message = m.EnqueueReadImage(self.queue, image, list(origin), list(region))
        self.client.connection.read(message, memoryview(target)).wait(WAIT_S)
        return bytes(target)

    def failure(self) -> tuple[str, int]:
        error = self.client.failure()
        return error.routine, error.code


def pixels(count: int, first: int = 0) -> bytes:
    return bytes(number % 251 for number in range(first, first + 4 * count))
