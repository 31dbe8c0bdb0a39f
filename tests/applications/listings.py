"""Programs that ask a device what it is, and how fast: clinfo and clpeak."""

from __future__ import annotations

import re
from pathlib import Path

from tests.applications.application import Application, Wrong, output_of
from tests.sides import Sides

FACT = re.compile(r"(CL_DEVICE_\w+)[ \t]+(.*?)[ \t]*$", re.MULTILINE)
# What the pool's device is not, or has not: sdk/accelpool_icd/README.md.
DIFFERENT = {
    "CL_DEVICE_VERSION", "CL_DEVICE_NUMERIC_VERSION", "CL_DEVICE_HOST_UNIFIED_MEMORY",
    "CL_DEVICE_SVM_CAPABILITIES", "CL_DEVICE_PIPE_SUPPORT", "CL_DEVICE_MAX_PIPE_ARGS",
    "CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS", "CL_DEVICE_PIPE_MAX_PACKET_SIZE",
    "CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES", "CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES",
    "CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE", "CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE",
    "CL_DEVICE_MAX_ON_DEVICE_QUEUES", "CL_DEVICE_MAX_ON_DEVICE_EVENTS", "CL_DEVICE_EXECUTION_CAPABILITIES",
    "CL_DEVICE_EXTENSIONS", "CL_DEVICE_EXTENSIONS_WITH_VERSION",
    "CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED",
}  # fmt: skip
LACKING = re.compile(r"\b__opencl_c_(?:pipes|device_enqueue):\S+ ?")  # of OpenCL C, for the same reason
KEY_FACTS = ("CL_DEVICE_NAME", "CL_DEVICE_TYPE", "CL_DEVICE_MAX_COMPUTE_UNITS", "CL_DEVICE_GLOBAL_MEM_SIZE")
NUMBER = re.compile(r"^\s+(\w+)\s+: ([\d.]+)", re.MULTILINE)
MOST = 1e6  # GFLOPS, GB/s or microseconds: more is no number of one device


def facts(printed: str) -> dict[str, str]:
    """Return what `clinfo --raw` says of devices, by name; the last one counts."""
    return dict(FACT.findall(LACKING.sub("", printed)))


def differing(local: dict[str, str], driver: dict[str, str]) -> list[str]:
    """Return the names of facts that differ and must not."""
    common = local.keys() & driver.keys()
    lacking = [name for name in KEY_FACTS if name not in common]
    return lacking + sorted(n for n in common if local[n] != driver[n] and n not in DIFFERENT)


def check_clinfo(sides: Sides, folder: Path) -> str:
    """Compare all that clinfo says of the device."""
    local, driver = (
        facts(output_of(side, ["clinfo", "--raw"], folder)) for side in (sides.local, sides.driver)
    )
    if names := differing(local, driver):
        raise Wrong("; ".join(f"{name}: {driver.get(name)}, locally {local.get(name)}" for name in names))
    return f"{len(local.keys() & driver.keys())} facts of {driver['CL_DEVICE_NAME']}"


def check_clpeak(sides: Sides, folder: Path) -> str:
    """See that clpeak measures something."""
    command = ["clpeak", "--compute-sp", "--global-bandwidth", "--kernel-latency"]
    printed = output_of(sides.driver, command, folder)
    numbers = {name: float(number) for name, number in NUMBER.findall(printed)}
    if "float" not in numbers or not all(0 < number < MOST for number in numbers.values()):
        raise Wrong(f"no plausible numbers: {printed}")
    return f"{len(numbers)} numbers, {numbers['float']:g} for float"


APPLICATIONS = [
    Application(name="clinfo", packages=("clinfo",), check=check_clinfo),
    Application(name="clpeak", packages=("clpeak",), check=check_clpeak),
]
