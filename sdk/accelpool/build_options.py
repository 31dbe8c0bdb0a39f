"""The options of a compiler, as PyOpenCL takes them, and the folders of this machine that they name."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from accelpool.settings import Settings

Options: TypeAlias = str | Sequence[str | bytes] | None
PLATFORM_OPTIONS = {"Oclgrind": ("-D", "PYOPENCL_USING_OCLGRIND")}


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options, told apart by whom they are for.

    Attributes:
        text: As they were given: what `program_build_info.OPTIONS` says.
        sent: What the node's compiler gets: without the folders of this machine.
        folders: Folders of this machine where included files are looked for.
    """

    text: str
    sent: str
    folders: tuple[Path, ...] = (Path(),)


def words_of(options: Options) -> list[str]:
    """Return options as words; a string is split as a shell would."""
    if isinstance(options, str):
        return shlex.split(options)
    return [word.decode() if isinstance(word, bytes) else word for word in options or ()]


def compiler_options(options: Options, platform: str = "") -> BuildOptions:
    """Return a compiler's options, those that the user's environment and the platform add included.

    Args:
        options: As given to `Program.build` or `Program.compile`.
        platform: The name of the platform that compiles.
    """
    given = [*words_of(options), *PLATFORM_OPTIONS.get(platform, ())]
    given += Settings.from_environment().build_options
    sent, folders, words = [], [Path()], iter(given)
    for word in words:
        option, name = word[:2], word[2:]
        taken = [word]
        if option in ("-I", "/I") and not name:
            name = next(words, "")
            taken.append(name)
        folder = Path(name.strip().strip('"')) if option in ("-I", "/I") and name else None
        if folder is not None and folder.is_dir():
            folders.append(folder)
        else:
            sent += taken
    return BuildOptions(text=" ".join(given), sent=" ".join(sent).strip(), folders=tuple(folders))
