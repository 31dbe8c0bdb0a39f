"""The operator's file of driver environments: what it may say, read and checked.

    [[environment]]
    name = "fpga"                                  # device names begin with it
    icd = "/opt/fpga/lib/libintelocl_emu.so"       # the driver's library; or
    vendors = "/opt/xrt/vendors"                   # a directory of .icd files
    env = { LD_LIBRARY_PATH = "/opt/fpga/lib" }    # more variables, for this environment alone
    python = "/opt/fpga/venv/bin/python"           # what runs the children; it needs accelpool[node]
    read = ["/opt/fpga/boards"]                    # what the driver reads besides its own folder
    devices = ["/dev/aclfpga*"]                    # nodes that it uses and the agent does not know of

An entry with a driver is an environment of its own, in place of one of that name that was found. An entry
without changes variables and Python of the one that was found under its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from accelpool_node.drivers import (
    BUNDLED,
    CUDA,
    MIG_PREFIX,
    NULL,
    SECRET_PREFIX,
    DriverEnvironment,
    opencl_environment,
    prepare_opencl,
)
from accelpool_wire.errors import Invalid

MAX_FILE_BYTES = 64 << 10
MAX_ENVIRONMENTS = 32
MAX_PATHS = 256
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VENDORS_VARIABLE = "OCL_ICD_VENDORS"


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A driver environment as the operator describes it.

    Attributes:
        name: Unique in the file.
        icd: The absolute path of the driver's library, or "".
        vendors: The absolute path of a directory of .icd files, or "".
        env: Variables of its children.
        python: The absolute path of the Python that runs them; "" for the agent's own.
        read: What else they may read: absolute paths.
        devices: What other nodes of devices they may use: absolute paths, with wildcards.
    """

    name: str
    icd: str = ""
    vendors: str = ""
    env: dict[str, str] = {}
    python: str = ""
    read: list[str] = []
    devices: list[str] = []

    @property
    def has_driver(self) -> bool:
        """Whether it brings a driver, and does not only change how one that was found is loaded."""
        return bool(self.icd or self.vendors)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    environment: list[Environment] = []


def read(file: Path) -> list[Environment]:
    """Return the environments of a file, in its order.

    Raises:
        Invalid: It cannot be read, or one of its entries cannot be used.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Invalid(f"the environments file {file} cannot be read: {error.strerror}") from error
    try:
        return parse(content)
    except Invalid as error:
        raise Invalid(f"the environments file {file}: {error}") from error


def parse(content: bytes) -> list[Environment]:
    """Return the environments of a file's content.

    Raises:
        Invalid: It is not of the form above.
    """
    if len(content) > MAX_FILE_BYTES:
        raise Invalid(f"more than {MAX_FILE_BYTES} bytes")
    try:
        found = msgspec.toml.decode(content, type=_File).environment
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Invalid(str(error)) from error
    if len(found) > MAX_ENVIRONMENTS:
        raise Invalid(f"at most {MAX_ENVIRONMENTS} environments, not {len(found)}")
    names = [environment.name for environment in found]
    for environment in found:
        if names.count(environment.name) > 1:
            raise Invalid(f"two environments are named {environment.name!r}")
        _check(environment)
    return found


def _check(environment: Environment) -> None:
    """Raise what is wrong with an entry."""
    name = environment.name
    if not NAME.fullmatch(name) or name in (NULL, CUDA) or name.startswith(MIG_PREFIX):
        taken = f"neither {NULL!r} nor {CUDA!r} nor {MIG_PREFIX}..."
        raise Invalid(f"an environment's name is 1 to 40 of A-Z a-z 0-9 . _ - and {taken}: {name!r}")
    if environment.icd and environment.vendors:
        raise Invalid(f"{name} has icd and vendors; it is one of them")
    if environment.has_driver and name == BUNDLED:
        raise Invalid(f"{BUNDLED} is PyOpenCL's own driver; another one needs another name")
    for variable, value in environment.env.items():
        if not VARIABLE.fullmatch(variable) or "\0" in value:
            raise Invalid(f"{name} has a variable that cannot be set: {variable!r}")
        if variable == VENDORS_VARIABLE or variable.startswith(SECRET_PREFIX):
            raise Invalid(f"{name} may not set {variable}")
    paths = [("icd", environment.icd), ("vendors", environment.vendors), ("python", environment.python)]
    paths += [("read", path) for path in environment.read]
    paths += [("devices", path) for path in environment.devices]
    if len(paths) > MAX_PATHS:
        raise Invalid(f"{name} has {len(paths)} paths; {MAX_PATHS} are possible")
    for what, path in paths:
        if path and (not os.path.isabs(path) or "\n" in path or "\0" in path):
            raise Invalid(f"{name}: {what} is an absolute path, not {path!r}")


def prepare(
    root: Path, icds: Mapping[str, str], configured: Sequence[Environment], variables: Mapping[str, str]
) -> list[DriverEnvironment]:
    """Write the directories of all OpenCL environments, found and configured, and return them.

    Args:
        root: The agent's state directory.
        icds: What was found, as `drivers.find_icds` returns it.
        configured: The operator's.
        variables: As `drivers.child_variables` returns them.

    Raises:
        Invalid: An entry without a driver is named like none that was found.
    """
    replaced = {one.name for one in configured if one.has_driver}
    kept = {name: content for name, content in icds.items() if name not in replaced}
    prepared = {one.name: one for one in prepare_opencl(root, kept, variables)}
    for one in configured:
        if not one.has_driver and one.name not in prepared:
            raise Invalid(f"{one.name} says neither icd nor vendors, and no driver of that name was found")
        base = _with_driver(root, one, variables) if one.has_driver else prepared[one.name]
        prepared[one.name] = replace(
            base,
            variables={**base.variables, **one.env},
            python=one.python or base.python,
            read=tuple(one.read),
            nodes=(*base.nodes, *one.devices),
        )
    return list(prepared.values())


def _with_driver(root: Path, one: Environment, variables: Mapping[str, str]) -> DriverEnvironment:
    base = opencl_environment(root, one.name, f"{one.icd}\n" if one.icd else "", variables)
    if one.vendors:
        base = replace(base, variables={**base.variables, VENDORS_VARIABLE: one.vendors})
    return replace(base, expected=one.icd or one.vendors)
