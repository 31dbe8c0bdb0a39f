"""OpenCL C sources that include files of this machine, which a node has not.

Lines that include a file found here are replaced by its content before a source is sent. Looked in are, in
this order: the including file's own folder, the working folder, the folders that `-I` names, and PyOpenCL's
own (`pyopencl-complex.h` ...) where it is installed. Names may come from macros. Other includes stay as they
are: for headers that `Program.compile` is given, and for files that the node has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelpool.build_options import NO_OPTIONS, BuildOptions
from accelpool.computed_include import ComputedIncludes
from accelpool.definitions import Definitions
from accelpool.errors import LogicError
from accelpool.upper_layer import pyopencl_folder
from accelpool_wire.codes import ErrorCode

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^<>"\n]+)[>"].*$')
ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[ \t]*$", re.MULTILINE)
OPENS = re.compile(r"""//|/\*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")  # a comment, or text in quotes
MAX_FILES, MAX_CHARACTERS, MAX_DEPTH = 4096, 8 << 20, 200  # the last: as compilers have it


def with_includes(
    source: str,
    options: BuildOptions = NO_OPTIONS,
    kept: Collection[str] = (),
    *,
    is_opencl: bool = True,
) -> str:
    """Return a source with the files that are here in the place of the lines that include them.

    Lines after such a file keep their numbers in the compiler's messages.

    Args:
        source: The text.
        options: The compiler's: where files are looked for, before PyOpenCL's folder, and macros.
        kept: Names that are included in another way: their lines stay.
        is_opencl: Whether PyOpenCL's folder is looked in.

    Raises:
        LogicError: INVALID_VALUE: there is more than can be sent, or a file is no UTF-8 text.
    """
    if not has_includes(source):
        return source
    package = pyopencl_folder() if is_opencl else None
    folders = (*options.folders, *([package / "cl"] if package is not None else []))
    places = [folder.resolve() for folder in folders]
    within = [*places, *(path.resolve() for path in options.named)]
    definitions = Definitions(options.definitions)
    expansion = _Expansion(
        places=places,
        within=within,
        kept=frozenset(kept),
        definitions=definitions,
        computed=ComputedIncludes(definitions),
    )
    return expansion.expanded(source, None, ())


def has_includes(source: str) -> bool:
    """Whether a source has a line that may include a file."""
    return "include" in source and "#" in source


@dataclass(kw_only=True)
class _Expansion:
    """One source on its way: where files are, which names are kept, what was defined and put in so far."""

    places: list[Path]
    within: list[Path]
    kept: frozenset[str]
    definitions: Definitions
    computed: ComputedIncludes
    files: int = 0
    characters: int = 0
    texts: dict[Path, str] = field(default_factory=dict)

    def expanded(self, source: str, near: Path | None, inside: tuple[Path, ...]) -> str:
        """Return a text with its includes replaced.

        Args:
            source: The text.
            near: The folder of the file that the text is, looked in first.
            inside: The files that the text is included by, which it does not include again.
        """
        lines = []
        for number, line, in_comment, directive in _lines(source):
            match = None if in_comment else self._include(line)
            if directive is not None:
                self.definitions.read(directive)
            path = None if match is None else self._found(match[2], near if match[1] == '"' else None)
            if path is None:
                lines.append(line)
            elif path in inside:
                lines.append("")  # so that those after it keep their numbers
            else:
                if len(inside) == MAX_DEPTH:
                    raise _refused(f"more than {MAX_DEPTH} files in each other, at {path}")
                content = _guarded(self._read(path), path, list(self.texts).index(path))
                lines += [self.expanded(content, path.parent, (*inside, path)), f"#line {number + 1}"]
        return "\n".join(lines)

    def _include(self, line: str) -> re.Match[str] | None:
        """Return what a line includes, by its name or by a macro's."""
        match = INCLUDE.match(line)
        computed = self.computed.directive(line) if match is None else None
        return match if computed is None else INCLUDE.match(computed)

    def _found(self, name: str, near: Path | None) -> Path | None:
        """Return the file of a name, which is within one of the places; None where there is none."""
        if name in self.kept:
            return None
        for folder in (near, *self.places):
            if folder is None or not os.path.isfile(folder / name):  # False for names that are too long, too
                continue
            path = (folder / name).resolve()
            if any(map(path.is_relative_to, self.within)):
                return path
        return None

    def _read(self, path: Path) -> str:
        text = self.texts.get(path)
        if text is None:
            try:
                text = self.texts[path] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise _refused(f"{path} is no UTF-8 text: {error}") from error
        self.files += 1
        self.characters += len(text)
        if self.files > MAX_FILES or self.characters > MAX_CHARACTERS:
            raise _refused(f"more than {MAX_FILES} files or {MAX_CHARACTERS} characters, at {path}")
        return text


def _lines(source: str) -> Iterator[tuple[int, str, bool, str | None]]:
    """Yield each line with its number, whether it begins in a comment, and the directive that it may be.

    A directive has the lines that continue it.
    """
    lines = source.split("\n")
    in_comment, is_continued = False, False
    for place, line in enumerate(lines):
        begins = not in_comment and not is_continued
        yield place + 1, line, in_comment, _continued(lines, place) if begins else None
        is_continued = (begins or is_continued) and line.endswith("\\")
        in_comment = _ends_in_comment(line, in_comment)


def _continued(lines: Sequence[str], place: int) -> str:
    """Return a line with those that continue it."""
    end = place + 1
    while end < len(lines) and lines[end - 1].endswith("\\"):
        end += 1
    return "\n".join(lines[place:end])


def _ends_in_comment(line: str, in_comment: bool) -> bool:
    """Whether the line after this one begins within a comment."""
    place = 0
    while True:
        if in_comment:
            end = line.find("*/", place)
            if end < 0:
                return True
            place, in_comment = end + 2, False
        found = OPENS.search(line, place)
        if found is None or found[0] == "//":
            return False
        place, in_comment = found.end(), found[0] == "/*"


def _guarded(content: str, path: Path, number: int) -> str:
    """Return a file's content with `#pragma once`, which means nothing inside another file, spelt out.

    Files of one name are told apart by their numbers; where they lie is nobody's business. An identifier has
    no letters but ASCII's.
    """
    rest = ONCE.sub("", content)
    if rest == content:
        return content
    guard = f"ACCELPOOL_INCLUDED_{number}_" + re.sub(r"\W", "_", path.name, flags=re.ASCII).upper()
    return f"#ifndef {guard}\n#define {guard}\n{rest}\n#endif"


def _refused(what: str) -> LogicError:
    return LogicError("clBuildProgram", ErrorCode.INVALID_VALUE, f"files that the source includes: {what}")
