"""Functions of a module: kernels, their attributes, and how they are launched."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from accelpool.cuda.constants import func_cache, function_attribute, shared_config
from accelpool.cuda.contexts import Context
from accelpool.cuda.devices import ATTRIBUTES
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.launches import NodeKernel
from accelpool.cuda.packing import format_of, layout
from accelpool.cuda.streams import Event, Stream
from accelpool_wire import messages as m
from accelpool_wire.conversation import ATTRIBUTES as FEATURE

if TYPE_CHECKING:
    from accelpool.cuda.modules import Module

CACHE_PREFERENCE = 0x100
"""By which a node knows it; it is no attribute of CUDA's."""


class Function(NodeKernel):
    """A kernel of a module; `Module.get_function` makes it.

    Attributes:
        arg_format: The parameters' format that `prepare` was given.
    """

    __slots__ = ("_attributes", "_context", "_module", "arg_format", "texrefs")

    def __init__(self, module: Module, info: m.KernelInfo) -> None:
        self._module = module  # as in PyCUDA, a function keeps its module
        self._context: Context = module._context
        self._attributes: dict[int, int] = {}
        self.arg_format: str = ""
        self.texrefs: Sequence[Any] = ()
        super().__init__(self._context._lower._session, module._program._handle, info)

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
        return self._call(self._context, args, grid, block, shared, stream, time_kernel)

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
        self._launch(self._context, grid, block, layout(self.arg_format).pack(args), shared_size, None)

    def prepared_async_call(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        stream: Stream | None,
        *args: Any,
        shared_size: int = 0,
    ) -> None:
        """As `prepared_call`, in a stream."""
        self._launch(self._context, grid, block, layout(self.arg_format).pack(args), shared_size, stream)

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

    def _check_textures(self, texrefs: Sequence[Any]) -> None:
        if texrefs:
            what = "there are no texture references here: pass device memory"
            raise failed("cuParamSetTexRef", "NOT_SUPPORTED", what)
