"""What an operation runs on: one device by way of the pool or locally, through OpenCL or CUDA.

Only here do pool and local differ, and OpenCL and CUDA. What is called while something is timed are functions
of the library under test, with arguments bound by `functools.partial`, and none of ours between.

    OpenCL  `pyopencl`, or `accelpool`; an in-order queue; NumPy's memory
    CUDA    `pycuda`, or `accelpool.cuda`; the null stream; `pagelocked_empty`: memory that the driver
            locked locally, and ordinary memory on the pool's side, where the worker has locked memory
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from numpy.typing import NDArray

from accelpool_kernels.description import CUDA, OPENCL

Array = NDArray[Any]
AXES = 3


class Queue(Protocol):
    """Commands that are carried out in their order.

    Attributes:
        finish: Waits until all are complete.
        write: Copies host memory to a buffer: takes buffer and array; may return before it is done.
        read: Copies a buffer to host memory: takes array and buffer; returns when it is done.
    """

    finish: Callable[[], Any]
    write: Callable[[Any, Array], Any]
    read: Callable[[Array, Any], Any]

    def launcher(self, kernel: Any, global_size: Sequence[int], local_size: Sequence[int] | None) -> Any:
        """Return what launches a kernel with the arguments that it is called with."""
        ...


class Accelerator(ABC):
    """One device.

    Args:
        acquire: Returns a new context on the device.
        release: Gives a context back.
        rest_s: How long to wait between two acquisitions, for another worker to be warm.

    Attributes:
        api: What programs for it are written for: "opencl" or "cuda".
    """

    api: str

    def __init__(self, acquire: Callable[[], Any], release: Callable[[Any], None], *, rest_s: float) -> None:
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

    @abstractmethod
    def kernel(self, source: str, name: str) -> Any:
        """Return a kernel of a source that is built."""

    @abstractmethod
    def buffer(self, size: int) -> Any:
        """Return a buffer of a size in bytes."""

    @abstractmethod
    def host(self, array: Array) -> Array:
        """Return an array of the same content in memory that copies are made from and to."""

    @abstractmethod
    def queue(self) -> Queue:
        """Return a queue."""


class OpenCLQueue:
    """An in-order command queue; see `Queue`."""

    def __init__(self, cl: Any, context: Any) -> None:
        self._queue = cl.CommandQueue(context)
        self.finish: Callable[[], Any] = self._queue.finish
        self.write: Callable[[Any, Array], Any] = partial(cl.enqueue_copy, self._queue)
        self.read: Callable[[Array, Any], Any] = self.write

    def launcher(self, kernel: Any, global_size: Sequence[int], local_size: Sequence[int] | None) -> Any:
        """Return what launches a kernel with the arguments that it is called with."""
        return partial(kernel, self._queue, tuple(global_size), local_size)


class OpenCLAccelerator(Accelerator):
    """A device through OpenCL.

    Args:
        cl: `pyopencl`, or `accelpool`, which has the same names.
        acquire: As of `Accelerator`, and so are:
        release: ...
        rest_s: ...
    """

    api = OPENCL

    def __init__(
        self, cl: Any, acquire: Callable[[], Any], release: Callable[[Any], None], *, rest_s: float
    ) -> None:
        super().__init__(acquire, release, rest_s=rest_s)
        self._cl = cl

    def kernel(self, source: str, name: str) -> Any:
        """Return a kernel of a source that is built."""
        return self._cl.Kernel(self._cl.Program(self.context(), source).build(), name)

    def buffer(self, size: int) -> Any:
        """Return a buffer of a size in bytes."""
        return self._cl.Buffer(self.context(), self._cl.mem_flags.READ_WRITE, size)

    def host(self, array: Array) -> Array:
        """Return the array itself."""
        return array

    def queue(self) -> OpenCLQueue:
        """Return a new in-order queue."""
        return OpenCLQueue(self._cl, self.context())


class CudaQueue:
    """The null stream of the current context; see `Queue`."""

    def __init__(self, driver: Any) -> None:
        self.finish: Callable[[], Any] = driver.Context.synchronize
        self.write: Callable[[Any, Array], Any] = driver.memcpy_htod
        self.read: Callable[[Array, Any], Any] = driver.memcpy_dtoh

    def launcher(self, kernel: Any, global_size: Sequence[int], local_size: Sequence[int] | None) -> Any:
        """Return what launches a kernel with the arguments that it is called with."""
        block = local_size or (1,) * len(global_size)
        grid = [items // local for items, local in zip(global_size, block, strict=True)]
        return partial(kernel, grid=_three(grid), block=_three(block))


class CudaAccelerator(Accelerator):
    """A device through CUDA; contexts are current in the calling thread from their making.

    Args:
        package: "pycuda", or "accelpool.cuda", which has the same names.
        acquire: As of `Accelerator`, and so are:
        release: ...
        rest_s: ...
    """

    api = CUDA

    def __init__(
        self, package: str, acquire: Callable[[], Any], release: Callable[[Any], None], *, rest_s: float
    ) -> None:
        super().__init__(acquire, release, rest_s=rest_s)
        self._driver = importlib.import_module(f"{package}.driver")
        self._compiler = importlib.import_module(f"{package}.compiler")

    def kernel(self, source: str, name: str) -> Any:
        """Return a kernel of a source that is built."""
        self.context()
        return self._compiler.SourceModule(source, no_extern_c=True).get_function(name)

    def buffer(self, size: int) -> Any:
        """Return a buffer of a size in bytes."""
        self.context()
        return self._driver.mem_alloc(size)

    def host(self, array: Array) -> Array:
        """Return an array in page-locked memory."""
        self.context()
        made: Array = self._driver.pagelocked_empty(array.shape, array.dtype)
        made[...] = array
        return made

    def queue(self) -> CudaQueue:
        """Return the null stream."""
        self.context()
        return CudaQueue(self._driver)


def pool_accelerator(url: str, token: str, device: str, api: str = OPENCL) -> Accelerator:
    """Return a device of a pool.

    Args:
        url: The broker's URL.
        token: A user token.
        device: The device's id.
        api: "opencl" or "cuda".
    """
    import accelpool

    broker = accelpool.connect(url, token)
    if api == CUDA:
        acquire = importlib.import_module("accelpool.cuda").acquire
        return CudaAccelerator(
            "accelpool.cuda",
            lambda: acquire(broker=broker, device=device),
            lambda context: context.detach(),
            rest_s=2.0,
        )
    return OpenCLAccelerator(
        accelpool, lambda: broker.acquire(device=device), lambda context: context.release(), rest_s=2.0
    )


def local_accelerator(api: str, platform: str, device: str) -> Accelerator:
    """Return a device of this process's driver environment; "" is the first platform or device.

    Args:
        api: "opencl" or "cuda".
        platform: The name of OpenCL's platform.
        device: The device's name.
    """
    return _local_cuda(device) if api == CUDA else _local_opencl(platform, device)


def _local_opencl(platform: str, device: str) -> Accelerator:
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
    return OpenCLAccelerator(pyopencl, lambda: pyopencl.Context(found[:1]), lambda _: None, rest_s=0.0)


def _local_cuda(device: str) -> Accelerator:
    driver = importlib.import_module("pycuda.driver")
    driver.init()
    shown = [driver.Device(number) for number in range(driver.Device.count())]
    found = [candidate for candidate in shown if not device or candidate.name().strip() == device]
    if not found:
        raise SystemExit(f"no CUDA device {device!r} here")

    def release(context: Any) -> None:
        context.pop()
        context.detach()

    return CudaAccelerator("pycuda", found[0].make_context, release, rest_s=0.0)


def _three(sizes: Sequence[int]) -> tuple[int, ...]:
    return (*sizes, *(1,) * (AXES - len(sizes)))
