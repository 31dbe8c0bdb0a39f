"""The names of included files that come from macros: `#include M2S(INCLUDE_PATH/inc_vendor.h)`.

Macros are replaced as a compiler does it: the arguments first, then what has become of the text, once more,
without the macros that it came from. `#` makes a string of an argument. `##` and `...` are not known here: an
include that needs them is the node's compiler's, as is one that makes no sense, or needs too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from accelpool.definitions import Definitions, Doubt

COMPUTED = re.compile(r"[ \t]*#[ \t]*include[ \t]+([A-Za-z_].*)")
TOKEN = re.compile(
    r"""(?P<blank>(?:[ \t\r\n\f\v]|\\\n|//.*|/\*.*?(?:\*/|\Z))+)  # comments, too, that go on elsewhere
    | \#\#
    | "(?:\\.|[^"\\])*"? | '(?:\\.|[^'\\])*'?             # a quote that does not end takes the rest
    | \.?[0-9][\w.]*
    | (?P<name>[A-Za-z_]\w*)
    | .""",
    re.DOTALL | re.ASCII | re.VERBOSE,
)
BLANK = " "
MAX_REPLACED = 1 << 20  # characters of macros and their arguments that are looked at, for one source
MAX_PARAMETERS, MAX_NESTED = 16, 32  # the latter: calls in the arguments of each other


class _Name(str):
    """A name that may be a macro's."""

    __slots__ = ()


class _End(str):
    """Where the text ends that took a macro's place, by the macro's name."""

    __slots__ = ()


class ComputedIncludes:
    """Finds out what the includes of a source mean whose names come from macros."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._left = MAX_REPLACED
        self._open: set[str] = set()  # the macros whose text is being read

    def directive(self, line: str) -> str | None:
        """Return an include without macros; None for what is none, or is the compiler's to understand."""
        match = COMPUTED.match(line)
        if match is None:
            return None
        self._open.clear()
        try:
            return "#include " + "".join(self._replaced(self._tokens(match[1])))
        except Doubt:
            return None

    def _replaced(self, tokens: Sequence[str], nested: int = 0) -> list[str]:
        """Return tokens with the macros among them replaced."""
        if nested > MAX_NESTED:
            raise Doubt
        todo, done = [*reversed(tokens)], list[str]()
        while todo:
            word = todo.pop()
            if isinstance(word, _End):
                self._open.discard(word)
                continue
            text = self._definitions.text_of(word) if isinstance(word, _Name) else None
            if text is None:
                done.append(word)
            elif word in self._open:
                done.append(str(word))  # never again
            elif (replacement := self._replacement(text, todo, nested)) is None:
                done.append(word)
            else:
                self._open.add(word)
                todo += [_End(word), *reversed(replacement)]
        return _tidy(done)

    def _replacement(self, text: str, todo: list[str], nested: int) -> list[str] | None:
        """Return what takes a macro's place; None if it takes arguments, and none follow."""
        tokens = self._tokens(text)
        parameters = _parameters(tokens) if text.startswith("(") else None
        if "##" in tokens:
            raise Doubt
        if parameters is None:
            return tokens
        arguments = self._arguments(todo)
        if arguments is None:
            return None
        if len(arguments) != len(parameters) and (parameters or arguments != [[]]):
            raise Doubt
        body = tokens[tokens.index(")") + 1 :]
        return self._substituted(body, parameters, arguments, nested)

    def _arguments(self, todo: list[str]) -> list[list[str]] | None:
        """Take a call's arguments off what is to be done; None if no call begins there."""
        if next((t for t in reversed(todo) if t != BLANK and not isinstance(t, _End)), None) != "(":
            return None
        while (word := todo.pop()) != "(":
            self._open.discard(word)
        arguments, depth = [list[str]()], 1
        while todo:
            word = todo.pop()
            depth += (word == "(") - (word == ")")
            if isinstance(word, _End):
                self._open.discard(word)
            elif depth == 0:
                return [_tidy(argument) for argument in arguments]
            elif depth == 1 and word == ",":
                arguments.append([])
            else:
                arguments[-1].append(word)
        raise Doubt

    def _substituted(
        self, body: list[str], parameters: list[str], arguments: list[list[str]], nested: int
    ) -> list[str]:
        """Return a macro's body with the arguments in their places."""
        result = list[str]()
        is_quoted = False
        for word in body:
            argument = self._counted(arguments[parameters.index(word)]) if word in parameters else None
            if argument is not None:
                result += [_quoted(argument)] if is_quoted else self._replaced(argument, nested + 1)
            elif is_quoted and word != BLANK:
                raise Doubt
            elif word != "#" and not is_quoted:
                result.append(word)
            is_quoted = word == "#" or (is_quoted and word == BLANK)
        if is_quoted:
            raise Doubt
        return _tidy(result)

    def _tokens(self, text: str) -> list[str]:
        """Return a text's tokens."""
        self._counted([text])
        return _tidy(
            BLANK if match["blank"] else _Name(match[0]) if match["name"] else match[0]
            for match in TOKEN.finditer(text)
        )

    def _counted(self, tokens: list[str]) -> list[str]:
        """Return tokens if the source may need so much more."""
        self._left -= sum(map(len, tokens))
        if self._left < 0:
            raise Doubt
        return tokens


def _parameters(tokens: list[str]) -> list[str]:
    """Return the names between the parentheses that begin a definition."""
    if ")" not in tokens:
        raise Doubt
    given = [word for word in tokens[1 : tokens.index(")")] if word != BLANK]
    names, commas = given[::2], given[1::2]
    are_names = all(isinstance(name, _Name) for name in names) and len(names) <= MAX_PARAMETERS
    if not are_names or any(comma != "," for comma in commas) or (given and len(names) == len(commas)):
        raise Doubt
    return names


def _tidy(tokens: Iterable[str]) -> list[str]:
    """Return tokens without the blanks around them, and those between them as one."""
    tidy, is_apart = list[str](), False
    for word in tokens:
        if word == BLANK:
            is_apart = bool(tidy)
        else:
            tidy += [BLANK, word] if is_apart else [word]
            is_apart = False
    return tidy


def _quoted(tokens: Iterable[str]) -> str:
    """Return tokens as a string of OpenCL C."""
    return '"' + "".join(_escaped(word) if word[0] in "\"'" else word for word in tokens) + '"'


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')
