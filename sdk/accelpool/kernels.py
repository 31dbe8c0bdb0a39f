"""The kernel library from a context: `ctx.kernels.saxpy(queue, n, a, x, y)`.

The catalogue knows each kernel's arguments and NDRange; a kernel is built on its first use in a context.
"""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature
from typing import Any

from accelpool.arguments import LocalMemory
from accelpool.catalogue_kernels import CatalogueKernel, CatalogueKernels
from accelpool.context import Context
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.kernel_core import KernelCore
from accelpool.kernel_docs import Told, description
from accelpool.memory import MemoryObjectHolder
from accelpool.program import Program
from accelpool.queue import CommandQueue
from accelpool_kernels import Entry, InvalidArgument, entry, names, source
from accelpool_wire.codes import ErrorCode


def _usage(entry: Entry) -> str:
    return f"{entry.name}({', '.join(['queue', *(argument.name for argument in entry.parameters)])})"


@cache
def _description(name: str) -> str:
    return description(name, "queue: The queue to enqueue to.", "wait_for: Events to wait for.")


@cache
def _signature(name: str) -> Signature:
    names = ["queue", *(argument.name for argument in entry(name).parameters)]
    parameters = [Parameter(each, Parameter.POSITIONAL_ONLY) for each in names]
    wait_for = Parameter("wait_for", Parameter.KEYWORD_ONLY, default=None)
    return Signature([*parameters, wait_for])


class LibraryKernel(CatalogueKernel[Context]):
    """A kernel of the library, to be called with its arguments.

    Attributes:
        entry: What the catalogue says of it.
    """

    __slots__ = ()

    __doc__ = Told(_description, __doc__)  # pyright: ignore[reportAssignmentType] - a str, when asked
    __signature__: Told[Signature] = Told(_signature)

    def __call__(self, queue: CommandQueue, *args: Any, wait_for: WaitList = None) -> Event:
        """Enqueue the kernel over the NDRange that its sizes ask for, and return its event at once.

        Args:
            queue: The queue to enqueue to.
            *args: The arguments in the catalogue's order, without local memory: numbers and buffers.
            wait_for: Events to wait for.

        Raises:
            TypeError: There are more or fewer arguments than the kernel has.
            LogicError: INVALID_ARG_VALUE: a size is out of range, or a buffer is too small for it; else as
                `Kernel.set_args`.
        """
        entry = self.entry
        try:
            given = self._named(args)
        except TypeError:
            self._check_queue(queue)  # a forgotten one shifts all arguments
            raise
        sizes = self._sizes(given)
        try:
            ndrange = entry.ndrange(**sizes)
            local_bytes = entry.local_bytes(**sizes)
            self._check_buffers(given, entry.buffer_bytes(**sizes))
        except InvalidArgument as error:
            self._check_queue(queue)
            raise LogicError("clSetKernelArg", ErrorCode.INVALID_ARG_VALUE, str(error)) from error
        given.update({name: LocalMemory(size) for name, size in local_bytes.items()})
        core = self._core()
        packed = [
            pack(given[argument.name]) for pack, argument in zip(core.packers, entry.arguments, strict=True)
        ]
        return core.launch(queue, packed, ndrange.global_size, ndrange.local_size, None, wait_for)

    def __repr__(self) -> str:
        return f"<accelpool.LibraryKernel {_usage(self.entry)}: {self.entry.summary}>"

    def _check_queue(self, queue: object) -> None:
        if not isinstance(queue, CommandQueue):
            raise TypeError(f"queue is a CommandQueue, not {queue!r}: {_usage(self.entry)}")

    def _check_buffers(self, given: dict[str, Any], needed: dict[str, int]) -> None:
        for name, size in needed.items():
            buffer = given[name]
            if isinstance(buffer, MemoryObjectHolder) and buffer._size < size:
                what = f"kernel {self.entry.name}: {name} needs {size} bytes, {buffer!r} is too small"
                raise LogicError("clSetKernelArg", ErrorCode.INVALID_ARG_VALUE, what)

    def _core(self) -> KernelCore:
        library, name = self._context._library, self.entry.name
        core = library.get(name)
        if core is None:
            arguments = self.entry.arguments
            program = Program(self._context, source(name))
            program._compile()
            core = library[name] = program._core(name)
            if core.info.num_args != len(arguments):
                raise LogicError("clCreateKernel", ErrorCode.INVALID_KERNEL_DEFINITION, f"kernel {name}")
        return core


class KernelLibrary(CatalogueKernels[Context, LibraryKernel]):
    """The kernels of the library, as attributes; `dir()` lists them."""

    __slots__ = ()
    KERNEL = LibraryKernel

    def __repr__(self) -> str:
        return f"<accelpool.KernelLibrary: {', '.join(names())}>"
