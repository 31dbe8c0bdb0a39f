"""What belongs to the process that made it."""

from __future__ import annotations

import sys
from typing import Any, Self
from weakref import WeakValueDictionary

from accelpool.errors import LogicError
from accelpool_wire.codes import ErrorCode

# Of the process, as pointers are: whatever code has the number finds the object.
_numbered: WeakValueDictionary[int, ProcessBound] = WeakValueDictionary()


class ProcessBound:
    """The base of what stands for something on a node: it means nothing in another process."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied: it lives in a session of this process; "
            "send what it is made from, and acquire a context in the other process"
        )

    @property
    def int_ptr(self) -> int:
        """A number by which `from_int_ptr` finds the object while it lives, the same for equal ones.

        It is no address, so no driver and no C library can do anything with it.
        """
        number = hash(self) & sys.maxsize
        _numbered[number] = self
        return number

    @classmethod
    def from_int_ptr(cls, int_ptr_value: int, retain: bool = True) -> Self:  # noqa: ARG003 - PyOpenCL's
        """Return the object of this process that has an `int_ptr`: itself, not another one like it.

        Raises:
            LogicError: INVALID_VALUE: there is none of this class, or none any more.
        """
        found = _numbered.get(int_ptr_value)
        if not isinstance(found, cls):
            what = f"no {cls.__name__} of this process has the int_ptr {int_ptr_value}; none is an address"
            raise LogicError(f"{cls.__name__}.from_int_ptr", ErrorCode.INVALID_VALUE, what)
        return found
