"""What PyOpenCL's tests take from inside its compiled module, made of what accelpool has in its place.

It lies as conftest.py beside the tests that run on the pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import accelpool as cl
from accelpool import upper_core
from accelpool.memory_pool import DeferredAllocator, MemoryPool
from accelpool.testing import DEVICE, PLATFORM, FakeConnection, fake_context
from accelpool_wire import messages as m


class MemoryPoolOfNothing(MemoryPool):
    """accelpool's memory pool over buffers that no device has: only its sums are at stake."""

    def __init__(self) -> None:
        info = {**DEVICE, cl.device_info.MAX_MEM_ALLOC_SIZE: 1 << 62}
        device = m.Device("device without memory", dict(PLATFORM), info)
        super().__init__(DeferredAllocator(fake_context(FakeConnection([device]))))


def enqueue_copy_image(
    queue: cl.CommandQueue, src: Any, dest: Any, src_origin: Any, dest_origin: Any, region: Any
) -> cl.Event:
    """Copy between images, as `enqueue_copy` does."""
    return cl.enqueue_copy(queue, dest, src, src_origin=src_origin, dest_origin=dest_origin, region=region)


def enqueue_copy_image_to_buffer(
    queue: cl.CommandQueue, src: Any, dest: Any, offset: int, origin: Sequence[int], region: Sequence[int]
) -> cl.Event:
    """Copy from an image to a buffer, as `enqueue_copy` does."""
    return cl.enqueue_copy(queue, dest, src, offset=offset, origin=origin, region=region)


vars(upper_core).update(
    _cl=upper_core,
    _TestMemoryPool=MemoryPoolOfNothing,
    _enqueue_copy_image=enqueue_copy_image,
    _enqueue_copy_image_to_buffer=enqueue_copy_image_to_buffer,
)
