"""What belongs to the process that made it."""

from __future__ import annotations

from typing import Any, NoReturn

from accelpool.errors import LogicError
from accelpool_wire.codes import ErrorCode


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

    @classmethod
    def from_int_ptr(cls, int_ptr_value: int, retain: bool = True) -> NoReturn:  # noqa: ARG003 - PyOpenCL's
        """Refuse: there are no pointers to what stands for something on a node.

        Raises:
            LogicError: INVALID_OPERATION, always.
        """
        what = f"there is no pointer to a {cls.__name__}: it is on a node"
        raise LogicError(f"{cls.__name__}.from_int_ptr", ErrorCode.INVALID_OPERATION, what)
