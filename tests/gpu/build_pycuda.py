"""Builds a wheel of PyCUDA, which PyPI has as source alone: `python -m tests.gpu.build_pycuda WHEELS`.

It needs the headers of CUDA's toolkit and a C++ compiler, but neither a GPU nor its driver: what it is linked
against is an empty library that has the driver's name. It takes some minutes. Random numbers of CURAND's are
left out: they would be another library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

VERSION = "2026.1"
NEEDED_TO_BUILD = ("setuptools", "wheel", "numpy>=1.24")
DRIVER = "libcuda.so"
SONAME = "libcuda.so.1"
LIMIT_S = 1800
TOOLKITS = ("/usr/local/cuda", "/opt/cuda")


def toolkit() -> Path:
    """Return the folder of CUDA's toolkit: its headers are what is needed.

    Raises:
        SystemExit: There is none.
    """
    nvcc = shutil.which("nvcc")
    beside = [Path(nvcc).resolve().parents[1]] if nvcc else []
    named = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if name in os.environ]
    numbered = sorted(Path("/usr/local").glob("cuda-*"), reverse=True)
    for place in (*named, *beside, *map(Path, TOOLKITS), *numbered):
        if (place / "include" / "cuda.h").exists():
            return place
    raise SystemExit("CUDA's headers are needed (cuda.h): install its toolkit, or set CUDA_HOME")


def make_stub(folder: Path) -> None:
    """Make a library that the linker takes for the driver."""
    folder.mkdir()
    empty = folder / "empty.c"
    empty.write_text("")
    name = folder / DRIVER
    _run(["cc", "-shared", "-o", str(name), str(empty), f"-Wl,-soname,{SONAME}"], folder)


def fetch(folder: Path) -> Path:
    """Return the folder of PyCUDA's source, from the package index."""
    options = ["--no-deps", "--no-binary", "pycuda", "--disable-pip-version-check", "--quiet"]
    _run([sys.executable, "-m", "pip", "download", *options, f"pycuda=={VERSION}"], folder)
    (archive,) = folder.glob("pycuda-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def build(wheels: Path) -> None:
    """Put a wheel of PyCUDA for this Python into a folder."""
    root = toolkit()
    with tempfile.TemporaryDirectory(prefix="pycuda-") as scratch:
        work = Path(scratch)
        stub = work / "stub"
        make_stub(stub)
        source = fetch(work)
        _run(
            [
                sys.executable,
                "configure.py",
                f"--cuda-root={root}",
                f"--cuda-inc-dir={root / 'include'}",
                f"--cudadrv-lib-dir={stub}",
                "--no-cuda-enable-curand",
                "--cxxflags=-O1,-w",
                f"--ldflags=-Xlinker,--no-as-needed,-L{stub},-lcuda",  # nothing else says that it is needed
            ],
            source,
        )
        options = ["--no-deps", "--disable-pip-version-check", "--quiet"]
        _run([sys.executable, "-m", "pip", "wheel", *options, "-w", str(wheels.resolve()), "."], source)


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=LIMIT_S)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
