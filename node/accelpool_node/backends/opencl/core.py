"""PyOpenCL's core, and its errors as the wire's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import pyopencl as cl
from pyopencl import _cl as core

from accelpool_wire.errors import error_for

raw: Any = core  # its stubs are narrower than what it takes
P = ParamSpec("P")
T = TypeVar("T")


def translated(routine: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Raise PyOpenCL's errors as the wire's; `routine` is the OpenCL function that a method stands for."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except cl.Error as error:
                raise error_for(_routine(error, routine), error.code, what_of(error)) from error
            except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # what it cannot convert
                raise error_for(routine, cl.status_code.INVALID_VALUE, _first_line(error)) from error

        return call

    return decorate


def plain(value: Any) -> int | tuple[int, str]:
    """Return a number, or a name with its version, as it travels."""
    return (value.version, value.name) if isinstance(value, raw.NameVersion) else int(value)


def _routine(error: cl.Error, expected: str) -> str:
    """Return the OpenCL function that failed; PyOpenCL sometimes names its own instead."""
    return error.routine if error.routine.startswith("cl") else expected


def _first_line(error: Exception) -> str:
    """Return what Python says, without the signatures that were possible."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def what_of(error: cl.Error) -> str:
    """Return what PyOpenCL says beyond the routine and the code."""
    _, _, rest = str(error).partition(" - ")
    return rest
