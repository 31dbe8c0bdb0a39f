r"""Which builds depend on their source and options alone. No I/O.

Everything else is built by the worker that wants it: what reads files, what asks for the time, what we do
not know. The test looks at the text, not at what a preprocessor makes of it, so it refuses more than it must:
an `#include` in a comment costs a build. It is no fence: macros can paste a word together that is looked for
here. Who hides `__DATE__` from it gets an older date; who hides the reading of a file gets what the
compiler's process may read, which is what any worker may read.

Source: ISO C17 5.1.1.2 (lines are spliced and trigraphs replaced before anything else), 6.10 (directives,
digraphs); OpenCL 3.0 API, clBuildProgram (options).
"""

from __future__ import annotations

import re

MAX_SOURCE_CHARACTERS = 1 << 20
MAX_OPTIONS_CHARACTERS = 16 << 10

SPLICE = re.compile(r"(?:\\|\?\?/)[ \t\v\f]*(?:\r\n|\n|\r)")
# Every alternative takes a time that is linear in the source, whatever the source is.
OUTSIDE = re.compile(
    r"(?:\#|%:|\?\?=)\s*(?:include|import|embed|__include)"  # a directive that reads a file
    r"|(?:\#|%:|\?\?=)\s*/[*]"  # a comment before a directive's name, which may be one of those
    r"|\b__has_(?:include|embed)"  # whether there is a file
    r"|\bGCC\s+dependency"  # which one is newer
    r"|\b__(?:DATE|TIME|TIMESTAMP|FILE|BASE_FILE|FILE_NAME)__"
    r"|\b(?:asm|__asm|__asm__)\b"  # an assembler includes files, too
)
# Options by their whole form; what is not among them may be a path, or have an effect that we do not know.
MACRO = r"[A-Za-z_]\w*(?:\([\w,.]*\))?(?:=\S*)?"
OPTION = re.compile(rf"-D{MACRO}|-U[A-Za-z_]\w*|-w|-Werror|-cl-[\w-]+(?:=[\w.+,-]+)?|-nv-[\w-]+(?:=\w+)?")
DEFINE, DEFINITION = frozenset({"-D", "-U"}), re.compile(MACRO)


def objection(source: str, options: str) -> str:
    """Return why a build has to be its worker's own, "" if it depends on source and options alone."""
    if len(source) > MAX_SOURCE_CHARACTERS or len(options) > MAX_OPTIONS_CHARACTERS:
        return f"source or options are longer than {MAX_SOURCE_CHARACTERS} or {MAX_OPTIONS_CHARACTERS}"
    option = _unknown_option(options.split())
    if option:
        return f"option {option[:80]} may depend on more than its text"
    found = OUTSIDE.search(SPLICE.sub("", f"{options}\n{source}"))
    return f"{' '.join(found.group().split())[:80]} depends on more than the source" if found else ""


def _unknown_option(words: list[str]) -> str:
    """Return the first word that is no option of known effect, or ""."""
    is_definition = False
    for word in words:
        if not (DEFINITION if is_definition else OPTION).fullmatch(word) and (
            is_definition or word not in DEFINE
        ):
            return word
        is_definition = not is_definition and word in DEFINE
    return words[-1] if is_definition else ""
