"""Functions of a module: kernels, and how they are launched.

A launch is posted: what its parameters are is packed here, in one block, and no answer is awaited.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from accelpool.arguments import LocalMemory
from accelpool.cuda.constants import func_cache, function_attribute, shared_config
from accelpool.cuda.contexts import Context
from accelpool.cuda.device_attributes import device_attribute
from accelpool.cuda.devices import ATTRIBUTES
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.packing import format_of, layout, packed
from accelpool.cuda.streams import Event, Stream
from accelpool.objects import SessionObject
from accelpool_wire import messages as m
from accelpool_wire.conversation import ATTRIBUTES as FEATURE

if TYPE_CHECKING:
    from accelpool.cuda.modules import Module

AXES = 3
LAUNCH = "cuLaunchKernel"
REMEMBERED_SHAPES = 64
CACHE_PREFERENCE = 0x100
"""By which a node knows it; it is no attribute of CUDA's."""


class Function(SessionObject):
    """A kernel of a module; `Module.get_function` makes it.

    Attributes:
        arg_format: The parameters' format that `prepare` was given.
    """

    __slots__ = ("_attributes", "_context", "_group", "_module", "_name", "_shapes", "arg_format", "texrefs")

    def __init__(self, module: Module, name: str, info: m.KernelInfo) -> None:
        context = module._context
        self._module = module  # as in PyCUDA, a function keeps its module
        self._context: Context = context
        self._name = name
        self._group = info.work_groups[0].work_group_size if info.work_groups else 0
        self._shapes: dict[Any, tuple[list[int], list[int]]] = {}
        self._attributes: dict[int, int] = {}
        self.arg_format = ""
        self.texrefs: Sequence[Any] = ()
        self._session = context._lower._session
        handle = self._session.new_handle()
        with calling("cuModuleGetFunction"):
            self._session.post(m.CreateKernel(handle, module._program._handle, name))
        self._handle = handle

    def __call__(
        self,
        *args: Any,
        grid: Sequence[int] = (1, 1),
        block: Sequence[int] | None = None,
        stream: Stream | None = None,
        shared: int = 0,
        texrefs: Sequence[Any] = (),
        time_kernel: bool = False,
        **unknown: Any,
    ) -> float | None:
        """Launch the kernel; with `Out`, `InOut` or `time_kernel` wait for it.

        Args:
            *args: The parameters: NumPy numbers, device memory, arrays in `In`, `Out` or `InOut`.
            grid: Blocks per axis, up to 3.
            block: Threads of a block per axis, up to 3.
            stream: None for the null stream.
            shared: Bytes of dynamic shared memory of each block.
            texrefs: None: there are no texture references here.
            time_kernel: Whether to wait before and after, and return the seconds between.
            **unknown: None.

        Raises:
            TypeError: A parameter is none that a kernel could have.
            ValueError: No block is said, or there is an argument of another name.
            LogicError, LaunchError: The sizes are not possible; or, where it waits, a command failed.
        """
        if unknown:
            raise ValueError(f"extra keyword arguments: {','.join(unknown)}")
        if block is None:
            raise ValueError("must specify block size")
        if stream is not None and time_kernel:
            raise AssertionError("Can't time the kernel on an asynchronous invocation")
        self._check_textures(texrefs)
        handlers, parameters = packed(args)
        for handler in handlers:
            handler.pre_call(stream)
        outs = [handler for handler in handlers if handler.is_read]
        started = self._waited() if time_kernel else 0.0
        self._launch_kernel(grid, block, parameters, shared, stream)
        run_time = self._waited() - started if time_kernel else None
        if outs and stream is not None:
            stream.synchronize()  # what follows is in the null stream, perhaps not ordered with this one
        for handler in outs:
            handler.post_call(stream)
        return run_time

    def prepare(self, arg_types: Sequence[Any] | str, texrefs: Sequence[Any] | None = None) -> Function:
        """Say the parameters' types once and for all; return the function.

        Args:
            arg_types: A code of `struct` or a NumPy type for each; anything else is a pointer.
            texrefs: None: there are no texture references here.
        """
        self._check_textures(texrefs or ())
        self.texrefs = list(texrefs or ())
        self.arg_format = format_of(arg_types)
        return self

    def prepared_call(
        self, grid: Sequence[int], block: Sequence[int], *args: Any, shared_size: int = 0
    ) -> None:
        """Launch the kernel with parameters of the types that `prepare` was given."""
        self._launch_kernel(grid, block, layout(self.arg_format).pack(args), shared_size, None)

    def prepared_async_call(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        stream: Stream | None,
        *args: Any,
        shared_size: int = 0,
    ) -> None:
        """As `prepared_call`, in a stream."""
        self._launch_kernel(grid, block, layout(self.arg_format).pack(args), shared_size, stream)

    def prepared_timed_call(
        self, grid: Sequence[int], block: Sequence[int], *args: Any, shared_size: int = 0
    ) -> Callable[[], float]:
        """As `prepared_call`; return what waits for the kernel and returns its time in seconds."""
        start, end = Event(), Event()
        start.record()
        self.prepared_call(grid, block, *args, shared_size=shared_size)
        end.record()
        return lambda: end.synchronize().time_since(start) * 1e-3

    def get_attribute(self, attr: int, /) -> int:
        """Return the value of a `function_attribute`: one round trip, once.

        Raises:
            LogicError: The driver does not know it.
        """
        number = int(function_attribute(attr))
        value = self._attributes.get(number)
        if value is None:
            message = m.GetInfo(
                m.WORK_GROUP, self._handle, ATTRIBUTES + number, self._context._lower._places[0]
            )
            with calling("cuFuncGetAttribute"):
                told: Any = self._session.ask(message, m.Info).value
            value = self._attributes[number] = int(told)
        return value

    def set_attribute(self, attr: int, value: int, /) -> None:
        """Set a `function_attribute`, for all functions of this name in the module: one round trip.

        More than 48 KiB of dynamic shared memory need not be asked for: nodes do that where a launch has it.

        Args:
            attr: MAX_DYNAMIC_SHARED_SIZE_BYTES, or PREFERRED_SHARED_MEMORY_CARVEOUT.
            value: Bytes; percent, or -1 for what the driver thinks best.

        Raises:
            LogicError: CUDA_ERROR_INVALID_VALUE: it cannot be set, or not to that.
        """
        number = int(function_attribute(attr))
        self._set("cuFuncSetAttribute", number, operator.index(value))

    def set_cache_config(self, config: int, /) -> None:
        """Say which it prefers, shared memory or cache, by a `func_cache`: one round trip."""
        self._set("cuFuncSetCacheConfig", CACHE_PREFERENCE, func_cache(config))

    def set_shared_config(self, config: int, /) -> None:
        """Take a `shared_config`, and ignore it: no device of CUDA 12 has banks of another width."""
        shared_config(config)

    def param_set_texref(self, texref: object, /) -> None:
        """Refuse: there are no texture references here.

        Raises:
            LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
        """
        self._check_textures([texref])

    def _set(self, routine: str, number: int, value: int) -> None:
        """Set an attribute; a node that knows nothing of that goes by itself."""
        if FEATURE not in self._session.connection.features:
            return
        self._attributes.pop(number, None)
        with calling(routine):
            self._session.ask(m.SetKernelAttribute(self._handle, ATTRIBUTES + number, value), m.Done)

    def __getattr__(self, name: str) -> int:
        """Return an attribute by its name in lower case: `function.num_regs`."""
        try:
            attribute = function_attribute[name.upper()]
        except KeyError:
            raise AttributeError(f"a Function has no attribute {name!r}") from None
        return self.get_attribute(attribute)

    def __repr__(self) -> str:
        return f"<accelpool.cuda.Function {self._name!r}>"

    def _launch_kernel(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        parameters: bytes,
        shared: int,
        stream: Stream | None,
    ) -> None:
        """Post a launch."""
        context, session = self._context, self._session
        sizes = self._shapes.get((grid, block)) if type(grid) is tuple and type(block) is tuple else None
        global_size, local_size = sizes or self._sizes(grid, block)
        args: list[m.KernelArg] = [parameters] if parameters else []
        if shared:
            args.append(LocalMemory(shared)._message)
        lane, lanes = context._lane(stream, LAUNCH), context._lanes
        with calling(LAUNCH), lanes.lock:
            waits = lanes.before(lane)
            session.post(
                m.EnqueueNDRangeKernel(
                    lane.queue._handle, self._handle, global_size, local_size, 0, args, waits
                )
            )

    def _sizes(self, grid: Sequence[int], block: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the global and the local size of a launch.

        Raises:
            LogicError: CUDA_ERROR_INVALID_VALUE: a size is none, or beyond the device's.
            LaunchError: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many threads in a block for the kernel.
        """
        blocks, threads = _axes("grid", grid), _axes("block", block)
        device, count = self._context._device, math.prod(threads)
        most = device._known._info.get(ATTRIBUTES + device_attribute.MAX_THREADS_PER_BLOCK)
        if most and count > most:
            raise failed(LAUNCH, "INVALID_VALUE", f"a block of {count} threads; {most} are possible")
        if self._group and count > self._group:
            what = f"a block of {count} threads; {self._group} are possible for {self._name}"
            raise failed(LAUNCH, "LAUNCH_OUT_OF_RESOURCES", what)
        sizes = [part * size for part, size in zip(blocks, threads, strict=True)], threads
        if len(self._shapes) >= REMEMBERED_SHAPES:
            self._shapes.clear()
        self._shapes[(tuple(grid), tuple(block))] = sizes
        return sizes

    def _waited(self) -> float:
        """Wait for all commands, and return the time."""
        with calling("cuCtxSynchronize"):
            self._context._lanes.finish()
        return time.monotonic()

    def _check_textures(self, texrefs: Sequence[Any]) -> None:
        if texrefs:
            what = "there are no texture references here: pass device memory"
            raise failed("cuParamSetTexRef", "NOT_SUPPORTED", what)


def _axes(name: str, sizes: Sequence[int]) -> list[int]:
    numbers = [operator.index(size) for size in sizes]
    if len(numbers) > AXES:
        raise failed(LAUNCH, "INVALID_HANDLE", f"too many {name} dimensions in kernel launch: {numbers}")
    numbers += [1] * (AXES - len(numbers))
    if min(numbers) < 1:
        raise failed(LAUNCH, "INVALID_VALUE", f"{name} {tuple(sizes)} has nothing in it")
    return numbers
