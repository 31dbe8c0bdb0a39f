"""What PyCUDA's random numbers find of CURAND: a version, and refusals of what its host library makes.

Generators that need `curand_kernel.h` alone (XORWOW, MRG32k3a) work where a node has that header.
"""

from __future__ import annotations

from typing import Any, NoReturn

from accelpool.cuda.constants import Named
from accelpool.cuda.errors import failed


class direction_vector_set(Named):  # noqa: N801 - PyCUDA's name
    """Sets of direction vectors of Sobol's sequences."""

    VECTOR_32 = 101
    SCRAMBLED_VECTOR_32 = 102
    VECTOR_64 = 103
    SCRAMBLED_VECTOR_64 = 104


def get_curand_version() -> tuple[int, int, int]:
    """Return the version of CURAND whose device interface PyCUDA's generators use."""
    return (10, 0, 0)


def _get_direction_vectors(*given: Any) -> NoReturn:
    """Refuse: the vectors come from a library of CUDA's, which is not here.

    Raises:
        LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
    """
    what = f"{given[0] if given else 'vectors'}: Sobol's sequences need CURAND's host library"
    raise failed("curandGetDirectionVectors", "NOT_SUPPORTED", what)


_get_scramble_constants32 = _get_scramble_constants64 = _get_direction_vectors
