"""What a compiler said of a cell, with the lines that it means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from accelpool.errors import RuntimeError

NAMED = re.compile(r":(\d+):\d+:|\((\d+)\): (?:error|warning)")  # Clang's, which PoCL also has; NVIDIA's
AROUND = 1


def report(log: str, source: str) -> str:
    """Return a build log, and below it the source's lines that it names, each with its neighbours.

    Args:
        log: What the compiler said.
        source: What it was given; its lines count from 1.
    """
    marked = {number for number in _named(log) if 1 <= number <= source.count("\n") + 1}
    if not marked:
        return log.strip()
    return "\n".join([log.strip(), "", *_excerpt(source.splitlines(), marked)])


class BuildFailed(RuntimeError):
    """A cell does not compile; IPython shows what the compiler said, without Python's own lines.

    Attributes:
        report: That, with the lines of the cell that it means.
    """

    def __init__(self, error: RuntimeError, source: str) -> None:
        super().__init__(error.routine, error.code, error.what)
        self.report: str = report(error.what, source)

    def _render_traceback_(self) -> Sequence[str]:
        return ["the cell does not compile:", *self.report.splitlines()]


def _named(log: str) -> list[int]:
    """Return the lines that a log names."""
    return [int(match[1] or match[2]) for match in NAMED.finditer(log)]


def _excerpt(lines: list[str], marked: set[int]) -> list[str]:
    shown = sorted({number + step for number in marked for step in range(-AROUND, AROUND + 1)})
    return [
        f"{'--> ' if number in marked else '    '}{number:4} | {lines[number - 1]}"
        for number in shown
        if 1 <= number <= len(lines)
    ]
