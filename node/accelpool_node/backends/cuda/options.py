"""A compiler's options: those that do nothing but compile. No I/O.

A tenant's options reach a compiler on the node, and nvcc would run programs and write files if told to. What
is not known here is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

MACRO = r"[A-Za-z_]\w*(?:\([\w,. ]*\))?(?:=.*)?"
ARCHITECTURE = r"(?:sm|compute|lto)_\d{2,3}[af]?"
# Options as NVRTC and nvcc both spell them; with one that takes a value it may be the next word.
FLAGS = re.compile(
    r"-{1,2}(?:use_fast_math|extra-device-vectorization|device-debug|generate-line-info|lineinfo"
    r"|disable-warnings|restrict|device-int128|device-float128|minimal|default-device|expt-relaxed-constexpr"
    r"|extended-lambda|relaxed-constexpr|no-source-include|no-cache|display-error-number|res-usage)"
    r"|-[Gw]|-O[0-3]|-ewp|-denv"
)
VALUES = {
    r"--?std": r"c\+\+\d\d",
    r"-(?:maxrregcount)|--maxrregcount": r"\d{1,3}",
    r"--?(?:ftz|prec-sqrt|prec-div|fmad)": r"true|false",
    r"-arch|--gpu-architecture|-code|--gpu-code": ARCHITECTURE,
    r"--?dopt": r"on|off",
    r"-Xptxas|--ptxas-options": r"(?:-v|-O[0-3]|--verbose|-dlcm=\w+|-warn-spills|,)+",
    r"--?diag-(?:suppress|warn|error)|-nv_diag_suppress": r"[\d,]+",
    r"--optimize": r"[0-3]",
    r"-I|--include-path": r"[^\0]+",
    r"-D|--define-macro": MACRO,
    r"-U|--undefine-macro": r"[A-Za-z_]\w*",
    r"--split-compile|-t": r"\d{1,3}",
}
JOINED = ("-D", "-U", "-I")  # the value may follow without a gap
GIVES_ARCHITECTURE = re.compile(r"-arch|--gpu-architecture|-code|--gpu-code")


def parse(options: str, routine: str) -> list[str]:
    """Return the words of options, each with its value in the same word.

    Raises:
        LogicError: INVALID_BUILD_OPTIONS: one is not known, or has no value.
    """
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise error_for(routine, ErrorCode.INVALID_BUILD_OPTIONS, f"{options!r}: {error}") from error
    rest = iter(words)
    return [_checked(word, rest, routine) for word in rest]


def has_architecture(words: list[str]) -> bool:
    """Whether options say for which architecture to compile."""
    return any(GIVES_ARCHITECTURE.fullmatch(word.partition("=")[0]) for word in words)


def _checked(word: str, rest: Iterator[str], routine: str) -> str:
    """Return an option, with the next word as its value if it has none."""
    if FLAGS.fullmatch(word):
        return word
    name, _, value = word.partition("=")
    joined = next((short for short in JOINED if word.startswith(short)), "")
    if joined:
        name, value = joined, word.removeprefix(joined)
    form = next((form for names, form in VALUES.items() if re.fullmatch(names, name)), None)
    if form is not None and not value:
        value = next(rest, "")
    if form is None or not re.fullmatch(form, value, re.DOTALL):
        what = f"option {word[:200]!r} is not one of those that are passed on"
        raise error_for(routine, ErrorCode.INVALID_BUILD_OPTIONS, what)
    return f"{name}{value}" if joined else f"{name}={value}"
