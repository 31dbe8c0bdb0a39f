"""PyOpenCL's own Python layer over accelpool's objects: `import accelpool.array`, `accelpool.scan` ...

`foreign_layer` says how. What the layer calls of PyOpenCL's compiled core is `accelpool.upper_core`.
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

from accelpool.foreign_layer import ForeignLayer, package_folder
from accelpool_wire.installation import install_command

OURS, THEIRS = "accelpool", "pyopencl"
CORE = f"{OURS}.upper_core"

PUBLIC = frozenset(
    {
        "algorithm",
        "array",
        "bitonic_sort",
        "capture_call",
        "characterize",
        "clmath",
        "clrandom",
        "cltypes",
        "compyte",
        "elementwise",
        "ipython_ext",
        "reduction",
        "scan",
        "tools",
    }
)
NEEDED_BY_THEM = frozenset({"_cluda", "_mymako", "bitonic_sort_templates", "cache", "typing", "version"})
INSIDE = frozenset({"characterize.performance", "compyte.array", "compyte.dtypes"})
MODULES = PUBLIC | NEEDED_BY_THEM | INSIDE


def pyopencl_folder() -> Path | None:
    """Return where PyOpenCL is installed, None where it is not; it is not imported for that."""
    return package_folder(THEIRS)


LAYER = ForeignLayer(
    ours=OURS,
    theirs=THEIRS,
    core=CORE,
    natives={"_cl": CORE},
    modules=MODULES,
    folder=lambda: pyopencl_folder(),
    missing=lambda: (
        f"PyOpenCL is not installed here: {install_command('arrays')} (no OpenCL driver is needed)"
    ),
)


def install() -> None:
    """Let `import accelpool.array` and its like be found; installing twice is installing once."""
    LAYER.install()


def attribute(name: str) -> ModuleType:
    """Return a module of the layer as an attribute of accelpool, imported on its first use.

    Raises:
        AttributeError: It cannot be imported here, and why.
    """
    return LAYER.attribute(name)


def redirected(source: str) -> ast.Module:
    """Return the syntax tree of a module of PyOpenCL that imports from accelpool instead."""
    return LAYER.redirected(source)
