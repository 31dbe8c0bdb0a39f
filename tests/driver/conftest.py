"""The driver, built, and programs that run with it, in C against the OpenCL loader, and with PyOpenCL.

Everything is compiled by the compiler in the `ziglang` wheel; the loader is the one in PyOpenCL's wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyopencl
import pytest

from accelpool_icd.build import HERE, build, zig

from ..include_cases import write_files
from .lease_file import all_leased, leased

PROGRAMS = Path(__file__).parent / "programs"
PYOPENCL = Path(pyopencl.__file__).parent
LOADER = next((PYOPENCL / ".libs").glob("libOpenCL*.so*"))
FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror")
TIMEOUT_S = 200


@dataclass(frozen=True)
class Programs:
    """Compiles and runs programs that use the driver.

    Attributes:
        folder: Where what is compiled lands.
        vendors: The folder whose one file names the driver to the loader.
        compiler: What compiles them, with its options.
    """

    folder: Path
    vendors: Path
    compiler: tuple[str, ...]

    def environment(self, lease_file: Path | None) -> dict[str, str]:
        """Return the environment in which the loader finds the driver, and the driver a lease."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ACCELPOOL_")}
        env = {**kept, "OCL_ICD_VENDORS": str(self.vendors), "PYOPENCL_HOME": str(self.folder)}
        env["PYOPENCL_NO_CACHE"] = "1"
        said = {"ACCELPOOL_ICD_VERBOSE": "1"}
        return {**env, **said, "ACCELPOOL_LEASE_FILE": str(lease_file)} if lease_file else env

    def compiled(self, name: str) -> Path:
        """Return the program of a C source."""
        program = self.folder / name
        if not program.exists():
            command = [*self.compiler, *FLAGS, "-I", str(HERE / "src")]
            command += [str(PROGRAMS / f"{name}.c"), str(LOADER), f"-Wl,-rpath,{LOADER.parent}", "-pthread"]
            subprocess.run([*command, "-o", str(program)], check=True)
        return program

    def run(self, name: str, lease_file: Path, *words: str) -> None:
        """Run a C program to its end, and fail if it fails."""
        check([str(self.compiled(name)), *words], self.environment(lease_file))

    def run_python(self, script: Path, lease_file: Path, *words: str) -> None:
        """Run a Python script, such as one that uses PyOpenCL."""
        check([sys.executable, str(script), *words], self.environment(lease_file))


def check(command: list[str], env: dict[str, str]) -> None:
    """Run a command; its words are the failure's."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"{command[0]}: {done.returncode}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The driver, built for this run."""
    return built(tmp_path_factory.mktemp("driver"), *zig())


def built(folder: Path, *compiler: str) -> Programs:
    """Build the driver in a folder."""
    library = build([*compiler], folder / "libaccelpool.so", ["-Werror"])
    vendors = folder / "vendors"
    vendors.mkdir()
    (vendors / "accelpool.icd").write_text(f"{library}\n")
    return Programs(folder, vendors, compiler)


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the files are that sources include."""
    return write_files(tmp_path_factory.mktemp("includes"))


@pytest.fixture(scope="module")
def lease_file(opencl_pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lease of one device of this machine."""
    with leased(
        opencl_pool.url, opencl_pool.token, tmp_path_factory.mktemp("lease"), {"kind": "any"}
    ) as path:
        yield path


@pytest.fixture
def two_node_lease_file(two_node_opencl_pool, tmp_path: Path) -> Iterator[Path]:
    """A lease of all devices of two nodes, which are this machine's on both."""
    pool = two_node_opencl_pool
    with all_leased(pool.url, pool.token, tmp_path) as path:
        yield path
