"""Writes the environments file of the runtimes that `make devices` installed: those that work here.

    python -m tests.device.set_up DIRECTORY FILE

The compiler in them is older than some processors, and then makes wide vectors that compute nonsense. So each
runtime is probed, as found first, then with older and older processors as the compiler's target.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from accelpool_node import drivers, environments
from accelpool_node.environments import Environment

from ..integration.worker_rig import devices_of

LIBRARIES = {"fpga": "lib/libintelocl_emu.so"}
TARGET_VARIABLE = "CL_CONFIG_CPU_TARGET_ARCH"
# Without it the emulator claims work-groups of 1 << 26 items, and ends its process far below that.
LIMIT = {"CL_CONFIG_CPU_FORCE_MAX_WORK_GROUP_SIZE": "8192"}
TARGETS = ("", "core-avx2", "corei7-avx")


def main(directory: Path, file: Path) -> int:
    """Probe what is in the directory, write the file, and return the exit status."""
    chosen = [one for name, library in LIBRARIES.items() for one in choose(name, directory / library)]
    if not chosen:
        return 1
    file.write_text("".join(map(entry, chosen)))
    return 0


def choose(name: str, library: Path) -> list[Environment]:
    """Return the first description under which a runtime's device works, if there is one."""
    for target in TARGETS:
        env = {"LD_LIBRARY_PATH": str(library.parent)} | LIMIT | ({TARGET_VARIABLE: target} if target else {})
        tried = Environment(name=name, icd=str(library), env=env)
        said = fault(tried)
        sys.stderr.write(f"{name}, {target or 'as it is'}: {said or 'works'}\n")
        if not said:
            return [tried]
    return []


def fault(tried: Environment) -> str:
    """Return what is wrong with a runtime under a description, "" if it works."""
    variables = drivers.child_variables(os.environ)
    with tempfile.TemporaryDirectory(prefix="accelpool-devices-") as root:
        bundled, own = environments.prepare(Path(root), {drivers.BUNDLED: ""}, [tried], variables)
        others = {target.device for target in devices_of(bundled)}
        found = [target for target in devices_of(own) if target.device not in others]
    return found[0].fault if found else "it shows no device"


def entry(one: Environment) -> str:
    """Return a description as the file has it; a string of JSON is one of TOML."""
    variables = "".join(f"{name} = {json.dumps(value)}\n" for name, value in one.env.items())
    head = f"[[environment]]\nname = {json.dumps(one.name)}\nicd = {json.dumps(one.icd)}\n"
    return f"{head}[environment.env]\n{variables}\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), Path(sys.argv[2])))
