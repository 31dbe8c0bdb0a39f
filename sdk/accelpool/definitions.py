"""Which macros of OpenCL C are defined where a source has got to, as far as a client can tell.

Which way a conditional goes is the node's compiler's to say, but for `#if 0`, `#if 1`, and `#ifdef` and
`#ifndef` of what is surely defined. So a definition within a conditional holds up to its end, and behind it
if it is the only one: else the macro is in doubt there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DIRECTIVE = re.compile(
    r"[ \t]*#[ \t]*(define|undef|if|ifdef|ifndef|elif\w*|else|endif)\b(.*)", re.DOTALL | re.ASCII
)
NAMED = re.compile(r"[ \t]+([A-Za-z_]\w*)(.*)", re.DOTALL | re.ASCII)
CERTAIN = re.compile(r"[ \t]+([01])[ \t\r]*(//.*)?", re.DOTALL)  # a condition


class Doubt(Exception):
    """What a source means here is the node's compiler's to say."""


@dataclass(frozen=True, kw_only=True)
class _Macro:
    """A macro: what follows its name, None once it is undefined, and where that was said."""

    text: str | None
    depth: int  # of conditionals
    branch: int
    is_one_of_several: bool  # behind its branch


@dataclass(frozen=True, kw_only=True)
class _Branch:
    """A branch of a conditional; they are numbered as they begin."""

    number: int
    is_dead: bool = False
    is_rest_dead: bool = False  # the branches behind it, of the same conditional


class Definitions:
    """The macros that are defined, from line to line."""

    def __init__(self, lines: str = "") -> None:
        """Begin with those that lines of directives define."""
        self._macros: dict[str, _Macro] = {}
        self._branches = [_Branch(number=0)]
        self._count = 1  # of branches ever
        for line in lines.split("\n"):
            self.read(line)

    def text_of(self, name: str) -> str | None:
        """Return what follows the name in a macro's definition; None if there is none.

        Raises:
            Doubt: There are several, and one of them is the right one.
        """
        macro = self._macros.get(name)
        if macro is None:
            return None
        if macro.is_one_of_several and not self._is_sure(macro):
            raise Doubt
        return macro.text

    def read(self, line: str) -> None:
        """Read a line, with those that continue it: a directive, or anything else."""
        match = DIRECTIVE.match(line)
        if match is None:
            return
        word, named = match[1], NAMED.match(match[2])
        if word in ("define", "undef"):
            if named is not None:
                self._define(named[1], named[2] if word == "define" else None)
        elif word.startswith("if"):
            self._enter(self._known(word, match[2], named[1] if named is not None else ""))
        elif len(self._branches) > 1:
            branch = self._branches.pop()
            if word != "endif":
                self._begin(is_dead=branch.is_rest_dead, is_rest_dead=branch.is_rest_dead)

    def _define(self, name: str, text: str | None) -> None:
        old, branch = self._macros.get(name), self._branches[-1]
        if branch.is_dead or (old is None and text is None):
            return
        is_one_of_several = old is not None and (
            old.is_one_of_several or (old.branch < branch.number and old.text != text)
        )
        self._macros[name] = _Macro(
            text=text,
            depth=len(self._branches),
            branch=branch.number,
            is_one_of_several=is_one_of_several,
        )

    def _known(self, word: str, condition: str, name: str) -> bool | None:
        """Return whether a condition holds; None where the client cannot tell."""
        if word == "if":
            certain = CERTAIN.fullmatch(condition)
            return None if certain is None else certain[1] == "1"
        macro = self._macros.get(name)
        is_defined = macro is not None and macro.text is not None and self._is_sure(macro)
        return word == "ifdef" if is_defined else None

    def _enter(self, known: bool | None) -> None:
        is_dead = self._branches[-1].is_dead
        self._begin(is_dead=is_dead or known is False, is_rest_dead=is_dead or known is True)

    def _begin(self, *, is_dead: bool, is_rest_dead: bool) -> None:
        self._branches.append(_Branch(number=self._count, is_dead=is_dead, is_rest_dead=is_rest_dead))
        self._count += 1

    def _is_sure(self, macro: _Macro) -> bool:
        """Whether the branch that says so has not ended: if this line counts, so does that one."""
        return macro.depth <= len(self._branches) and self._branches[macro.depth - 1].number == macro.branch
