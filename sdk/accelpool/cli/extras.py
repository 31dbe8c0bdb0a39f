"""Which packages of an extra are missing: the distribution's own metadata says what an extra needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import metadata

from accelpool.cli.failures import NotInstalled
from accelpool_wire.installation import DISTRIBUTION, install_command

NAME = re.compile(r"[A-Za-z0-9._-]+")


def needed(extra: str, requirements: Iterable[str]) -> list[str]:
    """Return the names of the packages that an extra needs.

    Args:
        extra: Its name.
        requirements: The distribution's requirements, as in its metadata: `flask>=3; extra == "broker"`.
    """
    marker = re.compile(rf"""\bextra\s*==\s*['"]{re.escape(extra)}['"]""")
    found = (NAME.match(line.strip()) for line in requirements if marker.search(line))
    return [match[0] for match in found if match]


def is_installed(package: str) -> bool:
    """Whether a package is installed in this environment."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def missing(extra: str, is_there: Callable[[str], bool] = is_installed) -> list[str]:
    """Return the names of an extra's packages that are not installed."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []  # run from an unpacked source tree: nothing is known, so nothing is refused
    return [package for package in needed(extra, requirements) if not is_there(package)]


def require(what: str, *extras: str, is_there: Callable[[str], bool] = is_installed) -> None:
    """Make sure that extras are installed.

    Args:
        what: What needs them, for the message.
        extras: Their names.
        is_there: Whether a package is installed.

    Raises:
        NotInstalled: Packages are missing; the message has the command that installs them.
    """
    lacking = {extra: missing(extra, is_there) for extra in extras}
    names = [name for packages in lacking.values() for name in packages]
    if names:
        wanted = [extra for extra, packages in lacking.items() if packages]
        raise NotInstalled(
            f"{what} needs packages that are not installed ({', '.join(dict.fromkeys(names))}); "
            f"install them with: {install_command(*wanted)}"
        )
