"""bubblewrap: around a child, a view of the machine with nothing in it that the child may not use anyway.

The child confines itself all the same. What this adds: what it may not read is not there, other processes
neither, it has a network, System V objects and a host's name of its own, and its private folder is a file
system in memory, whose size the kernel bounds, files without a name included.

    agent ── bwrap (waits) ── bwrap (process 1 of the new namespace) ── the child

Descriptors that the child was given pass through; both bwraps close theirs. When either ends, all end.

Source: bwrap(1) of bubblewrap 0.8.0; pid_namespaces(7).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from accelpool_node.sandbox import paths
from accelpool_node.sandbox.folders import ROOT, SYSTEM
from accelpool_node.sandbox.policy import Policy

FOLDER_BYTES = 1 << 30
FIRST_PROCESS = 1
KILLED = 128  # and a signal's number: how bwrap tells that it killed the child
NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net")
LINKS = ("/etc/alternatives",)  # links of /usr go by way of these; Landlock does not mind links
PROC = "/proc"
ASK = "from accelpool_node.sandbox import paths; print(*paths.own_code(), sep='\\n')"
ASK_LIMIT_S = 30.0


class Bubblewrap:
    """Starts children inside bubblewrap.

    Args:
        program: Its path.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self._code: dict[str, list[str]] = {}

    @property
    def name(self) -> str:
        """What the first process of a child's namespace is called.

        Source: proc_pid_comm(5): 15 characters at most.
        """
        return os.path.basename(self.program)[:15]

    def command(self, policy: Policy, variables: Mapping[str, str], python: str) -> list[str]:
        """Return the command that runs the command behind it inside.

        Args:
            policy: What the child may do.
            variables: Its environment.
            python: The interpreter that it runs.

        Raises:
            OSError: The interpreter cannot be asked where its packages are.
        """
        readable = [*policy.read, *self._code_of(python, variables), *paths.of_drivers(variables), *LINKS]
        readable += [*policy.programs, *(paths.LOADERS if policy.programs else ())]
        nodes = [*paths.ALWAYS_THERE, *paths.RANDOM, *policy.devices]
        shown = view(readable)
        return [
            *(self.program, "--die-with-parent", *NAMESPACES, "--proc", PROC),
            *_parents([*shown, *nodes, policy.folder]),
            *(word for place, option in shown.items() for word in (*option, place)),
            *(word for node in nodes for word in ("--dev-bind-try", node, node)),
            *_folder(policy.folder),
            "--",
        ]

    def _code_of(self, python: str, variables: Mapping[str, str]) -> list[str]:
        """Return where an interpreter and its packages are, as it says itself."""
        if python not in self._code:
            try:
                said = subprocess.run(
                    [python, "-P", "-c", ASK],
                    env=dict(variables),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=ASK_LIMIT_S,
                    check=True,
                ).stdout
            except subprocess.SubprocessError as error:
                raise OSError(f"{python} does not say where its packages are: {error}") from error
            self._code[python] = [python, *said.decode().splitlines()]
        return self._code[python]


def find(wanted: str) -> Bubblewrap:
    """Return the program of a name or path.

    Raises:
        FileNotFoundError: There is none.
    """
    program = shutil.which(wanted)
    if program is None:
        raise FileNotFoundError(f"there is no program {wanted}")
    return Bubblewrap(os.path.abspath(program))


def view(places: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return how some files and folders are shown, read-only, where they are, and links as links.

    Returns:
        By place, in order: an option, and its argument before the place.
    """
    shown: dict[str, tuple[str, str]] = {}
    for place in sorted(_with_targets(places)):
        if any(str(above) in shown for above in Path(place).parents):
            continue  # if that is a link: what it leads to has a place of its own
        is_link = os.path.islink(place)
        shown[place] = ("--symlink", os.readlink(place)) if is_link else ("--ro-bind", place)
    return shown


def _parents(places: Iterable[str]) -> list[str]:
    """Return the options that make what is above some places; bwrap lets nobody else in there otherwise."""
    parents = {str(parent) for place in places for parent in Path(place).parents}
    return [word for parent in sorted(parents - {"/"}) for word in ("--dir", parent)]


def _with_targets(places: Iterable[str]) -> set[str]:
    """Return what there is of some places, with what links lead to; `/proc` is another one inside."""
    found, waiting = set[str](), list(places)
    while waiting:
        place = os.path.normpath(waiting.pop())
        if place in found or not os.path.exists(place) or Path(PROC) in (Path(place), *Path(place).parents):
            continue
        found.add(place)
        real = os.path.realpath(place)
        if os.path.islink(place):
            waiting.append(os.path.join(os.path.dirname(place), os.readlink(place)))
        elif real != place:
            waiting.append(real)
    return found


def _folder(path: str) -> list[str]:
    if not path:
        return []
    words = [
        "--size",
        str(FOLDER_BYTES),
        "--perms",
        "0777",
        "--tmpfs",
        path,
        "--dir",
        os.path.join(path, ROOT),
    ]
    for name in SYSTEM:
        words += ["--symlink", f"/{name}", os.path.join(path, ROOT, name)]
    return [*words, "--chdir", path]
