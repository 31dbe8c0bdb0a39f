"""How a kernel of the library is described: its arguments, its NDRange and its tolerance.

A dimension of a shape, or of what an NDRange covers, is an int or the name of a scalar argument; such a
scalar is a *size*: a whole number from 1 to `MAX_SIZE`. So NDRanges and byte sizes follow from the
description and the sizes, and the description itself can be sent as JSON.
"""

import math
import operator
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from accelpool_kernels.errors import InvalidArgument

Dimension = int | str

TYPE_BYTES = {"uchar": 1, "int": 4, "uint": 4, "float": 4}
"""Bytes of each OpenCL C scalar type that the library uses (OpenCL C 1.2, section 6.1.1)."""

MAX_SIZE = 2**31 - 4096
"""The largest size. Kernels count in 32-bit ints and may step past the end by up to one tile."""

OPENCL, CUDA = "opencl", "cuda"
"""What a kernel's source may be written for, in the words of a demand's `api`."""

MAX_GROUPS = {CUDA: (2**31 - 1, 65_535, 65_535)}
"""The most work-groups per dimension; with fewer than its sizes ask for a kernel goes on below them.

Source: CUDA C++ Programming Guide, technical specifications per compute capability.
"""

NO_LIMIT = (sys.maxsize,) * 3


class Role(StrEnum):
    """What a kernel does with an argument; INPUT, OUTPUT and INOUT are buffers."""

    INPUT = "input"
    OUTPUT = "output"
    INOUT = "inout"
    SCALAR = "scalar"
    LOCAL = "local"

    @property
    def is_buffer(self) -> bool:
        """Whether the argument is a buffer in global memory."""
        return self in (Role.INPUT, Role.OUTPUT, Role.INOUT)

    @property
    def is_written(self) -> bool:
        """Whether the argument is a buffer that the kernel changes."""
        return self in (Role.OUTPUT, Role.INOUT)


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a kernel.

    Attributes:
        name: Its name in the sources.
        type: OpenCL C scalar type, of each element for buffers and local memory.
        role: What the kernel does with it.
        shape: Elements per dimension, C order; empty for a scalar.
        summary: What it means, with its unit or range.
    """

    name: str
    type: str
    role: Role
    shape: tuple[Dimension, ...] = ()
    summary: str = ""

    def describe(self) -> dict[str, object]:
        """Return the argument as a JSON object."""
        return {
            "name": self.name,
            "type": self.type,
            "role": self.role.value,
            "shape": list(self.shape),
            "summary": self.summary,
        }


@dataclass(frozen=True, kw_only=True)
class NDRange:
    """The global and local work size of one launch, with as many dimensions each."""

    global_size: tuple[int, ...]
    local_size: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class NDRangeRule:
    """How a launch's NDRange follows from its sizes.

    Attributes:
        covers: Elements to cover, per dimension of the NDRange.
        local_size: Work-items per work-group and dimension.
        per_item: Neighbouring elements that one work-item handles, per dimension.
    """

    covers: tuple[Dimension, ...]
    local_size: tuple[int, ...]
    per_item: tuple[int, ...]

    def ndrange(self, sizes: Mapping[str, int], most: Sequence[int] = NO_LIMIT) -> NDRange:
        """Return the smallest NDRange of whole work-groups that covers the elements, within limits.

        Args:
            sizes: The sizes by name.
            most: How many work-groups there may be, per dimension.
        """
        global_size = tuple(
            min(math.ceil(_resolve(cover, sizes) / (local * per_item)), limit) * local
            for cover, local, per_item, limit in zip(
                self.covers, self.local_size, self.per_item, most, strict=False
            )
        )
        return NDRange(global_size=global_size, local_size=self.local_size)

    @property
    def words(self) -> str:
        """The rule as a phrase for people, dimension 0 first."""
        return " x ".join(
            f"{cover if per_item == 1 else f'{cover}/{per_item}'} rounded up to a multiple of {local}"
            for cover, local, per_item in zip(self.covers, self.local_size, self.per_item, strict=True)
        )

    def describe(self) -> dict[str, object]:
        """Return the rule as a JSON object."""
        return {
            "global_size": self.words,
            "covers": list(self.covers),
            "per_item": list(self.per_item),
            "local_size": list(self.local_size),
        }


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a kernel's results may be from its twin's.

    Attributes:
        relative: Bound of `max |kernel - twin| / max |twin|`, over each written buffer; 0 means equal.
        reason: Why this bound.
    """

    relative: float = 0.0
    reason: str

    @property
    def words(self) -> str:
        """The bound and its reason as a phrase for people."""
        bound = f"max |kernel - twin| <= {self.relative:g} max |twin|" if self.relative else "exact"
        return f"{bound}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One kernel of the library, as the catalogue has it.

    Attributes:
        name: Of the kernel function, of its files without the suffix, and of its twin.
        summary: What it computes, in a sentence.
        arguments: All of them, in the order of the sources. CUDA has no LOCAL ones: their bytes together are
            the launch's dynamic shared memory.
        rule: How its NDRange follows from its sizes.
        source: Where the formula comes from.
        tolerance: How far it may be from its twin.
        apis: What there is a source for, in the words of a demand's `api`.
    """

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    rule: NDRangeRule
    source: str
    tolerance: Tolerance
    apis: tuple[str, ...] = (OPENCL, CUDA)

    @property
    def parameters(self) -> tuple[Argument, ...]:
        """The arguments that a caller passes, in order: all but local memory."""
        return tuple(argument for argument in self.arguments if argument.role is not Role.LOCAL)

    @property
    def sizes(self) -> tuple[str, ...]:
        """The names of the scalars that size buffers or the NDRange, in order."""
        used = {*self.rule.covers, *(d for argument in self.arguments for d in argument.shape)}
        return tuple(argument.name for argument in self.arguments if argument.name in used)

    def ndrange(self, api: str = OPENCL, /, **scalars: float) -> NDRange:
        """Return the NDRange to launch the kernel with.

        Args:
            api: What it is launched by; with CUDA a block is a work-group.
            **scalars: The kernel's scalar arguments by name; only its sizes are needed.

        Raises:
            InvalidArgument: A size is missing or out of range, or a name is no scalar of this kernel.
        """
        return self.rule.ndrange(self._checked_sizes(scalars), MAX_GROUPS.get(api, NO_LIMIT))

    def buffer_bytes(self, **scalars: float) -> dict[str, int]:
        """Return the bytes that each buffer must have at least, by argument name.

        Args:
            **scalars: As for `ndrange`.

        Raises:
            InvalidArgument: As for `ndrange`.
        """
        sizes = self._checked_sizes(scalars)
        return {a.name: _byte_size(a, sizes) for a in self.arguments if a.role.is_buffer}

    def local_bytes(self, **scalars: float) -> dict[str, int]:
        """Return the bytes of local memory to set for each LOCAL argument, by name.

        Args:
            **scalars: As for `ndrange`.

        Raises:
            InvalidArgument: As for `ndrange`.
        """
        sizes = self._checked_sizes(scalars)
        return {a.name: _byte_size(a, sizes) for a in self.arguments if a.role is Role.LOCAL}

    def describe(self) -> dict[str, object]:
        """Return the entry as a JSON object."""
        return {
            "name": self.name,
            "summary": self.summary,
            "apis": list(self.apis),
            "arguments": [argument.describe() for argument in self.arguments],
            "ndrange": self.rule.describe(),
            "source": self.source,
            "tolerance": self.tolerance.words,
        }

    def _checked_sizes(self, scalars: Mapping[str, float]) -> dict[str, int]:
        known = {argument.name for argument in self.arguments if argument.role is Role.SCALAR}
        for name in scalars:
            if name not in known:
                raise InvalidArgument(
                    self.name, name, f"no scalar argument; there are: {', '.join(sorted(known))}"
                )
        return {name: self._checked_size(name, scalars) for name in self.sizes}

    def _checked_size(self, name: str, scalars: Mapping[str, float]) -> int:
        if name not in scalars:
            raise InvalidArgument(self.name, name, "missing, and a size is needed")
        try:
            size = operator.index(scalars[name])  # type: ignore[arg-type]  # what it is for: to find out
        except TypeError as error:
            raise InvalidArgument(self.name, name, f"{scalars[name]!r} is no whole number") from error
        if not 1 <= size <= MAX_SIZE:
            raise InvalidArgument(self.name, name, f"{size} is not from 1 to {MAX_SIZE}")
        return size


def _resolve(dimension: Dimension, sizes: Mapping[str, int]) -> int:
    return dimension if isinstance(dimension, int) else sizes[dimension]


def _byte_size(argument: Argument, sizes: Mapping[str, int]) -> int:
    return TYPE_BYTES[argument.type] * math.prod(_resolve(d, sizes) for d in argument.shape)
