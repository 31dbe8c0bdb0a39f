"""Programs that compute, whose results are known: PyOpenCL, CLBlast, clFFT, OpenCV, hashcat, FFmpeg."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from tests.applications.application import Application, Wrong, output_of
from tests.sides import Sides

PROGRAMS = Path(__file__).parent / "programs"
COMPILER = ("gcc", "libc6-dev")
SECRET = "pool"
CLBLAST_TESTS = ("clblast_test_xaxpy", "clblast_test_xdot", "clblast_test_xger")  # they fail if a test does
PASSED = re.compile(r"(\d+) test\(s\) passed")
FRAMES = "testsrc2=size=320x240:rate=5:duration=2"
FILTERS = ("avgblur_opencl=3", "unsharp_opencl", "transpose_opencl=clock", "sobel_opencl")


def check_pyopencl(sides: Sides, folder: Path) -> str:
    """Run a program of PyOpenCL, which compares with NumPy."""
    command = [sys.executable, str(PROGRAMS / "pyopencl_program.py")]
    variables = {"PYOPENCL_CTX": sides.driver.platform, "PYOPENCL_NO_CACHE": "1"}
    return output_of(sides.driver, command, folder, **variables).splitlines()[-1]


def check_clblast(sides: Sides, folder: Path) -> str:
    """Run a product of matrices by CLBlast, which compares with a loop, and some of its own tests."""
    said = _compiled_and_run(sides, folder, "clblast_sgemm", "-lclblast")
    passed = 0
    for name in CLBLAST_TESTS:
        numbers = PASSED.findall(output_of(sides.driver, [name], folder))
        passed += sum(map(int, numbers))
        if not numbers:
            raise Wrong(f"{name} ran no test")
    return f"{said}; {passed} of its own tests"


def check_opencv(sides: Sides, folder: Path) -> str:
    """Run functions of OpenCV, which compare with the same without OpenCL."""
    command = ["/usr/bin/python3", str(PROGRAMS / "opencv_program.py")]
    return output_of(sides.driver, command, folder, OPENCV_OPENCL_DEVICE="accelpool::").splitlines()[-1]


def check_clfft(sides: Sides, folder: Path) -> str:
    """Run transforms by clFFT, which compare with their definition."""
    return _compiled_and_run(sides, folder, "clfft_transform", "-lclFFT")


def _compiled_and_run(sides: Sides, folder: Path, name: str, *libraries: str) -> str:
    """Compile a program for this machine, run it on the pool, and return what it says."""
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-Wno-deprecated-declarations"]
    source, program = str(PROGRAMS / f"{name}.c"), str(folder / name)
    command = ["gcc", *flags, source, "-o", program, *libraries, "-lOpenCL", "-lm"]
    compiled = subprocess.run(command, capture_output=True, text=True)
    if compiled.returncode:
        raise Wrong(compiled.stderr)
    return output_of(sides.driver, [program], folder).strip()


def check_hashcat(sides: Sides, folder: Path) -> str:
    """Find a password of four letters by its MD5, on whatever device, by kernels that include files.

    The node has none of these files, where they can be hidden from it.
    """
    digest = hashlib.md5(SECRET.encode()).hexdigest()
    words = f"hashcat --hash-type 0 --attack-mode 3 --opencl-device-types 1,2,3 --force {digest} ?l?l?l?l"
    options = "--potfile-disable --outfile found --outfile-format 2 --runtime 200"
    own = {"XDG_CACHE_HOME": str(folder), "XDG_DATA_HOME": str(folder)}  # else it keeps kernels in the user's
    printed = output_of(sides.driver, [*words.split(), *options.split()], folder, **own)
    found = (folder / "found").read_text().strip()
    if found != SECRET:
        raise Wrong(f"found {found!r}: {printed}")
    files = f"the node's, too: {sides.unhidden}" if sides.unhidden else "hidden from the node"
    return f"{found!r} of {digest}; its files are {files}"


def check_ffmpeg(sides: Sides, folder: Path) -> str:
    """Compare the frames that FFmpeg's OpenCL filters make with those of the local device."""
    command = ["ffmpeg", "-loglevel", "error", "-init_hw_device", "opencl=it:0.0", "-filter_hw_device", "it"]
    chain = f"format=yuv420p,hwupload,{','.join(FILTERS)},hwdownload,format=yuv420p"
    command += ["-f", "lavfi", "-i", FRAMES, "-vf", chain, "-f", "framemd5", "-"]
    local, driver = (output_of(side, command, folder) for side in (sides.local, sides.driver))
    frames = [line for line in driver.splitlines() if not line.startswith("#")]
    if local != driver or not frames:
        raise Wrong(f"the frames differ: {driver}\nlocally: {local}")
    return f"{len(frames)} frames through {len(FILTERS)} filters"


APPLICATIONS = [
    Application(name="pyopencl", check=check_pyopencl),
    Application(name="clblast", packages=("libclblast-dev", "clblast-tests", *COMPILER), check=check_clblast),
    Application(name="clfft", packages=("libclfft-dev", *COMPILER), check=check_clfft),
    Application(name="opencv", packages=("python3-opencv",), check=check_opencv),
    Application(name="hashcat", packages=("hashcat",), check=check_hashcat, hidden="/usr/share/hashcat"),
    Application(name="ffmpeg", packages=("ffmpeg",), check=check_ffmpeg),
]
