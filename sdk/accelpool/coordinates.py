"""Origins, regions and pitches as PyOpenCL takes them: sequences of up to three ints, or two."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from accelpool.errors import LogicError
from accelpool_wire.codes import ErrorCode


def origin_of(name: str, value: Sequence[int]) -> list[int]:
    """Return three coordinates; those left out are 0."""
    return _filled(name, value, [0, 0, 0])


def region_of(name: str, value: Sequence[int]) -> list[int]:
    """Return three extents; those left out are 1."""
    return _filled(name, value, [1, 1, 1])


def pitches_of(name: str, value: Sequence[int] | None) -> list[int]:
    """Return a row's and a slice's pitch; those left out are 0: without gaps."""
    return _filled(name, () if value is None else value, [0, 0])


def _filled(name: str, value: Any, default: list[int]) -> list[int]:
    """Return ints, the last ones by default.

    Raises:
        LogicError: INVALID_VALUE: there are too many.
        TypeError: They are no sequence of ints, or one is negative.
    """
    try:
        given = [operator.index(part) for part in value]
    except TypeError as error:
        raise TypeError(f"{name} is a sequence of ints, not {value!r}") from error
    if len(given) > len(default):
        what = f"{name} has {len(given)} components; {len(default)} are possible"
        raise LogicError("transfer", ErrorCode.INVALID_VALUE, what)
    if any(part < 0 for part in given):
        raise TypeError(f"{name} is not negative: {value!r}")
    return given + default[len(given) :]
