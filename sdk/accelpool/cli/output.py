"""What a command prints: text for people, or one JSON document for programs; progress goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 240
# What a terminal obeys: names and reasons come from whoever uses the pool. Some turn the direction of a text.
DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
CONTROLS = dict.fromkeys([*range(32), *range(127, 160), *DIRECTIONS], "\N{REPLACEMENT CHARACTER}")
IN_TEXT = {code: shown for code, shown in CONTROLS.items() if chr(code) not in "\t\n"}
IN_CELLS = {**CONTROLS, **dict.fromkeys(map(ord, "\t\n\r"), " ")}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Output:
    """A command's output.

    Args:
        is_json: Whether to print JSON.
    """

    def __init__(self, is_json: bool = False) -> None:
        self.is_json = is_json

    def document(self, document: Mapping[str, Any]) -> None:
        """Print a JSON document, if JSON is wanted."""
        if self.is_json:
            sys.stdout.write(json.dumps(document, indent=2, sort_keys=False) + "\n")
            sys.stdout.flush()

    def text(self, *lines: str) -> None:
        """Print lines, if text is wanted."""
        if not self.is_json:
            sys.stdout.write("".join(f"{line.translate(IN_TEXT)}\n" for line in lines))
            sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
        """Print a table, if text is wanted; its first column is an id, `empty` what to say without rows."""
        listed = list(rows)
        if self.is_json or not listed:
            self.text(empty)
            return
        console(sys.stdout).print(table(columns, listed))

    def note(self, line: str) -> None:
        """Say something on the side, on stderr."""
        sys.stderr.write(f"{line.translate(IN_TEXT)}\n")
        sys.stderr.flush()

    @contextmanager
    def progress(self, what: str) -> Iterator[None]:
        """Show on stderr that something takes its time, until the end of the `with` block."""
        errors = console(sys.stderr)
        if not errors.is_terminal:
            self.note(f"{what} ...")
            yield
            return
        with errors.status(Text(f"{what} ...")):
            yield


def console(stream: Any) -> Console:
    """Return a console that never cuts a line short where nobody watches."""
    is_terminal = bool(stream.isatty())
    return Console(
        file=stream, width=None if is_terminal else PIPE_WIDTH, highlight=False, markup=False, soft_wrap=False
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, is_cut: bool = False) -> Table:
    """Return a table as all commands show it.

    Args:
        columns: Their headings; the first is that of an id, which is never in two pieces.
        rows: Cells that are None or "" are shown as "-".
        is_cut: Whether each row has one line, and what does not fit is left out.
    """
    made = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        made.add_column(
            column.upper(), overflow="ellipsis" if is_cut else "fold", no_wrap=is_cut or place == 0
        )
    for row in rows:
        made.add_row(*(Text("-" if cell in (None, "") else str(cell).translate(IN_CELLS)) for cell in row))
    return made


def human_bytes(count: int) -> str:
    """Return an amount of memory for people: 1536 is "1.5 KiB"."""
    step = min(len(UNITS) - 1, max(0, count.bit_length() - 1) // 10)
    amount = count / 1024**step
    return f"{amount:.1f} {UNITS[step]}" if step and amount < 100 else f"{amount:.0f} {UNITS[step]}"


def shortened(text: str, longest: int) -> str:
    """Return a text on one line, cut where it is longer than `longest` characters: then it ends in " ..."."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 4].rstrip() + " ..."


def pieces_of(devices: Iterable[Mapping[str, Any]]) -> int:
    """Return how many pieces of hardware some devices are, as a broker lists them."""
    return len({device.get("hardware") or device["id"] for device in devices})


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: "1 device", "2 devices"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
