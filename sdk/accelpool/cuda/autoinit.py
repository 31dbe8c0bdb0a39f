"""A CUDA device of the pool, leased and current in this thread, as `pycuda.autoinit` has one.

Importing this asks the pool for a device, waits until one is granted, and gives it back at the end of the
process. `accelpool.cuda.acquire` says more of what is wanted, and for how long.
"""

from __future__ import annotations

import atexit
import sys

from accelpool.cuda.contexts import Context, acquire
from accelpool.cuda.devices import Device

context: Context = acquire()
device: Device = context.get_device()


def _finish_up() -> None:
    context.detach()
    tools = sys.modules.get("accelpool.cuda.tools")
    if tools is not None:
        tools.clear_context_caches()


atexit.register(_finish_up)
