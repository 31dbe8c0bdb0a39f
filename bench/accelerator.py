"""What an operation runs on: a module like PyOpenCL and a context. Only here do pool and local differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Accelerator:
    """One device, by way of the pool or locally.

    Args:
        cl: `pyopencl`, or `accelpool`, which has the same names.
        acquire: Returns a new context on the device.
        release: Gives a context back.
        rest_s: How long to wait between two acquisitions, for another worker to be warm.
    """

    def __init__(
        self, cl: Any, acquire: Callable[[], Any], release: Callable[[Any], None], *, rest_s: float
    ) -> None:
        self.cl = cl
        self.acquire = acquire
        self.release = release
        self.rest_s = rest_s
        self._context: Any = None

    def context(self) -> Any:
        """Return the context that operations share, acquired at its first use."""
        if self._context is None:
            self._context = self.acquire()
        return self._context

    def give_back(self) -> None:
        """Release the shared context, so that the device is free."""
        context, self._context = self._context, None
        if context is not None:
            self.release(context)

    def build(self, source: str) -> Any:
        """Return a built program."""
        return self.cl.Program(self.context(), source).build()

    def buffer(self, size: int) -> Any:
        """Return a buffer of a size in bytes."""
        return self.cl.Buffer(self.context(), self.cl.mem_flags.READ_WRITE, size)


def pool_accelerator(url: str, token: str, device: str) -> Accelerator:
    """Return a device of a pool.

    Args:
        url: The broker's URL.
        token: A user token.
        device: The device's id.
    """
    import accelpool

    broker = accelpool.connect(url, token)
    return Accelerator(
        accelpool, lambda: broker.acquire(device=device), lambda context: context.release(), rest_s=2.0
    )


def local_accelerator(platform: str, device: str) -> Accelerator:
    """Return a device of this process's driver environment; "" is the first platform or device."""
    import pyopencl

    found = [
        candidate
        for shown in pyopencl.get_platforms()
        if not platform or shown.name.strip() == platform
        for candidate in shown.get_devices()
        if not device or candidate.name.strip() == device
    ]
    if not found:
        raise SystemExit(f"no OpenCL device {device!r} of platform {platform!r} here")
    return Accelerator(pyopencl, lambda: pyopencl.Context(found[:1]), lambda _: None, rest_s=0.0)
