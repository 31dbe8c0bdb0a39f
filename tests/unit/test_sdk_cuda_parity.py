"""PyCUDA's names beside ours: each is here, or the table of what is missing has it, and says why."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import accelpool.cuda
from accelpool.cuda import missing, upper_layer

NAMES = Path(__file__).with_name("pycuda_names.txt")
DOCS = Path(__file__).parents[2] / "docs" / "sdk-cuda.md"
OURS = ("pycuda", "pycuda.compiler", "pycuda.driver")
AT_IMPORT = ("pycuda.autoinit", "pycuda.autoprimaryctx")  # these lease a device
LAYER = tuple(f"pycuda.{name}" for name in sorted(upper_layer.PUBLIC | upper_layer.INSIDE))


def listed() -> dict[str, list[str]]:
    """PyCUDA's names by their modules; members as CLASS.MEMBER."""
    found: dict[str, list[str]] = {}
    for line in re.sub(r"\n {4}", " ", NAMES.read_text("utf-8")).splitlines():
        if line and not line.startswith("#"):
            place, names = line.split(": ", 1)
            module, _, owner = place.partition(" ")
            found.setdefault(module, []).extend(f"{owner}.{name}".strip(".") for name in names.split())
    return found


def known_absent(module: str) -> set[str]:
    """Names of a module that the table has, as they are in the list; modules without their dot."""
    short = module.removeprefix("pycuda").removeprefix(".")
    names = {name for absence in missing.ABSENT for name in absence.names}
    if short == "":
        return {name.removesuffix(".") for name in names if name.endswith(".")}
    if short != "driver":
        return {name.removeprefix(f"{short}.") for name in names if name.startswith(f"{short}.")}
    return {name for name in names if name[:1].isupper() or "." not in name}


def without(names: list[str], module: ModuleType) -> Iterator[str]:
    """The names that a module has not."""
    for name in names:
        owner: object = module
        for part in name.split("."):
            owner = getattr(owner, part, None)
            if owner is None:
                yield name
                break


@pytest.mark.parametrize("module", OURS)
def test_what_a_module_lacks_is_what_the_table_says(module):
    names = listed()[module]
    ours = importlib.import_module(module.replace("pycuda", "accelpool.cuda", 1))
    if module == "pycuda":  # its modules: those of the upper layer are PyCUDA's own files
        names = [name for name in names if name not in upper_layer.PUBLIC]
        names = [name for name in names if f"pycuda.{name}" not in AT_IMPORT]
    absent = known_absent(module)
    lacking = {name for name in without(names, ours) if name.partition(".")[0] not in absent}
    assert lacking == {name for name in absent if "." in name}, "members of classes that are here"
    assert not [name for name in absent if not list(without([name], ours))], "they are here"
    assert absent <= set(names), "PyCUDA has no such names"


@pytest.mark.parametrize("module", AT_IMPORT)
def test_what_leases_a_device_at_import_has_pycudas_names(module):
    spec = importlib.util.find_spec(module.replace("pycuda", "accelpool.cuda", 1))
    tree = ast.parse(Path(spec.origin).read_text("utf-8"))
    made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    made |= {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             for alias in node.names}  # fmt: skip
    assert set(listed()[module]) <= made


@pytest.mark.parametrize("module", LAYER)
def test_the_layer_above_has_what_pycudas_has(module):
    if upper_layer.pycuda_folder() is None:
        pytest.skip("PyCUDA's Python files are not here")
    ours = importlib.import_module(module.replace("pycuda", "accelpool.cuda", 1))
    assert not list(without(listed().get(module, []), ours))


def test_every_module_of_pycuda_is_compared_or_missing():
    assert {*OURS, *AT_IMPORT, *LAYER} >= set(listed())
    ours = {name.removeprefix("pycuda.") for name in (*OURS, *AT_IMPORT, *LAYER)}
    modules = {name for name in listed()["pycuda"] if not name.startswith("VERSION")}
    assert modules <= ours | known_absent("pycuda")


def test_what_is_refused_is_here():
    refused = {name for absence in missing.ABSENT for name in absence.refused}
    of_compiler = {name for name in refused if name.startswith("compiler.")}
    assert not list(without(sorted(refused - of_compiler), accelpool.cuda.driver))
    assert not list(without(sorted(of_compiler), accelpool.cuda))
    listed_there = {f"compiler.{name}" for name in listed()["pycuda.compiler"]}
    assert refused <= {*listed()["pycuda.driver"], *listed_there}


def test_the_documents_table_is_that_of_the_module():
    def words(names):
        return ", ".join(f"`{name.removesuffix('.')}`" for name in names)

    text = DOCS.read_text("utf-8")
    for absence in missing.ABSENT:
        assert (
            f"| {absence.what} | {words(absence.names)} | {words(absence.refused)} | {absence.why} |" in text
        )


@pytest.mark.parametrize(
    ("module", "name", "why"),
    [
        (
            "driver",
            "TextureReference",
            r"no TextureReference \(texture and surface references\): no compiler since CUDA 12",
        ),
        ("driver", "colour", "no attribute 'colour'"),
        ("compiler", "preprocess_source", r"no preprocess_source \(the compiler as a program\)"),
        ("compiler", "colour", "no attribute 'colour'"),
        ("", "gl", r"^accelpool\.cuda has no gl \(OpenGL\)"),
        ("", "colour", "'accelpool.cuda' has no attribute 'colour'"),
    ],
)
def test_each_name_that_is_not_here_says_why(module, name, why):
    with pytest.raises(AttributeError, match=why):
        getattr(importlib.import_module(f"accelpool.cuda.{module}".rstrip(".")), name)
