"""How PyOpenCL's Python layer is found, redirected, and missed."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

import accelpool
from accelpool import includes, upper_layer
from accelpool.foreign_layer import LayerFinder

REDIRECTED = [
    ("import pyopencl as cl", "import accelpool.upper_core as cl"),
    ("import pyopencl.array as cl_array", "import accelpool.array as cl_array"),
    ("import pyopencl._cl as _cl", "import accelpool.upper_core as _cl"),
    ("from pyopencl import cltypes, tools", "from accelpool import cltypes, tools"),
    ("from pyopencl import _cl", "import accelpool.upper_core as _cl"),
    ("from pyopencl._cl import bitlog2", "from accelpool.upper_core import bitlog2"),
    ("from pyopencl.compyte.dtypes import x as y", "from accelpool.compyte.dtypes import x as y"),
    ("import pyopencl", "import accelpool.upper_core as pyopencl"),
    (
        "import pyopencl.tools",
        "from accelpool.tools import __name__ as _\nimport accelpool.upper_core as pyopencl",
    ),
    ("import pyopencl_other, numpy", "import pyopencl_other\nimport numpy"),
    ("from . import pyopencl", "from . import pyopencl"),
]


@pytest.mark.parametrize(("theirs", "ours"), REDIRECTED)
def test_imports_are_redirected(theirs: str, ours: str) -> None:
    assert ast.unparse(upper_layer.redirected(theirs)) == ours


def test_imports_inside_functions_are_redirected() -> None:
    source = "def f():\n    from pyopencl.scan import x\n    return x"
    assert "accelpool.scan" in ast.unparse(upper_layer.redirected(source))


@pytest.fixture
def no_pyopencl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upper_layer, "pyopencl_folder", lambda: None)
    monkeypatch.setattr(includes, "pyopencl_folder", lambda: None)
    for name in [name for name in sys.modules if name.removeprefix("accelpool.") in upper_layer.MODULES]:
        monkeypatch.delitem(sys.modules, name)
    for name in upper_layer.PUBLIC & vars(accelpool).keys():
        monkeypatch.delattr(accelpool, name)


@pytest.mark.usefixtures("no_pyopencl")
@pytest.mark.parametrize("name", sorted(upper_layer.PUBLIC))
def test_without_pyopencl_an_import_says_what_to_install(name: str) -> None:
    with pytest.raises(ImportError, match=rf"pyopencl\.{name} .* pip install .*\[arrays\]"):
        importlib.import_module(f"accelpool.{name}")
    assert not hasattr(accelpool, name)


@pytest.mark.usefixtures("no_pyopencl")
def test_without_pyopencl_includes_are_the_nodes() -> None:
    assert includes.with_includes("#include <pyopencl-complex.h>") == "#include <pyopencl-complex.h>"


def test_names_outside_the_table_are_nobodys() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'accelpool\.invoker'"):
        importlib.import_module("accelpool.invoker")


def test_the_finder_is_installed_once() -> None:
    upper_layer.install()
    finders = [finder for finder in sys.meta_path if isinstance(finder, LayerFinder)]
    assert sum(finder.layer is upper_layer.LAYER for finder in finders) == 1


def test_files_take_the_place_of_lines_including_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cl" / "pyopencl-more"
    folder.mkdir(parents=True)
    (tmp_path / "cl" / "pyopencl-a.h").write_text("#pragma once\nint a;")
    (folder / "b.cl").write_text('#include "c.h"\nint b;')
    (folder / "c.h").write_text('#include "b.cl"\nint c;')
    monkeypatch.setattr(includes, "pyopencl_folder", lambda: tmp_path)
    source = "#include <pyopencl-a.h>\n#include <other.h>\n  # include <pyopencl-more/b.cl>\nlast"
    got = includes.with_includes(source).split("\n")
    guard = "ACCELPOOL_INCLUDED_0_PYOPENCL_A_H"
    first = [f"#ifndef {guard}", f"#define {guard}", "", "int a;", "#endif", "#line 2", "#include <other.h>"]
    assert got == [*first, "", "int c;", "#line 2", "int b;", "#line 4", "last"]
