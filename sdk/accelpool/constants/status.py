"""OpenCL's status codes."""

# ruff: noqa: N801 - the classes have OpenCL's names

from __future__ import annotations

from accelpool.constants.base import Constants
from accelpool_wire.codes import ErrorCode


class status_code(ErrorCode, Constants):
    """What an OpenCL function returns: 0, or why it failed."""
