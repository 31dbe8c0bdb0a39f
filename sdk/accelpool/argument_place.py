"""An argument's place in a kernel, and how a value there is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelpool.errors import LogicError
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode


@dataclass(frozen=True, kw_only=True)
class Place:
    """An argument's place in a kernel: what messages about it say."""

    kernel: str
    index: int
    info: m.ArgInfo | None = None

    def __str__(self) -> str:
        declared = f" ({self.info.type_name} {self.info.name})" if self.info is not None else ""
        return f"argument {self.index + 1}{declared} of kernel {self.kernel}"

    def refuse(self, code: int, expected: str, value: object) -> LogicError:
        """Return the error for a value that is not what was expected."""
        routine = "Kernel.set_arg" if code == ErrorCode.INVALID_VALUE else "clSetKernelArg"
        return LogicError(routine, code, f"{self}: expected {expected}, got {told(value)}")


def told(value: object) -> str:
    """Return a value in few words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.size} {value.dtype}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
