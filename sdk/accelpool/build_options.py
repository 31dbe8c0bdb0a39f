"""The options of a compiler, as PyOpenCL takes them, and the folders of this machine that they name."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from accelpool.settings import Settings

Options: TypeAlias = str | Sequence[str | bytes] | None
TWO_WORDS = ("-I", "/I", "-D", "-U")  # or one
PLATFORM_OPTIONS = {"Oclgrind": ("-D", "PYOPENCL_USING_OCLGRIND")}


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options, told apart by whom they are for.

    Attributes:
        text: As they were given: what `program_build_info.OPTIONS` says.
        sent: What the node's compiler gets: without the folders of this machine.
        folders: Folders of this machine where included files are looked for.
        definitions: What `-D` and `-U` say, as lines of directives.
        named: Files and folders of this machine that `-D` names in full, as a macro's text.
    """

    text: str
    sent: str
    folders: tuple[Path, ...] = (Path(),)
    definitions: str = ""
    named: tuple[Path, ...] = ()


NO_OPTIONS = BuildOptions(text="", sent="")


def words_of(options: Options) -> list[str]:
    """Return options as words; a string is split as a shell would."""
    if isinstance(options, str):
        return shlex.split(options)
    return [word.decode() if isinstance(word, bytes) else word for word in options or ()]


def compiler_options(options: Options, platform: str = "", *, is_opencl: bool = True) -> BuildOptions:
    """Return a compiler's options, those that the user's environment and the platform add included.

    Args:
        options: As given to `Program.build` or `Program.compile`.
        platform: The name of the platform that compiles.
        is_opencl: Whether they are for PyOpenCL, whose environment adds some and which joins them by spaces;
            else words with spaces are put in quotes.
    """
    given = [*words_of(options), *PLATFORM_OPTIONS.get(platform, ())]
    given += Settings.from_environment().build_options if is_opencl else ()
    sent, folders, words = [], [Path()], iter(given)
    definitions, named = list[str](), list[Path]()
    for word in words:
        option, name = word[:2], word[2:]
        taken = [word]
        if option in TWO_WORDS and not name:
            name = next(words, "")
            taken.append(name)
        folder = Path(name.strip().strip('"')) if option in ("-I", "/I") and name else None
        if folder is not None and os.path.isdir(folder):
            folders.append(folder)
            continue
        sent += taken
        if option in ("-D", "-U") and name:
            definitions.append(_directive(option, name))
            named += _named(name)
    return BuildOptions(
        text=" ".join(given),
        sent=" ".join(sent).strip() if is_opencl else shlex.join(sent),
        folders=tuple(folders),
        definitions="\n".join(definitions),
        named=tuple(named),
    )


def _directive(option: str, definition: str) -> str:
    """Return what an option says of a macro."""
    name, is_defined, text = definition.replace("\n", " ").partition("=")
    if option == "-U":
        return f"#undef {name}"
    return f"#define {name} {text if is_defined else 1}"


def _named(definition: str) -> list[Path]:
    """Return the file or folder that is a macro's text, if it is one by its whole name."""
    text = definition.partition("=")[2].strip().strip('"<>')
    is_named = os.path.isabs(text) and os.path.exists(text) and os.path.realpath(text) != os.sep
    return [Path(text)] if is_named else []
