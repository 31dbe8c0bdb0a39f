"""The native OpenCL driver, measured: round trips of a program in C, on a pool and on the local device.

    python -m bench.driver [--device NAME]

Prints JSON lines. The driver and the program are compiled by the `ziglang` wheel's compiler; the loader is
that of PyOpenCL's wheel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyopencl
import requests

from accelpool_icd.build import HERE, build, zig
from bench.pool import Pool, local_variables, running

PROGRAM = Path(__file__).parent / "null_round_trip.c"
LOADER = next((Path(pyopencl.__file__).parent / ".libs").glob("libOpenCL*.so*"))
PLATFORMS = {"bundled": "Portable", "intel": "Intel"}


def main() -> int:
    """Run the bench and return its exit code."""
    parser = argparse.ArgumentParser(description="Measure the native OpenCL driver's round trips.")
    parser.add_argument(
        "--device", default="intel/", help="a part of the device's name; default: %(default)s"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accelpool-bench-") as name:
        folder = Path(name)
        program = compiled(folder / "null_round_trip")
        library = build(zig(), folder / "libaccelpool.so")
        state = folder / "pool"
        state.mkdir()
        with running(state) as pool:
            device = pool.device(options.device)
            variables = {
                "OCL_ICD_VENDORS": str(library),
                "ACCELPOOL_LEASE_FILE": str(leased(pool, device, folder)),
            }
            measure("pool", program, "accelpool", variables)
        environment = device["name"].partition("/")[0]
        variables = dict(local_variables(environment, folder))
        if environment == "bundled":  # it is beside the loader, where PyOpenCL has its own way of finding it
            variables["OCL_ICD_VENDORS"] = str(next(LOADER.parent.glob("libpocl*.so*")))
        measure("local", program, PLATFORMS[environment], variables)
    return 0


def compiled(program: Path) -> Path:
    """Compile the program that measures."""
    command = [*zig(), "-std=gnu11", "-O2", "-I", str(HERE / "src"), str(PROGRAM), str(LOADER)]
    subprocess.run([*command, f"-Wl,-rpath,{LOADER.parent}", "-pthread", "-o", str(program)], check=True)
    return program


def leased(pool: Pool, device: Mapping[str, Any], folder: Path) -> Path:
    """Lease a device until the pool's end, and return the driver's lease file."""
    headers = {"Authorization": f"Bearer {pool.token}"}
    asked = {"devices": [device["id"]], "ttl_s": 600}
    answer = requests.post(f"{pool.url}/leases?wait_s=20", json=asked, headers=headers, timeout=30)
    answer.raise_for_status()
    path = folder / "lease.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(answer.json()))
    return path


def measure(side: str, program: Path, platform: str, variables: Mapping[str, str]) -> None:
    """Run the program and print what it measured."""
    env = {**os.environ, "PYOPENCL_HOME": str(program.parent), **variables}
    done = subprocess.run([program, platform], env=env, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        print(json.dumps({"side": side, **json.loads(line)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
