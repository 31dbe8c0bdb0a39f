"""PyCUDA's own Python layer over accelpool's objects: `import accelpool.cuda.gpuarray` and its like.

`accelpool.foreign_layer` says how. What the layer calls of PyCUDA's compiled core is `accelpool.cuda.driver`.
PyCUDA's Python files are enough: nothing needs its compiled module, a driver or a toolkit to be here.
"""

from __future__ import annotations

from pathlib import Path

from accelpool.foreign_layer import ForeignLayer, package_folder
from accelpool_wire.installation import install_command

OURS, THEIRS = "accelpool.cuda", "pycuda"

PUBLIC = frozenset(
    {
        "characterize",
        "compyte",
        "cumath",
        "curandom",
        "elementwise",
        "gpuarray",
        "reduction",
        "scan",
        "tools",
    }
)
NEEDED_BY_THEM = frozenset({"_cluda", "_mymako"})
INSIDE = frozenset({"compyte.array", "compyte.dtypes"})


def pycuda_folder() -> Path | None:
    """Return where PyCUDA's Python files are, None where they are not; nothing is imported for that."""
    return package_folder(THEIRS)


LAYER = ForeignLayer(
    ours=OURS,
    theirs=THEIRS,
    core=OURS,
    natives={"_driver": f"{OURS}.driver"},
    modules=PUBLIC | NEEDED_BY_THEM | INSIDE,
    folder=lambda: pycuda_folder(),
    missing=lambda: (
        f"PyCUDA's Python files are not here: {install_command('cuda-arrays')}, and put the folder pycuda "
        "of its source, from pip download --no-deps --no-binary pycuda pycuda, on the path (without CUDA)"
    ),
)
