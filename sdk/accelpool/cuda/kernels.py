"""The kernel library from a context of CUDA's: `ctx.kernels.saxpy(n, a, x, y, stream=stream)`.

As `accelpool.kernels`: the catalogue knows each kernel's arguments, grid and shared memory; a kernel is built
on its first use in a context.
"""

from __future__ import annotations

import operator
from functools import cache
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from accelpool.catalogue_kernels import CatalogueKernel, CatalogueKernels
from accelpool.cuda.arguments import ArgumentHandler
from accelpool.cuda.contexts import Context
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.launches import LAUNCH, NodeKernel
from accelpool.cuda.modules import program_from_source
from accelpool.cuda.packing import address_of
from accelpool.cuda.streams import Stream
from accelpool.kernel_docs import Told, description
from accelpool_kernels import InvalidArgument, entry, names, source

CUDA = "cuda"
NUMBERS: dict[str, type[np.int32 | np.float32]] = {"int": np.int32, "float": np.float32}
"""Types of scalars; all kernels have these alone."""


@cache
def _description(name: str) -> str:
    return description(name, "", "stream: None for the null stream.")


@cache
def _signature(name: str) -> Signature:
    parameters = [Parameter(each.name, Parameter.POSITIONAL_ONLY) for each in entry(name).parameters]
    return Signature([*parameters, Parameter("stream", Parameter.KEYWORD_ONLY, default=None)])


class LibraryKernel(CatalogueKernel[Context]):
    """A kernel of the library, to be called with its arguments.

    Attributes:
        entry: What the catalogue says of it.
    """

    __slots__ = ()

    __doc__ = Told(_description, __doc__)  # pyright: ignore[reportAssignmentType] - a str, when asked
    __signature__: Told[Signature] = Told(_signature)

    def __call__(self, *args: Any, stream: Stream | None = None) -> None:
        """Launch the kernel over the grid that its sizes ask for; with `Out` or `InOut` wait for it.

        Args:
            *args: The arguments in the catalogue's order: plain numbers; device memory, its addresses, or
                arrays in `In`, `Out` or `InOut`.
            stream: None for the null stream.

        Raises:
            TypeError: There are more or fewer arguments than the kernel has, or one is of another kind.
            LogicError: CUDA_ERROR_INVALID_VALUE: a size is out of range, or memory is too small for it.
        """
        entry, given = self.entry, self._named(args)
        sizes = self._sizes(given)
        try:
            ndrange = entry.ndrange(CUDA, **sizes)
            shared = sum(entry.local_bytes(**sizes).values())
            needed = entry.buffer_bytes(**sizes)
        except InvalidArgument as error:
            raise failed(LAUNCH, "INVALID_VALUE", str(error)) from error
        for argument in entry.parameters:
            value = given[argument.name]
            if argument.role.is_buffer:
                given[argument.name] = self._memory(argument.name, value, needed[argument.name])
            else:
                given[argument.name] = NUMBERS[argument.type](value)
        block = tuple(ndrange.local_size)
        grid = tuple(size // part for size, part in zip(ndrange.global_size, block, strict=True))
        self._kernel()._call(self._context, list(given.values()), grid, block, shared, stream)

    def __repr__(self) -> str:
        usage = f"{self.entry.name}({', '.join(argument.name for argument in self.entry.parameters)})"
        return f"<accelpool.cuda.LibraryKernel {usage}: {self.entry.summary}>"

    def _memory(self, name: str, value: Any, needed: int) -> Any:
        """Return memory as a launch takes it, if there is enough of it."""
        if isinstance(value, ArgumentHandler):
            self._check(name, value.array.nbytes, needed)
            return value
        address = operator.index(value) if isinstance(value, (int, np.integer)) else address_of(value)
        region = self._context._addresses.at(address)
        if region is not None:
            self._check(name, region.address + region.size - address, needed)
        return np.uintp(address)

    def _check(self, name: str, size: int, needed: int) -> None:
        if size < needed:
            what = f"kernel {self.entry.name}: {name} needs {needed} bytes, and has {size}"
            raise failed(LAUNCH, "INVALID_VALUE", what)

    def _kernel(self) -> NodeKernel:
        library, name = self._context._library, self.entry.name
        kernel = library.get(name)
        if kernel is None:
            with calling("cuModuleLoadDataEx"):
                program = program_from_source(self._context, source(name, CUDA), "")
            kernel = NodeKernel(program._session, program._handle, program._built[name])
            library[name] = kernel
        return kernel


class KernelLibrary(CatalogueKernels[Context, LibraryKernel]):
    """The kernels of the library in CUDA C++, as attributes; `dir()` lists them."""

    __slots__ = ()
    KERNEL = LibraryKernel

    def __repr__(self) -> str:
        return f"<accelpool.cuda.KernelLibrary: {', '.join(names())}>"
