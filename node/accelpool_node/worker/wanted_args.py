"""What each argument of a kernel must be, found out once for a kernel and not at each launch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_wire import messages as m

GLOBAL, LOCAL, CONSTANT, PRIVATE = 0x119B, 0x119C, 0x119D, 0x119E
READ_ONLY, WRITE_ONLY, READ_WRITE = 0x11A0, 0x11A1, 0x11A2  # of an argument
IMAGE_TYPE = re.compile(r"\b(image(?:1d|2d|3d)(?:_array|_buffer)?)\w*_t\b")
SCALAR_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "half": 2, "float": 4, "double": 8}
VALUE_TYPE = re.compile(rf"(?:u|unsigned )?(?P<scalar>{'|'.join(SCALAR_BYTES)})(?P<count>2|3|4|8|16)?")

OBJECT = frozenset({int})
POINTER = frozenset({int, dict, type(None)})
ANY = POINTER | {bytes, m.LocalMemory}


@dataclass(frozen=True, slots=True)
class WantedArg:
    """What an argument must be.

    Attributes:
        types: The types of what a message may set it to.
        noun: What that is.
        size: A value's bytes, None if they are not known.
        is_image: It is an image, or a pipe.
        is_sampler: It is a sampler.
    """

    types: frozenset[type]
    noun: str
    size: int | None = None
    is_image: bool = False
    is_sampler: bool = False


POINTERS = WantedArg(POINTER, "a buffer")
ANYTHING = WantedArg(ANY, "anything")  # nothing is known of its address space


def wanted_args(args: Sequence[m.ArgInfo]) -> tuple[WantedArg, ...]:
    """Return what each argument must be."""
    return tuple(_wanted(arg) for arg in args)


def _wanted(arg: m.ArgInfo) -> WantedArg:
    if is_image(arg):
        return WantedArg(OBJECT, "an object of that type", is_image=True)
    if is_sampler(arg):
        return WantedArg(OBJECT, "an object of that type", is_sampler=True)
    size = value_bytes(arg.type_name)
    return {
        GLOBAL: POINTERS,
        CONSTANT: POINTERS,
        LOCAL: WantedArg(frozenset({m.LocalMemory}), "local memory"),
        PRIVATE: WantedArg(frozenset({bytes}), "a value", size),
    }.get(arg.address_qualifier, ANYTHING)


def is_image(arg: m.ArgInfo) -> bool:
    """Whether an argument is an image or a pipe.

    Behind a typedef the type's name tells nothing, but only these have an access qualifier.
    """
    if "*" in arg.type_name:
        return False
    return (
        arg.access_qualifier in (READ_ONLY, WRITE_ONLY, READ_WRITE)
        or IMAGE_TYPE.search(arg.type_name) is not None
    )


def is_sampler(arg: m.ArgInfo) -> bool:
    """Whether an argument is a sampler."""
    return arg.type_name == "sampler_t"


def value_bytes(type_name: str) -> int | None:
    """Return the size of a value of one of OpenCL C's scalar or vector types, None for any other type.

    Source: OpenCL C 3.0 specification, sections 6.3.1 and 6.3.2; a vector of 3 has the size of one of 4.
    """
    found = VALUE_TYPE.fullmatch(type_name)
    if found is None:
        return None
    count = int(found["count"] or 1)
    return SCALAR_BYTES[found["scalar"]] * (4 if count == 3 else count)
