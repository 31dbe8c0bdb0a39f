"""The native OpenCL driver: where it is, and the variables by which OpenCL's loaders find it.

variable             who heeds it
OCL_ICD_VENDORS      ocl-icd, Khronos' loader, the one in PyOpenCL's wheels: a folder of .icd files, each of
                     which has a library's name in it. It replaces the system's, so theirs are copied into it.
OCL_ICD_FILENAMES    Khronos' loader: libraries that come before those of the folder; loaded once only
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from accelpool.cli.failures import CommandFailed, NotInstalled

PACKAGE, LIBRARY = "accelpool_icd", Path("lib") / "libaccelpool.so"
SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")
OURS = "accelpool.icd"
MAX_ICD_BYTES = 4096


def find(given: str | None) -> Path:
    """Return the driver's library.

    Args:
        given: Where it is said to be; None to look where it is installed.

    Raises:
        NotInstalled: It is not there; the message says what helps.
    """
    if given is not None:
        path = Path(given).absolute()
        if not path.is_file():
            raise NotInstalled(f"ACCELPOOL_DRIVER_PATH names no file: {path}")
        return path
    spec = find_spec(PACKAGE)
    places = [] if spec is None else [Path(one) / LIBRARY for one in spec.submodule_search_locations or ()]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NotInstalled(
            "the native OpenCL driver (libaccelpool.so) is not installed here: build it with `make driver` "
            "in a clone, elsewhere with `pip install ziglang && python -m accelpool_icd.build`, install a "
            "wheel of accelpool for this platform, or let ACCELPOOL_DRIVER_PATH name it"
        )
    return found


def loader_variables(
    library: Path, variables: Mapping[str, str], vendors: Path, *, only_pool: bool
) -> dict[str, str]:
    """Return the variables with which OpenCL's loaders find the driver.

    Args:
        library: The driver.
        variables: The environment so far.
        vendors: Where the folder is made that names the drivers, one for each set of them.
        only_pool: Whether to hide the drivers of this machine.

    Raises:
        CommandFailed: The folder cannot be written.
    """
    local = {} if only_pool else _local_icds(variables)
    before = [] if only_pool else variables.get("OCL_ICD_FILENAMES", "").split(":")
    names = dict.fromkeys([str(library), *filter(None, before)])
    try:
        folder = _folder({**local, OURS: f"{library}\n".encode()}, vendors)
    except OSError as error:
        raise CommandFailed(f"{vendors} cannot be written: {error.strerror}") from error
    return {"OCL_ICD_VENDORS": str(folder), "OCL_ICD_FILENAMES": ":".join(names)}


def _local_icds(variables: Mapping[str, str]) -> dict[str, bytes]:
    """Return the .icd files that a loader would read, by their name; as ocl-icd's manual has it."""
    named = variables.get("OCL_ICD_VENDORS") or variables.get("OPENCL_VENDOR_PATH") or str(SYSTEM_VENDORS)
    place = Path(named)
    if not place.is_dir() and not named.endswith(".icd"):
        return {"local.icd": f"{named}\n".encode()} if place != SYSTEM_VENDORS else {}
    system = SYSTEM_VENDORS / named
    one = system if "/" not in named and system.is_file() else place
    found = {}
    for file in sorted(place.glob("*.icd")) if place.is_dir() else [one]:
        with contextlib.suppress(OSError), file.open("rb") as stream:
            found[file.name] = stream.read(MAX_ICD_BYTES)
    return found


def _folder(icds: Mapping[str, bytes], vendors: Path) -> Path:
    """Return the folder with these files; it stays, as shells outlive their leases."""
    digest = hashlib.sha256(repr(sorted(icds.items())).encode()).hexdigest()[:16]
    folder = vendors / digest
    if folder.is_dir():
        return folder
    vendors.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=vendors))
    for name, content in icds.items():
        (draft / name).write_bytes(content)
    try:
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft)
        if not folder.is_dir():  # else another process was quicker
            raise
    return folder
