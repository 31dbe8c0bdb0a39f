"""What a `map` calls for each chunk: a kernel of a source, or one of the library. Both are pure.

A kernel gets the chunk's parts and what it is to fill, in buffers that are made for the chunk and go with it:
doing a chunk again, elsewhere, does no harm.
"""

from __future__ import annotations

import reprlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from accelpool.constants import mem_flags
from accelpool.context import Context
from accelpool.enqueue import enqueue_copy
from accelpool.event import Event
from accelpool.memory import Buffer
from accelpool.ndrange import Sizes
from accelpool.program import Program
from accelpool.queue import CommandQueue
from accelpool_kernels import Entry
from accelpool_kernels.description import Role

Array: TypeAlias = npt.NDArray[Any]
Fill: TypeAlias = Callable[[Any], "Array | tuple[Array, ...]"]

DTYPES: dict[str, type[np.number[Any]]] = {
    "uchar": np.uint8,
    "int": np.int32,
    "uint": np.uint32,
    "float": np.float32,
}
INPUT = mem_flags.READ_ONLY | mem_flags.COPY_HOST_PTR
INOUT = mem_flags.READ_WRITE | mem_flags.COPY_HOST_PTR


@dataclass(frozen=True, kw_only=True)
class Call:
    """One chunk under way.

    Attributes:
        copies: The copies of its results to the host.
        result: What they go to.
    """

    copies: Sequence[Event]
    result: Any

    def wait(self) -> Any:
        """Return the result, once it is in place.

        Raises:
            Error: A command failed.
        """
        for copy in self.copies:
            copy.wait()
        return self.result


class ChunkKernel(Protocol):
    """A kernel that is called for chunks."""

    def prepare(self, context: Context) -> None:
        """Build it in a context, once; others of the context wait meanwhile."""
        ...

    def call(self, queue: CommandQueue, chunk: Any) -> Call:
        """Enqueue it for a chunk, and return at once."""
        ...


class SourceKernel:
    """A kernel of OpenCL C: its arguments are a chunk's parts, then what it fills.

    Args:
        source: The program's source.
        name: The kernel's name; "" for the only one.
        fill: Returns for a chunk the arrays that the kernel is to fill.
        global_size: Returns for a chunk the NDRange's size; None for as many work-items as the first of these
            arrays has elements.
        options: The compiler's.
    """

    def __init__(
        self, source: str, name: str, fill: Fill, global_size: Callable[[Any], Sizes] | None, options: Any
    ) -> None:
        self._source = source
        self._name = name
        self._fill = fill
        self._global_size = global_size
        self._options = options
        self._building = threading.Lock()
        self._built: dict[Context, Program] = {}

    def prepare(self, context: Context) -> None:
        """Build the program."""
        with self._building:
            if context not in self._built:
                self._built[context] = Program(context, self._source).build(self._options)

    def call(self, queue: CommandQueue, chunk: Any) -> Call:
        """Enqueue the kernel for a chunk."""
        filled = self._fill(chunk)
        results = filled if isinstance(filled, tuple) else (filled,)
        if not all(isinstance(each, np.ndarray) for each in results):
            raise TypeError(f"map: fill returns an array, or a tuple of some, not {reprlib.repr(filled)}")
        size = (results[0].size,) if self._global_size is None else self._global_size(chunk)
        inputs = [_argument(queue.context, part) for part in _parts(chunk)]
        outputs = [Buffer(queue.context, mem_flags.READ_WRITE, max(1, each.nbytes)) for each in results]
        self._kernel(queue.context)(queue, size, None, *inputs, *outputs)
        return Call(copies=_read(queue, results, outputs), result=filled)

    def _kernel(self, context: Context) -> Any:
        program = self._built[context]
        if self._name:
            return getattr(program, self._name)
        kernels = program.all_kernels()
        if len(kernels) != 1:
            names = ", ".join(kernel.function_name for kernel in kernels)
            raise TypeError(f"map: the source has several kernels: name one of {names}")
        return kernels[0]


class LibraryChunkKernel:
    """A kernel of the library: a chunk has its arguments in order, without what it only fills.

    Args:
        entry: What the catalogue says of it.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._building = threading.Lock()

    def prepare(self, context: Context) -> None:
        """Build the program."""
        with self._building:
            getattr(context.kernels, self._entry.name)._core()

    def call(self, queue: CommandQueue, chunk: Any) -> Call:
        """Enqueue the kernel for a chunk."""
        given = self._named(_parts(chunk))
        scalars = {name: given[name] for name in self._entry.sizes}
        arguments: list[Any] = []
        results: list[Array] = []
        buffers: list[Buffer] = []
        for argument in self._entry.parameters:
            value = given.get(argument.name)
            if argument.role in (Role.OUTPUT, Role.INOUT):
                shape = tuple(scalars[d] if isinstance(d, str) else d for d in argument.shape)
                results.append(np.empty(shape, DTYPES[argument.type]))
                buffers.append(_buffer(queue.context, value, results[-1].nbytes))
                arguments.append(buffers[-1])
            elif argument.role is Role.INPUT:
                arguments.append(Buffer(queue.context, INPUT, hostbuf=np.ascontiguousarray(value)))
            else:
                arguments.append(value)
        getattr(queue.context.kernels, self._entry.name)(queue, *arguments)
        result = results[0] if len(results) == 1 else tuple(results)
        return Call(copies=_read(queue, results, buffers), result=result)

    def _named(self, parts: Sequence[Any]) -> dict[str, Any]:
        names = [each.name for each in self._entry.parameters if each.role is not Role.OUTPUT]
        if len(parts) != len(names):
            takes = f"{', '.join(names)} of kernel {self._entry.name}"
            raise TypeError(f"map: a chunk has {takes}, which are {len(names)}, not {len(parts)}")
        return dict(zip(names, parts, strict=True))


def _parts(chunk: Any) -> Sequence[Any]:
    return chunk if isinstance(chunk, tuple) else (chunk,)


def _argument(context: Context, part: Any) -> Any:
    """Return a chunk's part as an argument: an array in a buffer, numbers as they are."""
    if isinstance(part, np.ndarray) and part.ndim:
        return _buffer(context, part, part.nbytes)
    return part


def _buffer(context: Context, content: Any, size: int) -> Buffer:
    if content is None or not size:
        return Buffer(context, mem_flags.READ_WRITE, max(1, size))
    return Buffer(context, INOUT, hostbuf=np.ascontiguousarray(content))


def _read(queue: CommandQueue, results: Sequence[Array], buffers: Sequence[Buffer]) -> list[Event]:
    copies = [
        enqueue_copy(queue, result, buffer, is_blocking=False)
        for result, buffer in zip(results, buffers, strict=True)
        if result.nbytes
    ]
    queue.flush()
    return copies
