"""What docs/conformance.md says: why a test ends differently on a pool, and why an example is not run."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def table(heading: str) -> dict[str, str]:
    """Return a section's table: pattern to reason."""
    _, found, rest = DOCUMENT.read_text().partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"docs/conformance.md has no section {heading!r}")
    return dict(ROW.findall(rest.partition("\n## ")[0]))


def reason(name: str, reasons: dict[str, str]) -> str | None:
    """Return why a test ends differently, if that is known; a pattern is without the test's parameters."""
    plain = name.partition("[")[0]
    return next((why for pattern, why in reasons.items() if fnmatch.fnmatchcase(plain, pattern)), None)
