"""Kernel arguments that are whole arrays: one for the caller, a buffer and perhaps an offset for the kernel.

A kernel declares them by `set_arg_types`, with `VectorArg`s of `accelpool.tools`. All that counts of such a
type is its `with_offset`, and of an array its `base_data`, `offset`, `events`, `queue` and `flags.forc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from accelpool.event import Event, WaitList
from accelpool.queue import CommandQueue


class ArrayArguments:
    """Which of a kernel's declared arguments are arrays.

    Attributes:
        dtypes: What `set_scalar_arg_dtypes` takes, one per place of the kernel.
    """

    __slots__ = ("_declared", "_name", "dtypes")

    def __init__(self, name: str, arg_types: Iterable[Any]) -> None:
        self._name = name
        self._declared: list[bool | None] = []  # for an array whether its offset is passed, else None
        self.dtypes: list[Any] = []
        for arg_type in arg_types:
            with_offset = getattr(arg_type, "with_offset", None)
            self._declared.append(with_offset)
            if with_offset is None:
                self.dtypes.append(arg_type)
            else:
                self.dtypes += [None, "int64"] if with_offset else [None]

    def __bool__(self) -> bool:
        return any(with_offset is not None for with_offset in self._declared)

    def spread(self, args: Sequence[Any]) -> list[Any]:
        """Return the kernel's arguments from the caller's.

        Raises:
            TypeError: There are more or fewer than declared, or one is no array.
            RuntimeError: An array is not contiguous.
        """
        if len(args) != len(self._declared):
            raise TypeError(
                f"kernel {self._name} takes {len(self._declared)} declared arguments, not {len(args)}"
            )
        places: list[Any] = []
        for index, (arg, with_offset) in enumerate(zip(args, self._declared, strict=True)):
            if with_offset is None:
                places.append(arg)
                continue
            self._check(index, arg)
            places += [arg.base_data, arg.offset] if with_offset else [arg.base_data]
        return places

    def waits(self, args: Sequence[Any], queue: CommandQueue, wait_for: WaitList) -> list[Event]:
        """Return the events that a launch waits for: those given, and those of its arrays.

        Raises:
            ValueError: An array is another queue's.
        """
        events = list(wait_for or ())
        for arg, with_offset in zip(args, self._declared, strict=True):
            if with_offset is None:
                continue
            if arg.queue is not None and arg.queue is not queue:
                raise ValueError(f"kernel {self._name}: an array of {arg.queue!r} is used in {queue!r}")
            events += arg.events
        return events

    def _check(self, index: int, arg: Any) -> None:
        if not hasattr(arg, "base_data"):
            raise TypeError(
                f"argument {index + 1} of kernel {self._name}: expected an Array, got {arg!r:.60}"
            )
        if not arg.flags.forc:
            raise RuntimeError(f"argument {index + 1} of kernel {self._name}: the array is not contiguous")
