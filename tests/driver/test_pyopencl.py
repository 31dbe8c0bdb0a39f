"""PyOpenCL itself, unmodified, through the loader in its wheel."""

from pathlib import Path

import pytest

from ..integration.spirv_assembler import filling_module

pytestmark = pytest.mark.opencl


SCRIPT = Path(__file__).parent / "pyopencl_calls.py"


def test_pyopencl_computes_on_the_pool_what_numpy_does(programs, lease_file, tmp_path):
    run_script(programs, lease_file, tmp_path)


def run_script(programs, lease_file, folder):
    """Run the script on a lease's device."""
    module = folder / "fill.spv"
    module.write_bytes(filling_module())
    programs.run_python(SCRIPT, lease_file, str(module))
