"""Every kernel of the library in CUDA C++, compiled for this machine's CPU, against its NumPy twin."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelpool_kernels import Entry, Role, entry, source

from ..kernel_library import KernelLibraryCases, empty_results, scalars_of

COMPILER = shutil.which("g++")
LIMIT_S = 200.0
TYPES = {"uchar": "unsigned char", "int": "int", "uint": "unsigned int", "float": "float"}
GUARD_BYTES = 256
GUARD = 0xA5

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no g++ on the PATH")


class EmulatedLauncher:
    """Runs kernels of the library by their entries; each is compiled once.

    Args:
        folder: Where compiled ones are.
    """

    most_rows = 4  # as many as CUDA has take long here

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libraries: dict[str, ctypes.CDLL] = {}

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
        found, library = entry(name), self._library(name)
        buffers = {a.name: guarded(arguments[a.name]) for a in found.parameters if a.role.is_buffer}
        for parameter in found.parameters:
            if parameter.role is Role.SCALAR:
                kind = ctypes.c_int if parameter.type == "int" else ctypes.c_float
                kind.in_dll(library, f"given_{parameter.name}").value = arguments[parameter.name].item()
            else:
                address = buffers[parameter.name].ctypes.data + GUARD_BYTES
                ctypes.c_void_p.in_dll(library, f"given_{parameter.name}").value = address
        ndrange = found.ndrange("cuda", **scalars_of(name, arguments))
        (columns, rows), (width, height) = (
            (*sizes, 1)[:2] for sizes in (ndrange.global_size, ndrange.local_size)
        )
        assert library.run(columns // width, min(rows // height, self.most_rows), width, height), "a barrier"
        written = empty_results(name, arguments)
        for key, memory in buffers.items():
            assert set(memory[:GUARD_BYTES]) | set(memory[-GUARD_BYTES:]) == {GUARD}, f"written beside {key}"
            content = memory[GUARD_BYTES:-GUARD_BYTES].view(arguments[key].dtype)
            if key in written:
                written[key][...] = content.reshape(written[key].shape)
            else:
                assert np.array_equal(content, arguments[key].ravel())
        return written

    def _library(self, name: str) -> ctypes.CDLL:
        if name not in self._libraries:
            file, library = self._folder / f"{name}.cpp", self._folder / f"{name}.so"
            file.write_text(program(entry(name)))
            options = ["-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas"]
            options += ["-Wno-unused-function", "-Werror", "-shared", "-fPIC", f"-I{Path(__file__).parent}"]
            command = [str(COMPILER), *options, "-o", str(library), str(file)]
            run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
            assert run.returncode == 0, run.stderr
            self._libraries[name] = ctypes.CDLL(str(library))
        return self._libraries[name]


def program(found: Entry) -> str:
    """Return a kernel as C++: what it is given, dynamic shared memory, its source, and what runs it."""
    code = source(found.name, "cuda")
    given = [f"{TYPES[a.type]} {'*' if a.role.is_buffer else ''}given_{a.name};" for a in found.parameters]
    shared = [f"{a.type} {a.name}[{a.shape[0]}];" for a in found.arguments if a.role is Role.LOCAL]
    names = ", ".join(f"given_{a.name}" for a in found.parameters)
    has_barriers = str("__syncthreads()" in code).lower()
    return "\n".join(
        [
            '#include "cuda.hpp"',
            'extern "C" {',
            *given,
            "}",
            *shared,
            code.replace("extern __shared__", "extern"),
            f"static void call() {{ {found.name}({names}); }}",
            'extern "C" int run(unsigned columns, unsigned rows, unsigned width, unsigned height) {',
            "dim3 grid{columns, rows, 1}, block{width, height, 1};",
            f"return emulation::launch(call, grid, block, {has_barriers}); }}",
        ]
    )


def guarded(array: np.ndarray) -> np.ndarray:
    """Return an array's bytes with others before and behind them."""
    guard = np.full(GUARD_BYTES, GUARD, np.uint8)
    return np.concatenate([guard, np.ascontiguousarray(array).reshape(-1).view(np.uint8), guard])


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> EmulatedLauncher:
    return EmulatedLauncher(tmp_path_factory.mktemp("emulated"))


class TestKernelLibrary(KernelLibraryCases):
    """On this machine's CPU."""
