"""Fixtures that several modules here share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..integration.scripted_device import Device


@pytest.fixture
def device() -> Iterator[Device]:
    """A session on a scripted device."""
    device = Device()
    yield device
    device.end_all()


@pytest.fixture(scope="module")
def public_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Python that every user can run, with this one's packages."""
    found = shutil.which("python3", path="/usr/bin:/bin")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.geteuid() != 0 or found is None or not os.path.realpath(found).endswith(version):
        pytest.skip(f"only root has users to give, and to a {version} that they can run")
    with tempfile.TemporaryDirectory(prefix="accelpool-python-") as folder:  # pytest's are its user's alone
        Path(folder).chmod(0o755)
        subprocess.run([found, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
        packages = "\n".join(path for path in sys.path if path.startswith("/") and "site-packages" in path)
        ours = "\n".join(str(Path(__file__).parents[2] / name) for name in ("node", "sdk", "kernels"))
        (Path(folder) / "lib" / version / "site-packages" / "these.pth").write_text(f"{packages}\n{ours}\n")
        yield f"{folder}/bin/python"
