"""What an application is here: a program that nobody changed, and a check of what it does on the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.sides import Side, Sides

LIMIT_S = 300.0
TAIL_CHARS = 1500


class Wrong(Exception):
    """An application failed, or its result is not what it has to be."""


class Unfit(Exception):
    """An application does not run on the local device either: there is nothing to compare with."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application.

    Attributes:
        name: What the report calls it.
        check: Runs it in an empty folder and says in a few words what was right; raises Wrong.
        packages: Debian's, which it needs.
        hidden: A folder of its own that the pool's node is not to see.
    """

    name: str
    check: Callable[[Sides, Path], str]
    packages: tuple[str, ...] = ()
    hidden: str = ""


def output_of(
    side: Side, command: list[str], folder: Path, *, limit_s: float = LIMIT_S, **variables: str
) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        Wrong: It failed, or took too long.
        Unfit: It did so on the local device.
    """
    log = folder / f"{side.name}-{Path(command[0]).name}.log"
    status = side.run(command, folder, log, limit_s=limit_s, **variables)
    printed = log.read_text(errors="replace")
    if status:
        kind = Unfit if side.name == "local" else Wrong
        raise kind(f"{side.name}: {command[0]} ended with {status}: ...{printed[-TAIL_CHARS:]}")
    return printed
