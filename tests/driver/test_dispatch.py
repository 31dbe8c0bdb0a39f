"""What the loader finds in the library."""

import ctypes
import subprocess

import pytest

ENTRIES = 149  # of Khronos' and ocl-icd's tables, to OpenCL 3.0
PLATFORM_NOT_FOUND = -1001


@pytest.fixture(scope="module")
def library(programs):
    return ctypes.CDLL(str(programs.folder / "libaccelpool.so"))


def test_it_exports_what_loaders_look_up_and_nothing_else(programs):
    said = subprocess.run(
        ["nm", "-D", "--defined-only", programs.folder / "libaccelpool.so"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = {line.split()[-1] for line in said.splitlines()}
    assert names == {"clGetExtensionFunctionAddress", "clGetPlatformInfo", "clIcdGetPlatformIDsKHR"}


def test_it_needs_libc_and_pthreads_alone(programs):
    said = subprocess.run(
        ["readelf", "-d", programs.folder / "libaccelpool.so"], capture_output=True, text=True, check=True
    ).stdout
    needed = {line.split("[")[1].rstrip("]") for line in said.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc.so.6", "libpthread.so.0"}


def test_without_a_lease_there_is_no_platform(library, monkeypatch):
    monkeypatch.delenv("ACCELPOOL_LEASE_FILE", raising=False)
    count = ctypes.c_uint(7)
    assert library.clIcdGetPlatformIDsKHR(0, None, ctypes.byref(count)) == PLATFORM_NOT_FOUND
    assert count.value == 0


def test_no_entry_of_the_table_is_missing(library, lease_file, programs):
    script = (
        "import ctypes, sys\n"
        "library, platform = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()\n"
        "assert library.clIcdGetPlatformIDsKHR(1, ctypes.byref(platform), None) == 0\n"
        "table = ctypes.cast(platform, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]\n"
        f"assert all(table[entry] for entry in range({ENTRIES}))\n"
    )
    path = programs.folder / "table.py"
    path.write_text(script)
    programs.run_python(path, lease_file, str(programs.folder / "libaccelpool.so"))
