"""PyOpenCL's own tests and examples, from its source distribution, whose hash requirements.lock has."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from accelpool.upper_layer import redirected

ROOT = Path(__file__).parents[2]
COMPILED = Path(__file__).with_name("compiled.py")
DOWNLOAD_S = 300


@dataclass(frozen=True, kw_only=True)
class Source:
    """Folders with `test` and `examples`: PyOpenCL's own, and copies that import accelpool instead."""

    theirs: Path
    ours: Path


def fetch(cache: Path) -> Path:
    """Return the source distribution of the installed PyOpenCL, downloaded unless the folder has it.

    pip refuses it unless its hash is in requirements.lock. Metadata is all that is built of it.
    """
    name = f"pyopencl-{version('pyopencl')}.tar.gz"
    if not (cache / name).exists():
        cache.mkdir(parents=True, exist_ok=True)
        requirement = cache / "requirement.txt"
        requirement.write_text(_locked("pyopencl"))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-binary", "pyopencl", "--require-hashes", "-r", str(requirement)]
        subprocess.run([*command, "--dest", str(cache)], check=True, timeout=DOWNLOAD_S)
    return cache / name


def _locked(package: str) -> str:
    """Return the lines on a package in requirements.lock."""
    lock = (ROOT / "requirements.lock").read_text()
    found = re.search(
        rf"^{package}==\S+(?: ;[^\\\n]*)? \\\n(?:    --hash=\S+(?: \\)?\n)+", lock, re.MULTILINE
    )
    if found is None:
        raise ValueError(f"requirements.lock has no {package} with hashes")
    return found[0]


def unpack(sdist: Path, folder: Path) -> Source:
    """Unpack a source distribution, and copy its tests and examples with their imports redirected."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "theirs", filter="data")
    (theirs,) = (folder / "theirs").iterdir()
    ours = folder / "ours"
    for part in ("test", "examples"):
        shutil.copytree(theirs / part, ours / part)
        for path in (ours / part).glob("*.py"):
            path.write_text(ast.unparse(redirected(path.read_text())))
    shutil.copy(COMPILED, ours / "test" / "conftest.py")
    return Source(theirs=theirs, ours=ours)
