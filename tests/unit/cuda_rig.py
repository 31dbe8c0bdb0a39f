"""A CUDA device behind a fake connection, and what its sessions were sent."""

from __future__ import annotations

from typing import Any

from accelpool.context import Context as LowerContext
from accelpool.cuda.contexts import Context, over
from accelpool.cuda.device_attributes import device_attribute
from accelpool.cuda.devices import ATTRIBUTES
from accelpool.testing import DEVICE, FakeConnection, built, fake_context
from accelpool_wire import messages as m

FIRST_ADDRESS = 0x7F00_0000_0000
APART = 0x1_0000_0000
INFO = {
    **DEVICE,
    0x102B: "Fake GPU",
    0x101F: 1 << 30,
    0x1010: 1 << 30,
    ATTRIBUTES + device_attribute.COMPUTE_CAPABILITY_MAJOR: 9,
    ATTRIBUTES + device_attribute.COMPUTE_CAPABILITY_MINOR: 0,
    ATTRIBUTES + device_attribute.MAX_THREADS_PER_BLOCK: 1024,
    ATTRIBUTES + device_attribute.WARP_SIZE: 32,
    ATTRIBUTES + device_attribute.MULTIPROCESSOR_COUNT: 132,
    ATTRIBUTES + device_attribute.MAX_REGISTERS_PER_BLOCK: 65536,
    ATTRIBUTES + device_attribute.MAX_SHARED_MEMORY_PER_BLOCK: 49152,
}
PLATFORM = {0x0901: "CUDA 12.4", 0x0902: "NVIDIA CUDA", 0x0903: "NVIDIA"}


class FakeCuda(FakeConnection):
    """A connection to a session on CUDA devices: each buffer has an address, far from all others.

    Args:
        count: How many devices.
    """

    def __init__(self, count: int = 1) -> None:
        super().__init__([m.Device("Fake GPU", dict(PLATFORM), dict(INFO)) for _ in range(count)])
        self.answers |= {
            m.GetBufferAddress: lambda message: m.Address(0, self.address(message.buffer), 0),
            m.CreateVariableBuffer: lambda message: m.Address(0, self.address(message.buffer), 256),
            m.BuildProgram: built(kernel("scale"), kernel("nothing")),
            m.SetKernelAttribute: m.Done(0),
            m.GetInfo: lambda message: m.Info(0, message.name % ATTRIBUTES + 100),
        }

    @staticmethod
    def address(buffer: int) -> int:
        """Return the address of a buffer."""
        return FIRST_ADDRESS + APART * buffer

    def sent(self, *kinds: type[m.Message]) -> list[Any]:
        """Return the posted messages of some kinds, in order."""
        return [message for message in self.posted if isinstance(message, kinds)]


def kernel(name: str, most_threads: int = 512) -> m.KernelInfo:
    """Return what a session says of a CUDA kernel."""
    return m.KernelInfo(name, 1, "", [], [m.WorkGroupInfo(most_threads, [0, 0, 0], 0, 32, 0)])


def cuda_contexts(fake: FakeCuda) -> list[Context]:
    """Return a context on each device of a connection; none is current."""
    whole = fake_context(fake)  # its session lives with it
    return [Context(LowerContext([device])) for device in whole._devices]


def cuda_context(fake: FakeCuda) -> Context:
    """Return a context on the device of a connection, current in this thread."""
    return over(fake_context(fake))
