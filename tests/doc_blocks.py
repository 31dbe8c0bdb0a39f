"""The blocks of code in the documentation: which of them the tests run, and why not the others.

A fence is run if it says so: ```python run or ```sh run, with `opencl` after it on a device that computes; of
```console run the lines after `$ ` are, and those that go on after a backslash. Whatever else is Python, or
for a shell, has a comment before it:

    <!-- not run: needs an NVIDIA GPU -->
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("sdk/*/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
REASON = re.compile(r"<!-- not run: (.+) -->")
LANGUAGES = {"python", "pycon", "sh", "bash", "shell", "console"}
CODE = re.compile(
    r"([\w-]+)?\$ |>>> |import |from \w|with \w+\.|(\w+ = )?\w+\.kernels\.|"
    r"(\S*/)?(accelpool|curl|make|python3?|pytest|pip|git|eval|export|sh) |"
    r"(helm|kubectl|docker|podman|systemctl) "
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code.

    Attributes:
        page: The file.
        line: Where it begins, from 1.
        info: The words of its fence, the language first; none if it is indented.
        text: What is in it.
        reason: Why the tests do not run it, "" if nothing is said.
    """

    page: Path
    line: int
    info: tuple[str, ...]
    text: str
    reason: str

    def __str__(self) -> str:
        """Say where it is."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def language(self) -> str:
        """What it is written in, as far as it says."""
        return self.info[0] if self.info else ""

    @property
    def is_run(self) -> bool:
        """Whether the tests run it."""
        return "run" in self.info

    @property
    def needs_device(self) -> bool:
        """Whether they need a device for it that computes."""
        return "opencl" in self.info

    @property
    def is_code(self) -> bool:
        """Whether it is Python, or for a shell: as its fence says, or else the looks of its first line."""
        return self.language in LANGUAGES or (not self.info and bool(CODE.match(self.text)))

    @property
    def commands(self) -> str:
        """What a shell is to run; of a transcript what was typed."""
        return self.text if self.language == "sh" else "\n".join(typed(self.text))


@functools.cache
def blocks(page: Path) -> tuple[Block, ...]:
    """Return the blocks of a page, in their order."""
    return tuple(_read(page))


def _read(page: Path) -> Iterator[Block]:
    reason = ""
    for token in MarkdownIt().parse(page.read_text()):
        if token.type in {"fence", "code_block"}:
            yield _block(page, token, reason)
        found = REASON.search(token.content) if token.type == "html_block" else None
        reason = found[1] if found else ""


def typed(transcript: str) -> Iterator[str]:
    """Yield the lines that were typed, without the prompt."""
    goes_on = False
    for line in transcript.splitlines():
        if goes_on or line.startswith("$ "):
            yield line.removeprefix("$ ")
            goes_on = line.endswith("\\")


def _block(page: Path, token: Token, reason: str) -> Block:
    line = token.map[0] + 1 if token.map else 1
    info = tuple(token.info.split())
    return Block(page=page, line=line, info=info, text=token.content, reason=reason)
