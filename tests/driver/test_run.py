"""`accelpool run` with the driver: a program in C finds the lease's devices by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).parent / "accelpool")

pytestmark = pytest.mark.opencl


@pytest.mark.parametrize("options", [[], ["--only-pool", "--memory", "50%"]])
def test_a_program_runs_on_a_lease_of_its_own(programs, opencl_pool, tmp_path, options):
    variables = {
        **programs.environment(None),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "ACCELPOOL_URL": opencl_pool.url,
        "ACCELPOOL_TOKEN": opencl_pool.token,
        "ACCELPOOL_DRIVER_PATH": str(programs.folder / "libaccelpool.so"),
    }
    del variables["OCL_ICD_VENDORS"]
    command = [PROGRAM, "run", *options, "--", str(programs.compiled("buffers"))]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "accelpool" / "vendors")
