"""accelpool.cuda: CUDA devices of the pool, used like PyCUDA.

    import accelpool.cuda.autoinit
    import accelpool.cuda.driver as cuda
    from accelpool.cuda.compiler import SourceModule

`acquire` asks the pool for a device under a lease that `with` gives back; all else has PyCUDA's names.
`docs/sdk-cuda.md` has the differences.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from accelpool.cuda import upper_layer
from accelpool.cuda.contexts import acquire, acquire_all, over
from accelpool.cuda.missing import why_missing

VERSION = (2026, 1)
"""PyCUDA's, whose names these are."""
VERSION_STATUS = ""
VERSION_TEXT = ".".join(map(str, VERSION))

if not TYPE_CHECKING:  # to a type checker any name would be there

    def __getattr__(name: str) -> object:
        """Return a module by its name, PyCUDA's layer included.

        Raises:
            AttributeError: There is no such module, or it cannot be imported here, and why.
        """
        if name in ("compiler", "driver"):
            return importlib.import_module(f"{__name__}.{name}")
        if name in upper_layer.PUBLIC:
            return upper_layer.LAYER.attribute(name)
        raise AttributeError(why_missing(name, ""), name=name, obj=sys.modules[__name__])


upper_layer.LAYER.install()

__all__ = ["VERSION", "VERSION_STATUS", "VERSION_TEXT", "acquire", "acquire_all", "over"]
