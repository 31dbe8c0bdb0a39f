"""What is in wheels: the native driver where it is asked for, else its sources."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY, SOURCE = "accelpool_icd/lib/libaccelpool.so", "accelpool_icd/src/dispatch.c"


def wheel(folder, **variables):
    """Build a wheel and return its name and the names of its files."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built.name, zipfile.ZipFile(built).namelist()


def test_a_pure_wheel_has_the_drivers_sources_alone(tmp_path):
    name, files = wheel(tmp_path, ACCELPOOL_DRIVER="")
    assert name.endswith("-py3-none-any.whl")
    assert SOURCE in files
    assert LIBRARY not in files


@pytest.mark.slow
def test_a_wheel_for_a_platform_has_the_driver(tmp_path):
    name, files = wheel(tmp_path, ACCELPOOL_DRIVER="1")
    assert "-py3-none-manylinux_2_17_" in name
    assert files.count(LIBRARY) == 1
    assert SOURCE in files
