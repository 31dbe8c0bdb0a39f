"""Whether a program has variables of its own in device memory, whose content nobody can read.

Drivers are to say so (GLOBAL_VARIABLE_TOTAL_SIZE), and PoCL says 0 whatever there is. So the source is looked
at, too, as far as that is possible without a compiler: for what is declared `global`, outside of functions or
`static` in them. A macro can hide that.
"""

from __future__ import annotations

import re

from accelpool.connections import SessionConnection
from accelpool.constants import program_build_info
from accelpool.errors import Error
from accelpool.parking.journal import Journal
from accelpool_wire import messages as m

IGNORED = re.compile(
    r'//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*(?:\\\n[^\n]*)*|"(?:\\.|[^"\\\n])*"', re.DOTALL | re.MULTILINE
)
PARENTHESES = re.compile(r"\([^()]*\)")
BRACES = re.compile(r"\{[^{}]*\}")
GLOBAL = re.compile(r"\b(?:__)?global\b")
STATIC = re.compile(r"\bstatic\b[^;]*\b(?:__)?global\b|\b(?:__)?global\b[^;]*\bstatic\b")
CALL = "()"
ATTRIBUTE = re.compile(r"__attribute__\s*\(\)")


def has_variables(connection: SessionConnection, journal: Journal) -> bool:
    """Return whether a program of a session has any: a round trip for each one built or linked and device.

    All sources count, also of those that are compiled, or included: what is linked of them has none.
    """
    messages = [step.message for step in journal.steps()]
    sources = [message.source for message in messages if isinstance(message, m.CreateProgramWithSource)]
    return any(map(declares_variables, sources)) or any(
        _told_bytes(connection, message.program, place)
        for message in messages
        if isinstance(message, (m.BuildProgram, m.LinkProgram))
        for place in message.devices
    )


def declares_variables(source: str) -> bool:
    """Return whether OpenCL C declares variables in global memory, as far as can be seen."""
    text = _without(PARENTHESES, IGNORED.sub(" ", source), CALL)
    if any(STATIC.search(statement) for statement in text.split(";")):
        return True
    outside = _without(BRACES, text, ";")
    declared = [part.partition("=")[0] for part in ATTRIBUTE.sub(" ", outside).split(";")]
    return any(GLOBAL.search(part) and CALL not in part for part in declared)


def _without(pattern: re.Pattern[str], text: str, instead: str) -> str:
    """Return a text without what is nested, the innermost first; what stands for it does not match."""
    mark = "\0"
    count = 1
    while count:
        text, count = pattern.subn(mark, text)
    return text.replace(mark, instead)


def _told_bytes(connection: SessionConnection, program: int, place: int) -> int:
    """Return what the driver says; 0 where it does not know."""
    name = program_build_info.GLOBAL_VARIABLE_TOTAL_SIZE
    try:
        told = connection.ask(m.GetInfo(m.BUILD, program, name, place), m.Info).value
    except Error:
        return 0
    return told if isinstance(told, int) else 0
