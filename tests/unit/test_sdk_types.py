"""A user's type checker, in its strictest mode, against the SDK as it is installed."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "typing" / "user_program.py"
WRONG = """\
import numpy as np

import accelpool as cl
import accelpool.array as cl_array
import accelpool.cuda.driver as cuda

ctx = cl.acquire(7)  # wrong
cl.acquire("gpu", wiat=5)  # wrong
name: int = ctx.devices[0].name  # wrong
cl.Buffer(cl.CommandQueue(ctx), 0, 16)  # wrong
copy = cuda.Memcpy2D()
copy.src_pitch = "wide"  # wrong
cl_array.to_device(ctx, np.zeros(4))  # wrong
"""
MARKED = {number for number, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# wrong")}
LIMIT_S = 250  # it reads all of NumPy's types, on a machine that may be busy
CHECKERS = {
    "mypy": ["mypy", "--strict", "--cache-dir", "cache", "--no-error-summary", "."],
    "pyright": ["pyright", "--outputjson", "."],
}


def check(checker: str, folder: Path) -> list[tuple[str, int]]:
    """Return the files and lines in which a checker finds errors."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    bin_ = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(bin_ / CHECKERS[checker][0]), *CHECKERS[checker][1:]]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    if checker == "pyright":
        told = json.loads(done.stdout)["generalDiagnostics"]
        return [
            (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
            for each in told
            if each["severity"] == "error"
        ]
    return [(file, int(line)) for file, line in re.findall(r"^(\S+):(\d+): error", done.stdout, re.MULTILINE)]


@pytest.mark.parametrize("checker", CHECKERS)
def test_strict_checkers_accept_a_users_program_and_find_each_mistake_of_a_wrong_one(
    checker: str, tmp_path: Path
) -> None:
    shutil.copy(PROGRAM, tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    found = check(checker, tmp_path)
    assert {line for file, line in found if file == "wrong.py"} == MARKED
    assert [line for file, line in found if file == PROGRAM.name] == []


def test_the_stub_of_arrays_has_no_name_that_is_not_there() -> None:
    pytest.importorskip("pyopencl", reason="PyOpenCL's Python layer is not installed")
    import accelpool.array as cl_array

    text = Path(inspect.getfile(__import__("accelpool"))).with_name("array.pyi").read_text()
    functions = set(re.findall(r"^def (\w+)\(", text, re.MULTILINE)) - {"__getattr__"}
    methods = set(re.findall(r"^    def (\w+)\(", text, re.MULTILINE)) - {"__getattr__"}
    assert {name for name in functions if not hasattr(cl_array, name)} == set()
    assert {name for name in methods if not hasattr(cl_array.Array, name)} == set()


def test_the_stub_of_arrays_says_what_each_name_does() -> None:
    stub = Path(inspect.getfile(__import__("accelpool"))).with_name("array.pyi")
    named = [
        node
        for node in ast.walk(ast.parse(stub.read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not node.decorator_list  # properties are named for what they are; `arange` is overloaded
    ]
    assert {node.name for node in named if not ast.get_docstring(node)} == set()
