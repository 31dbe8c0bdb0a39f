"""Driver environments: the variables under which a child process loads one set of drivers.

Drivers that do not get on in one process get a process each. On a Linux machine there are:

    bundled   PoCL from PyOpenCL's own `pocl` extra, and nothing else
    intel     Intel's CPU runtime, where its wheels are installed beside this Python
    NAME      one for each NAME.icd of the system's vendors directory (pocl, nvidia, ...)
    NAME      one for each that the operator describes: see `environments`
    cuda      NVIDIA's own, where PyCUDA is installed beside this Python
    cuda-mig-UUID   the same, for one instance of a GPU that is in MIG mode: see `mig`

An environment's `OCL_ICD_VENDORS` is a directory of ours with at most one .icd file. PyOpenCL's loader adds
the bundled PoCL to every environment; `agent.devices` drops it there again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelpool_node import mps
from accelpool_node.sandbox.paths import DEVICES
from accelpool_wire.private_file import PRIVATE_DIR

BUNDLED = "bundled"
INTEL = "intel"
CUDA = "cuda"
MIG_PREFIX = "cuda-mig-"
NULL = "null"
NVIDIA = "nvidia"
NVIDIA_NODES = ("/dev/nvidia", "/dev/dxg")  # the latter under Windows
VENDORS = Path("/etc/OpenCL/vendors")
INTEL_LIBRARY = "lib/libintelocl.so"
MAX_ICD_BYTES = 4096

# What a child gets of the agent's own variables; everything else, tokens above all, stays behind.
PASSED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH"),
    *("CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),
)
SECRET_PREFIX = "ACCELPOOL_"  # noqa: S105 - a prefix of names


@dataclass(frozen=True, kw_only=True)
class DriverEnvironment:
    """How a child process loads one set of drivers.

    Attributes:
        name: Unique on the node; device names begin with it.
        backend: What the child is told to load: "opencl", "cuda", "null:COUNT" or "null-cuda:COUNT".
        variables: All the variables of the child.
        python: The Python that runs the child.
        expected: The driver that the operator expects in it; "" if it was found, and may show no device.
        read: What else a child may read.
        nodes: The nodes of devices that a child may use, with wildcards.
        links: Whether a child may run the linker.
        is_cpu: Whether all its devices are CPUs, as far as is known.
        known: Attributes of all its devices that its driver does not tell, or tells otherwise.
        memory_parts: Among how many environments the memory that its devices show is divided.
        pipe: Where children find MPS's daemon, "" if they go without; see `mps`.
    """

    name: str
    backend: str
    variables: Mapping[str, str]
    python: str = sys.executable
    expected: str = ""
    read: Sequence[str] = ()
    nodes: Sequence[str] = DEVICES
    links: bool = True
    is_cpu: bool = False
    known: Mapping[str, str] = field(default_factory=dict)
    memory_parts: int = 1
    pipe: str = ""


def find_icds(prefix: Path, vendors: Path = VENDORS) -> dict[str, str]:
    """Return the content of the .icd file of each environment by name; "" means no file.

    Args:
        prefix: Where this Python's packages put their libraries (`sys.prefix`).
        vendors: The system's directory of .icd files.
    """
    icds = {BUNDLED: ""}
    library = prefix / INTEL_LIBRARY
    if library.exists():
        icds[INTEL] = f"{library}\n"
    for file in sorted(vendors.glob("*.icd")):
        content = _read_icd(file)
        if content:
            icds[_unused_name(file.stem, icds)] = content
    return icds


def _read_icd(file: Path) -> str:
    """Return the library that an .icd file names, or "" if it names none."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_ICD_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _unused_name(stem: str, taken: Mapping[str, str]) -> str:
    """Return a readable name made of a file's, not yet taken."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", stem)[:40] or "driver"
    if name in taken or name in (NULL, CUDA):
        name = f"{name}-system"
    while name in taken:
        name += "-"
    return name


def child_variables(environ: Mapping[str, str], extra: Sequence[str] = ()) -> dict[str, str]:
    """Return what a child may see of the agent's variables.

    Args:
        environ: The agent's own variables.
        extra: More names to pass on; a name of ours is never passed on.
    """
    names = dict.fromkeys((*PASSED, *extra))
    return {name: environ[name] for name in names if name in environ and not name.startswith(SECRET_PREFIX)}


def prepare_opencl(
    root: Path, icds: Mapping[str, str], variables: Mapping[str, str]
) -> list[DriverEnvironment]:
    """Write the directories of the OpenCL environments and return them.

    Args:
        root: The agent's state directory.
        icds: As `find_icds` returns them.
        variables: As `child_variables` returns them.
    """
    return [opencl_environment(root, name, content, variables) for name, content in icds.items()]


def opencl_environment(
    root: Path, name: str, content: str, variables: Mapping[str, str]
) -> DriverEnvironment:
    """Write the directories of one OpenCL environment and return it.

    Args:
        root: The agent's state directory.
        name: The environment's.
        content: What its .icd file says; "" for no file.
        variables: As `child_variables` returns them.
    """
    vendors = _make(root / "drivers" / name)
    for stale in vendors.iterdir():
        stale.unlink()
    if content:
        (vendors / f"{name}.icd").write_text(content)
    own = {"OCL_ICD_VENDORS": str(vendors)}
    return DriverEnvironment(name=name, backend="opencl", variables={**variables, **own})


def cuda_environment(variables: Mapping[str, str], *, is_expected: bool, pipe: str = "") -> DriverEnvironment:
    """Return the environment of NVIDIA's driver.

    Args:
        variables: As `child_variables` returns them.
        is_expected: Whether the operator asked for it, and there has to be a device.
        pipe: Where MPS's daemon is, "" to go without.
    """
    return DriverEnvironment(
        name=CUDA,
        backend=CUDA,
        variables={**variables, **mps.variables(pipe)},
        known={"compute_shares": mps.ComputeShares.MPS.value} if pipe else {},
        pipe=pipe,
        expected="CUDA" if is_expected else "",
        links=False,
    )


def monitor_environment(variables: Mapping[str, str]) -> DriverEnvironment:
    """Return the environment of what reads the sensors of NVIDIA's GPUs: it has no devices.

    Args:
        variables: As `child_variables` returns them.
    """
    nodes = [node for node in DEVICES if node.startswith(NVIDIA_NODES)]
    return DriverEnvironment(name=NVIDIA, backend="", variables=dict(variables), nodes=nodes, links=False)


def null_environment(backend: str, variables: Mapping[str, str], name: str = NULL) -> DriverEnvironment:
    """Return the environment of devices that need no driver.

    Args:
        backend: "null:COUNT" or "null-cuda:COUNT".
        variables: As `child_variables` returns them.
        name: The environment's.
    """
    return DriverEnvironment(
        name=name, backend=backend, variables=dict(variables), nodes=(), links=False, is_cpu=True
    )


def _make(path: Path) -> Path:
    path.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    return path
