"""Which files a confined process may read: code, and what the system has for everybody.

No configuration, nobody's home, no other process.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/opt/intel",
    "/opt/rocm*",
    "/opt/xilinx",
    "/etc/OpenCL",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/driver/nvidia*",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/version",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/sys/module",
)
ALWAYS_THERE = ("/dev/null", "/dev/zero", "/dev/full")
RANDOM = ("/dev/random", "/dev/urandom")
DEVICES = (  # nodes of GPUs and FPGAs; a monitor's are none of a kernel's
    "/dev/accel/*",
    "/dev/dfl-*",
    "/dev/dri/renderD*",
    "/dev/dxg",
    "/dev/intel-fpga-*",
    "/dev/kfd",
    "/dev/mali*",
    "/dev/nvidia*",
    "/dev/xclmgmt*",
    "/dev/xdma*",
    "/dev/xfpga/*",
)
DEVICE_FOLDERS = ("/dev/accel", "/dev/dri", "/dev/xfpga")
LOADERS = (  # they run with every program
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
)
OWN_THREADS, ALL_PROCESSES = "/proc/self/task", "/proc"  # the latter are a parent's children, too
ROOT = "/"


def found(patterns: Iterable[str]) -> list[str]:
    """Return what there is of paths with wildcards, in their order."""
    return [path for pattern in patterns for path in sorted(glob.glob(pattern))]


def own_code() -> list[str]:
    """Return where this Python and its packages are."""
    places = [sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.realpath(sys.executable), *sys.path]
    return [place for place in dict.fromkeys(places) if os.path.isabs(place) and place != ROOT]


def of_drivers(variables: Mapping[str, str]) -> list[str]:
    """Return where the drivers of an environment are, as its variables and .icd files say."""
    places = [place for place in variables.get("LD_LIBRARY_PATH", "").split(":") if place]
    vendors = variables.get("OCL_ICD_VENDORS", "")
    if vendors:
        places.append(vendors)
    for file in sorted(glob.glob(f"{vendors}/*.icd")) if vendors else []:
        try:
            library = Path(file).read_text("utf-8", "replace").strip()
        except OSError:
            continue
        if os.path.isabs(library):
            places += [os.path.dirname(library), os.path.dirname(os.path.realpath(library))]
    return [place for place in dict.fromkeys(places) if os.path.isabs(place) and place != ROOT]


def linkers(path: str) -> list[str]:
    """Return the linker that PoCL calls, in its own place; none if there is none.

    Args:
        path: Where programs are looked for, as PATH says it.
    """
    linker = shutil.which("ld", path=path or os.defpath)
    return [] if linker is None else [os.path.realpath(linker)]


def around(places: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Return those of some places that hold one of some secrets."""
    hidden = [Path(os.path.realpath(secret)) for secret in secrets]
    real = {place: Path(os.path.realpath(place)) for place in places}
    return [place for place, path in real.items() if any(path in (one, *one.parents) for one in hidden)]
