"""Small things of PyOpenCL that are about a driver in this process, as far as they make sense without one."""

from __future__ import annotations

import warnings

from accelpool.context import Context
from accelpool.device import Platform


def enable_debugging(platform_or_context: Platform | Context) -> None:
    """Warn that nobody knows how: as PyOpenCL's on platforms other than AMD's old CPU runtime.

    Debuggers attach to the process that runs a kernel, which is a worker on the device's node. Build options
    such as "-g" go to `Program.build`.
    """
    platform = platform_or_context
    if isinstance(platform, Context):
        platform = platform.devices[0].platform
    warnings.warn(f"Do not know how to enable debugging on '{platform.name}'", stacklevel=2)
