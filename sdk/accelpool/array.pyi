"""What a type checker sees of `accelpool.array`, which PyOpenCL's installed code makes at run time.

The common names with accelpool's types; all others are there, too, and of any type.
"""

from typing import Any, Literal, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

import accelpool as cl

Scalar = complex | np.number[Any] | np.bool_
Order = Literal["C", "F"]
AnyArray = TypeVar("AnyArray", bound=Array)

class Array:
    """An array in device memory, used as NumPy's are; what is done to it is enqueued and not waited for."""

    allocator: Any
    base_data: cl.MemoryObjectHolder | cl.SVMPointer | None
    context: cl.Context
    dtype: np.dtype[Any]
    events: list[cl.Event]
    nbytes: int
    offset: int
    queue: cl.CommandQueue | None
    shape: tuple[int, ...]
    size: int
    strides: tuple[int, ...]

    def __init__(
        self,
        cq: cl.Context | cl.CommandQueue | None,
        shape: tuple[int, ...] | int,
        dtype: npt.DTypeLike,
        order: Order = "C",
        allocator: Any = None,
        data: cl.MemoryObjectHolder | cl.SVMPointer | None = None,
        offset: int = 0,
        strides: tuple[int, ...] | None = None,
        events: list[cl.Event] | None = None,
    ) -> None: ...
    @property
    def ndim(self) -> int: ...
    @property
    def data(self) -> cl.MemoryObjectHolder | cl.SVMPointer | None: ...
    @property
    def T(self) -> Self: ...  # noqa: N802 - NumPy's name
    @property
    def real(self) -> Self: ...
    @property
    def imag(self) -> Self: ...
    def conj(self) -> Self:
        """Return the array's complex conjugate; of real numbers the array itself."""

    def get(
        self, queue: cl.CommandQueue | None = None, ary: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Return the content as a NumPy array, `ary` if that is given; waits until it is there."""

    def get_async(
        self, queue: cl.CommandQueue | None = None, ary: npt.NDArray[Any] | None = None
    ) -> tuple[npt.NDArray[Any], cl.Event]:
        """Return as `get` does, with the event at which the content is there."""

    def set(self, ary: npt.NDArray[Any], queue: cl.CommandQueue | None = None) -> None:
        """Copy a NumPy array of the same dtype and size into the array."""

    def copy(self, queue: cl.CommandQueue = ...) -> Self:
        """Return a copy, in device memory of its own."""

    def fill(self, value: object, queue: cl.CommandQueue | None = None, wait_for: cl.WaitList = None) -> Self:
        """Set all elements to `value`, and return the array."""

    def astype(self, dtype: npt.DTypeLike, queue: cl.CommandQueue | None = None) -> Self:
        """Return a copy whose elements are of another dtype."""

    def reshape(self, *shape: int | tuple[int, ...], order: Order = ...) -> Self:
        """Return an array over the same memory in another shape of as many elements; -1 is what is left."""

    def ravel(self, order: Order = "C") -> Self:
        """Return an array of one dimension over the same memory."""

    def view(self, dtype: npt.DTypeLike | None = None) -> Self:
        """Return an array over the same memory whose bytes are taken for another dtype."""

    def with_queue(self, queue: cl.CommandQueue | None) -> Self:
        """Return an array over the same memory whose commands go to another queue."""

    def add_event(self, evt: cl.Event) -> None:
        """Have the array's commands wait for an event, too."""

    def finish(self) -> None:
        """Wait for all events of the array."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Self: ...
    def __setitem__(self, index: Any, value: Array | npt.NDArray[Any] | Scalar) -> None: ...
    def __neg__(self) -> Self: ...
    def __abs__(self) -> Self: ...
    def __add__(self, other: Array | Scalar) -> Self: ...
    def __radd__(self, other: Scalar) -> Self: ...
    def __iadd__(self, other: Array | Scalar) -> Self: ...
    def __sub__(self, other: Array | Scalar) -> Self: ...
    def __rsub__(self, other: Scalar) -> Self: ...
    def __isub__(self, other: Array | Scalar) -> Self: ...
    def __mul__(self, other: Array | Scalar) -> Self: ...
    def __rmul__(self, other: Scalar) -> Self: ...
    def __imul__(self, other: Array | Scalar) -> Self: ...
    def __truediv__(self, other: Array | Scalar) -> Self: ...
    def __rtruediv__(self, other: Scalar) -> Self: ...
    def __pow__(self, other: Array | Scalar) -> Self: ...
    def __getattr__(self, name: str) -> Any: ...

def to_device(
    queue: cl.CommandQueue, ary: npt.NDArray[Any], allocator: Any = None, async_: bool = False
) -> Array:
    """Return an array with the content of a NumPy array; waits until it is copied, unless `async_`."""

def empty(
    cq: cl.Context | cl.CommandQueue | None,
    shape: tuple[int, ...] | int,
    dtype: npt.DTypeLike,
    order: Order = "C",
    allocator: Any = None,
) -> Array:
    """Return an array whose content is whatever was in its memory."""

def zeros(
    queue: cl.CommandQueue,
    shape: int | tuple[int, ...],
    dtype: npt.DTypeLike,
    order: Order = "C",
    allocator: Any = None,
) -> Array:
    """Return an array of zeros."""

def empty_like(ary: AnyArray, queue: cl.CommandQueue = ..., allocator: Any = None) -> AnyArray:
    """Return an array of another's shape and dtype, whose content is whatever was in its memory."""

def zeros_like(ary: AnyArray) -> AnyArray:
    """Return an array of zeros of another's shape and dtype."""

@overload
def arange(queue: cl.CommandQueue, stop: float, /, **options: Any) -> Array: ...
@overload
def arange(
    queue: cl.CommandQueue, start: float, stop: float, step: float = ..., /, **options: Any
) -> Array: ...
def sum(a: Array, dtype: npt.DTypeLike | None = None, queue: cl.CommandQueue | None = None) -> Array:
    """Return the sum of all elements, in an array of shape ()."""

def dot(
    a: Array, b: Array, dtype: npt.DTypeLike | None = None, queue: cl.CommandQueue | None = None
) -> Array:
    """Return the dot product of two arrays, in an array of shape ()."""

def __getattr__(name: str) -> Any: ...
