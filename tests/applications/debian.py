"""Debian's packages that applications need, by apt, where this process may install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

INSTALL_S = 900
# Some packages want any package that brings an OpenCL driver. Ours is not packaged, and one of Debian's would
# add devices to this machine: a package that has nothing but the name takes its place.
PLACEHOLDER = "accelpool-test-icd"
CONTROL = f"""Package: {PLACEHOLDER}
Version: 1
Architecture: all
Provides: opencl-icd
Maintainer: accelpool's tests <tests@localhost>
Description: stands for accelpool's OpenCL driver, which is not packaged
"""


def missing(packages: Sequence[str]) -> list[str]:
    """Return those that are not installed."""
    return [package for package in packages if not _is_installed(package)]


def _is_installed(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout == "installed"


def obstacle(packages: Sequence[str], *, may_install: bool) -> str:
    """Install what is missing of packages, and return why that could not be done, "" if it could."""
    wanted = missing(packages)
    if not wanted:
        return ""
    names = " ".join(wanted)
    if shutil.which("apt-get") is None:
        return f"needs {names}, of Debian"
    if os.geteuid() != 0 or not may_install:
        return f"needs {names}: apt-get install --no-install-recommends {names}"
    return _install(wanted)


def _install(packages: Sequence[str]) -> str:
    """Install packages by apt, with new lists if the old ones do not do; return what failed, or ""."""
    with tempfile.TemporaryDirectory(prefix="accelpool-debian-") as folder:
        words = [*packages] if _is_installed(PLACEHOLDER) else [str(_placeholder(Path(folder))), *packages]
        install = ["install", "--yes", "--no-install-recommends", *words]
        failed = _apt(install) and (_apt(["update"]) or _apt(install))
    return f"{' '.join(packages)} cannot be installed: {failed}" if failed else ""


def _apt(words: Sequence[str]) -> str:
    """Run apt-get; return the last line of what it says if it fails."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "--quiet", *words], env=env, capture_output=True, text=True, timeout=INSTALL_S
    )
    return (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1] if done.returncode else ""


def _placeholder(folder: Path) -> Path:
    control = folder / PLACEHOLDER / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(CONTROL)
    package = folder / f"{PLACEHOLDER}.deb"
    command = ["dpkg-deb", "--build", "--root-owner-group", str(folder / PLACEHOLDER), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    folder.chmod(0o755)
    return package
