"""PyOpenCL itself, unmodified, through the loader in its wheel."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.opencl


def test_pyopencl_computes_on_the_pool_what_numpy_does(programs, lease_file):
    programs.run_python(Path(__file__).parent / "pyopencl_calls.py", lease_file)
