"""PyOpenCL's own Python layer over accelpool's objects: `import accelpool.array`, `accelpool.scan` ...

Nothing of that layer is here. Where PyOpenCL is installed, the source of its module `pyopencl.array` is read
from there and executed as `accelpool.array`, with its imports redirected:

    import pyopencl as cl             import accelpool.upper_core as cl
    import pyopencl.array as cl_array import accelpool.array as cl_array
    from pyopencl import cltypes      from accelpool import cltypes
    from pyopencl.tools import x      from accelpool.tools import x
    pyopencl._cl                      accelpool.upper_core

PyOpenCL itself is never imported, so no driver is loaded into this process. `install` adds a finder that is
asked only for names that no file of accelpool has; it does nothing for names outside its table.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

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


class UpperLayerFinder(MetaPathFinder):
    """Finds the modules of the table in the installed PyOpenCL."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the table is by full name
        target: ModuleType | None = None,  # noqa: ARG002 - as MetaPathFinder has it
    ) -> ModuleSpec | None:
        """Return how to load a module of the table, None for any other.

        Raises:
            ImportError: PyOpenCL is not installed, or has no such module.
        """
        package, _, name = fullname.partition(".")
        if package != OURS or name not in MODULES:
            return None
        source = source_path(name)
        is_package = source.name == "__init__.py"
        loader = UpperLayerLoader(source)
        spec = ModuleSpec(fullname, loader, origin=str(source), is_package=is_package)
        spec.has_location = True
        return spec


class UpperLayerLoader(InspectLoader):
    """Executes one of PyOpenCL's source files as a module of accelpool."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - one loader per module
        """Return the source as PyOpenCL has it."""
        return self._source.read_text(encoding="utf-8")

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002 - one loader per module
        """Return whether the module has modules inside."""
        return self._source.name == "__init__.py"

    def get_code(self, fullname: str) -> CodeType:
        """Return the code with its imports redirected; line numbers are those of the file."""
        return compile(redirected(self.get_source(fullname)), str(self._source), "exec", dont_inherit=True)


def install() -> None:
    """Let `import accelpool.array` and its like be found; installing twice is installing once."""
    if not any(isinstance(finder, UpperLayerFinder) for finder in sys.meta_path):
        sys.meta_path.append(UpperLayerFinder())


def attribute(name: str) -> ModuleType:
    """Return a module of the layer as an attribute of accelpool, imported on its first use.

    Raises:
        AttributeError: It cannot be imported here, and why.
    """
    try:
        return importlib.import_module(f"{OURS}.{name}")
    except ImportError as error:
        raise AttributeError(str(error)) from error


def pyopencl_folder() -> Path | None:
    """Return where PyOpenCL is installed, None where it is not; it is not imported for that."""
    try:
        spec = importlib.util.find_spec(THEIRS)
    except ValueError:  # in sys.modules, as something that is no PyOpenCL
        return None
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(folders[0]) if folders else None


def source_path(name: str) -> Path:
    """Return the file of PyOpenCL's module of a name such as "compyte.array".

    Raises:
        ImportError: PyOpenCL is not installed, or has no such module.
    """
    folder = pyopencl_folder()
    if folder is None:
        what = (
            f"{OURS}.{name} is PyOpenCL's {THEIRS}.{name} over the pool's devices, and PyOpenCL is not "
            f"installed here: pip install '{OURS}[arrays]' (no OpenCL driver is needed)"
        )
        raise ModuleNotFoundError(what, name=f"{OURS}.{name}")
    path = folder.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise ModuleNotFoundError(
        f"{OURS}.{name} needs {THEIRS}.{name}, which the PyOpenCL in {folder} does not have",
        name=f"{OURS}.{name}",
    )


def redirected(source: str) -> ast.Module:
    """Return the syntax tree of a module of PyOpenCL that imports from accelpool instead."""
    tree = ast.parse(source)
    _Redirection().visit(tree)
    return ast.fix_missing_locations(tree)


class _Redirection(ast.NodeTransformer):
    """Rewrites import statements, wherever in a module they are."""

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [ast.copy_location(made, node) for alias in node.names for made in _imports(alias)]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        if node.level or node.module is None or not _is_theirs(node.module):
            return [node]
        if node.module != THEIRS:
            return [_from(_renamed(node.module), node.names, node)]
        core = [alias for alias in node.names if alias.name == "_cl"]
        rest = [alias for alias in node.names if alias.name != "_cl"]
        made: list[ast.stmt] = [
            ast.copy_location(ast.Import([ast.alias(CORE, alias.asname or "_cl")]), node) for alias in core
        ]
        return [*made, _from(OURS, rest, node)] if rest else made


def _imports(alias: ast.alias) -> list[ast.stmt]:
    """Return the statements for one name of an import; without "as" it binds `pyopencl`."""
    if not _is_theirs(alias.name):
        return [ast.Import([alias])]
    if alias.asname:
        return [ast.Import([ast.alias(_renamed(alias.name), alias.asname)])]
    loading: list[ast.stmt] = [ast.ImportFrom(_renamed(alias.name), [ast.alias("__name__", "_")], 0)]
    return [*(loading if alias.name != THEIRS else []), ast.Import([ast.alias(CORE, THEIRS)])]


def _from(module: str, names: list[ast.alias], node: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.ImportFrom(module, names, 0), node)


def _is_theirs(module: str) -> bool:
    return module == THEIRS or module.startswith(f"{THEIRS}.")


def _renamed(module: str) -> str:
    if module in (THEIRS, f"{THEIRS}._cl"):
        return CORE
    return OURS + module.removeprefix(THEIRS)
