"""OpenCL C sources that include PyOpenCL's own files, such as `pyopencl-complex.h`.

A node has no such files, nor should it need them: where PyOpenCL is installed here, the lines that include
them are replaced by their content before a source is sent.
"""

from __future__ import annotations

import re
from pathlib import Path

from accelpool.upper_layer import pyopencl_folder

MARK = "pyopencl-"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([\w./-]+)[>"].*$')
ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[ \t]*$", re.MULTILINE)


def with_includes(source: str) -> str:
    """Return a source with PyOpenCL's files in the place of the lines that include them.

    Lines after such a file keep their numbers in the compiler's messages. Other includes stay as they are.
    """
    if MARK not in source:
        return source
    package = pyopencl_folder()
    return source if package is None else _expanded(source, package / "cl", None, ())


def _expanded(source: str, folder: Path, near: Path | None, inside: tuple[Path, ...]) -> str:
    """Return a text with its includes replaced.

    Args:
        source: The text.
        folder: Where PyOpenCL's OpenCL files are.
        near: The folder of the file that the text is, looked in first.
        inside: The files that the text is included by, which it does not include again.
    """
    lines = []
    for number, line in enumerate(source.split("\n"), start=1):
        match = INCLUDE.match(line)
        path = None if match is None else _found(match[1], folder, near)
        if path is None:
            lines.append(line)
        elif path not in inside:
            content = _guarded(path.read_text(encoding="utf-8"), path)
            lines += [_expanded(content, folder, path.parent, (*inside, path)), f"#line {number + 1}"]
    return "\n".join(lines)


def _guarded(content: str, path: Path) -> str:
    """Return a file's content with `#pragma once`, which means nothing inside another file, spelt out."""
    rest = ONCE.sub("", content)
    if rest == content:
        return content
    guard = "ACCELPOOL_INCLUDED_" + re.sub(r"\W", "_", path.name).upper()
    return f"#ifndef {guard}\n#define {guard}\n{rest}\n#endif"


def _found(name: str, folder: Path, near: Path | None) -> Path | None:
    """Return PyOpenCL's file of a name, None for a name of anybody else's."""
    for place in (near, folder):
        if place is not None and (place / name).is_file() and ".." not in Path(name).parts:
            return place / name
    return None
