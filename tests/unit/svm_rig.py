"""What tests of shared virtual memory share: a connection to a node that has some, and addresses for it."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator

import accelpool as cl
from accelpool.testing import DEVICE, PLATFORM, FakeConnection
from accelpool_wire import messages as m


def free_address(size: int) -> int:
    """Return an address where nothing of this process is for so many bytes."""
    memory = mmap.mmap(-1, size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory.close()
    return address


def device(capabilities: int = 15) -> m.Device:
    """Return a device whose driver says that it has shared virtual memory."""
    return m.Device("d", dict(PLATFORM), {**DEVICE, cl.device_info.SVM_CAPABILITIES: capabilities})


def connection(addresses: Iterator[int] | None = None) -> FakeConnection:
    """Return a connection whose node puts memory at these addresses, without any where it is free."""
    fake = FakeConnection([device()])

    def answer(message: m.CreateSVM) -> m.SVMCreated:
        return m.SVMCreated(0, free_address(message.size) if addresses is None else next(addresses))

    fake.answers[m.CreateSVM] = answer
    return fake
