"""`accelpool run` with the driver: a program in C finds the lease's devices by itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).parent / "accelpool")

pytestmark = pytest.mark.opencl


@pytest.fixture(params=["plain", "tls"])
def pool(request, opencl_pool):
    return opencl_pool if request.param == "plain" else request.getfixturevalue("secure_pool")


@pytest.mark.parametrize("options", [[], ["--only-pool", "--memory", "50%"]])
def test_a_program_runs_on_a_lease_of_its_own(programs, pool, tmp_path, options):
    variables = {
        **programs.environment(None),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "ACCELPOOL_URL": pool.url,
        "ACCELPOOL_TOKEN": pool.token,
        "ACCELPOOL_CA": pool.ca,
        "ACCELPOOL_DRIVER_PATH": str(programs.folder / "libaccelpool.so"),
    }
    del variables["OCL_ICD_VENDORS"]
    command = [PROGRAM, "run", *options, "--", str(programs.compiled("buffers"))]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "accelpool" / "vendors")


def test_an_endpoint_that_does_tls_is_left_out_in_words(programs, tmp_path):
    endpoint = {"node": "n1", "host": "127.0.0.1", "port": 1, "token": "t", "certificate_sha256": "ab" * 32}
    file = tmp_path / "lease.json"
    file.write_text(json.dumps({"lease": "lse_1", "endpoints": [endpoint]}))
    command = [str(programs.compiled("buffers"))]
    done = subprocess.run(command, env=programs.environment(file), capture_output=True, text=True, timeout=60)
    assert done.returncode
    assert "n1: it takes no connection without TLS" in done.stderr
