"""Python layers of other projects, executed over accelpool's objects.

Nothing of such a layer is here. Where its package is installed, the source of its module `theirs.x` is read
from there and executed as `ours.x`, with its imports redirected. For `theirs` PyOpenCL's:

    import pyopencl as cl             import accelpool.upper_core as cl
    import pyopencl.array as cl_array import accelpool.array as cl_array
    from pyopencl import cltypes      from accelpool import cltypes
    from pyopencl.tools import x      from accelpool.tools import x
    pyopencl._cl                      accelpool.upper_core

The package itself is never imported, so no driver is loaded into this process. `install` adds a finder that
is asked only for names that no file of accelpool has; it does nothing for names outside the layer's table.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType


@dataclass(frozen=True, kw_only=True)
class ForeignLayer:
    """One layer.

    Attributes:
        ours: The package whose modules it becomes.
        theirs: The package that has it.
        core: What its modules find under the name of the package that has it.
        natives: What they find under the names of modules that are no source, by the names' last parts.
        modules: What it has, by names within its package.
        folder: Returns where its package is installed, None where it is not.
        missing: Returns what to say where it is not installed, after the names of the modules.
    """

    ours: str
    theirs: str
    core: str
    natives: Mapping[str, str]
    modules: frozenset[str]
    folder: Callable[[], Path | None] = field(repr=False)
    missing: Callable[[], str]

    def install(self) -> None:
        """Let its modules be found; installing twice is installing once."""
        if not any(isinstance(finder, LayerFinder) and finder.layer is self for finder in sys.meta_path):
            sys.meta_path.append(LayerFinder(self))

    def attribute(self, name: str) -> ModuleType:
        """Return one of its modules as an attribute of our package, imported on its first use.

        Raises:
            AttributeError: It cannot be imported here, and why.
        """
        try:
            return importlib.import_module(f"{self.ours}.{name}")
        except ImportError as error:
            raise AttributeError(str(error)) from error

    def source_path(self, name: str) -> Path:
        """Return the file of its module of a name such as "compyte.array".

        Raises:
            ImportError: Its package is not installed, or has no such module.
        """
        folder = self.folder()
        if folder is None:
            what = f"{self.ours}.{name} is {self.theirs}.{name} over the pool's devices, and {self.missing()}"
            raise ModuleNotFoundError(what, name=f"{self.ours}.{name}")
        path = folder.joinpath(*name.split("."))
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
        raise ModuleNotFoundError(
            f"{self.ours}.{name} needs {self.theirs}.{name}, which the {self.theirs} in {folder} has not",
            name=f"{self.ours}.{name}",
        )

    def redirected(self, source: str) -> ast.Module:
        """Return the syntax tree of one of its modules that imports from accelpool instead."""
        tree = ast.parse(source)
        _Redirection(self).visit(tree)
        return ast.fix_missing_locations(tree)


class LayerFinder(MetaPathFinder):
    """Finds the modules of a layer where its package is installed."""

    def __init__(self, layer: ForeignLayer) -> None:
        self.layer = layer

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the table is by full name
        target: ModuleType | None = None,  # noqa: ARG002 - as MetaPathFinder has it
    ) -> ModuleSpec | None:
        """Return how to load a module of the table, None for any other.

        Raises:
            ImportError: The layer's package is not installed, or has no such module.
        """
        name = fullname.removeprefix(f"{self.layer.ours}.")
        if name == fullname or name not in self.layer.modules:
            return None
        source = self.layer.source_path(name)
        is_package = source.name == "__init__.py"
        loader = LayerLoader(self.layer, source)
        spec = ModuleSpec(fullname, loader, origin=str(source), is_package=is_package)
        spec.has_location = True
        return spec


class LayerLoader(InspectLoader):
    """Executes one of a layer's source files as a module of accelpool."""

    def __init__(self, layer: ForeignLayer, source: Path) -> None:
        self._layer = layer
        self._source = source

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - one loader per module
        """Return the source as the layer's package has it."""
        return self._source.read_text(encoding="utf-8")

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002 - one loader per module
        """Return whether the module has modules inside."""
        return self._source.name == "__init__.py"

    def get_code(self, fullname: str) -> CodeType:
        """Return the code with its imports redirected; line numbers are those of the file."""
        tree = self._layer.redirected(self.get_source(fullname))
        return compile(tree, str(self._source), "exec", dont_inherit=True)


def package_folder(name: str) -> Path | None:
    """Return where a package is installed, None where it is not; it is not imported for that."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # in sys.modules, as something that is no package
        return None
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(folders[0]) if folders else None


class _Redirection(ast.NodeTransformer):
    """Rewrites import statements, wherever in a module they are."""

    def __init__(self, layer: ForeignLayer) -> None:
        self._layer = layer

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [ast.copy_location(made, node) for alias in node.names for made in self._imports(alias)]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        if node.level or node.module is None or not self._is_theirs(node.module):
            return [node]
        if node.module != self._layer.theirs:
            return [_from(self._renamed(node.module), node.names, node)]
        natives = self._layer.natives
        made: list[ast.stmt] = [
            ast.copy_location(ast.Import([ast.alias(natives[alias.name], alias.asname or alias.name)]), node)
            for alias in node.names
            if alias.name in natives
        ]
        rest = [alias for alias in node.names if alias.name not in natives]
        return [*made, _from(self._layer.ours, rest, node)] if rest else made

    def _imports(self, alias: ast.alias) -> list[ast.stmt]:
        """Return the statements for one name of an import; without "as" it binds the package."""
        if not self._is_theirs(alias.name):
            return [ast.Import([alias])]
        renamed = self._renamed(alias.name)
        if alias.asname:
            return [ast.Import([ast.alias(renamed, alias.asname)])]
        is_module = alias.name != self._layer.theirs
        loading: list[ast.stmt] = [ast.ImportFrom(renamed, [ast.alias("__name__", "_")], 0)]
        bound = ast.Import([ast.alias(self._layer.core, self._layer.theirs)])
        return [*(loading if is_module else []), bound]

    def _is_theirs(self, module: str) -> bool:
        return module == self._layer.theirs or module.startswith(f"{self._layer.theirs}.")

    def _renamed(self, module: str) -> str:
        if module == self._layer.theirs:
            return self._layer.core
        name = module.removeprefix(f"{self._layer.theirs}.")
        return self._layer.natives.get(name) or f"{self._layer.ours}.{name}"


def _from(module: str, names: list[ast.alias], node: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.ImportFrom(module, names, 0), node)
