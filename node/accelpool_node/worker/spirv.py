"""Whether bytes are SPIR-V as far as their words tell: drivers hang on some that are not.

Source: SPIR-V specification, section 2.3: a header of five words, then instructions, each with its count of
words in the upper half of its first word.
"""

from __future__ import annotations

from array import array

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

MAGIC = 0x07230203
HEADER_WORDS = 5
MAX_BYTES = 16 << 20


def check_size(size: int, routine: str) -> None:
    """Refuse a module of an impossible size.

    Raises:
        LogicError: INVALID_VALUE.
    """
    if size < 4 * HEADER_WORDS or size % 4 or size > MAX_BYTES:
        what = f"SPIR-V of {size} bytes; a multiple of 4, from {4 * HEADER_WORDS} to {MAX_BYTES}, is possible"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)


def check_spirv(module: bytes, routine: str) -> None:
    """Refuse what is no SPIR-V, or whose instructions do not end where it ends.

    Raises:
        LogicError: INVALID_VALUE.
    """
    check_size(len(module), routine)
    words = array("I", module)
    if words[0] != MAGIC:
        words.byteswap()
    if words[0] != MAGIC:
        raise error_for(routine, ErrorCode.INVALID_VALUE, "no SPIR-V: it begins with another number")
    place, end = HEADER_WORDS, len(words)
    while place < end:
        count = words[place] >> 16
        if not 0 < count <= end - place:
            what = f"no SPIR-V: word {place} begins an instruction of {count} words; {end - place} are left"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        place += count
