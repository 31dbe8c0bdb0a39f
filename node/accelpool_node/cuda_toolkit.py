"""Where CUDA's driver and its compilers are on this machine, found without loading any of them."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import sys
from collections.abc import Mapping

CONTROL_NODES = ("/dev/nvidiactl", "/dev/dxg")  # of the driver on Linux, and under Windows
TOOLKITS = ("/usr/local/cuda", "/usr/local/cuda-*", "/opt/cuda")
NVRTC_FOLDERS = ("lib64", "lib", "targets/*/lib", "nvidia/cu*/lib", "nvidia/cuda_nvrtc/lib")
NVRTC = re.compile(r"libnvrtc\.so\.(\d+)(?:\.\d+)*")
LOADABLE = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2")  # wherever the system's loader has it


def has_driver() -> bool:
    """Whether this machine has NVIDIA's driver, as far as its files tell."""
    return any(os.path.exists(node) for node in CONTROL_NODES)


def has_pycuda() -> bool:
    """Whether PyCUDA is installed beside this Python; it is not imported."""
    return importlib.util.find_spec("pycuda") is not None


def has_nvml() -> bool:
    """Whether NVIDIA's management library has its binding beside this Python; it is not imported."""
    return importlib.util.find_spec("pynvml") is not None


def nvrtc_libraries(variables: Mapping[str, str]) -> dict[str, int]:
    """Return the NVRTC libraries that there are, with their major versions, in no particular order.

    Args:
        variables: The environment: CUDA_HOME, CUDA_PATH and LD_LIBRARY_PATH are looked at.
    """
    roots = [*filter(None, (variables.get("CUDA_HOME"), variables.get("CUDA_PATH")))]
    roots += [place for pattern in TOOLKITS for place in glob.glob(pattern)]
    roots += [place for place in sys.path if os.path.isabs(place)]
    places = [place for place in variables.get("LD_LIBRARY_PATH", "").split(":") if place]
    places += [f"{root}/{folder}" for root in roots for folder in NVRTC_FOLDERS]
    found = [path for place in places for path in glob.glob(f"{place}/libnvrtc.so.*")]
    matches = {path: NVRTC.fullmatch(os.path.basename(path)) for path in found}
    return {path: int(match[1]) for path, match in matches.items() if match}
