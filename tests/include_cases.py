"""Sources that include files, and what both clients of the protocol, in Python and in C, make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accelpool.includes import MAX_CHARACTERS, MAX_DEPTH, MAX_FILES

FILES: Mapping[str, str | bytes] = {
    "inc/a.h": '#include "deep/b.h"\nint a;',
    "inc/deep/b.h": '#include "../c.h"\nint b;',
    "inc/c.h": "int c;",
    "inc/bytes.h": b"\xff\xfe",
    "inc/surrogate.h": b"\xed\xa0\x80",
    "inc/overlong.h": b"\xc0\xaf",
    "inc/cut.h": "int \N{LATIN SMALL LETTER E WITH ACUTE}".encode()[:-1],
    "inc/empty.h": "",
    "inc/self.h": '#ifndef SELF\n#define SELF\n#include "self.h"\nint fourth;\n#endif',
    "inc/lines.h": b"int one;\r\n#pragma once\rint three;\r",
    "inc/\N{LATIN SMALL LETTER E WITH ACUTE}-1.h": " # pragma once\n// \N{EURO SIGN} \N{GRINNING FACE}",
    "inc/large.h": "x" * (MAX_CHARACTERS + 1),
    "inc/with space/d.h": "int d;",
    "one/same.h": "#pragma once\nint one;",
    "two/same.h": "#pragma once\nint two;",
    "../outside.h": "int secret;",
    **{f"chain/{n}.h": f'#include "{n + 1}.h"' for n in range(MAX_DEPTH)},
    f"chain/{MAX_DEPTH}.h": "int last;",
}
"""Below the working folder, but for the one outside; a link `inc/link.h` leads to that one."""


def write_files(folder: Path) -> Path:
    """Write the files, and return the working folder for them."""
    working = folder / "working"
    for name, content in FILES.items():
        path = working / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (working / "inc" / "link.h").symlink_to(folder / "outside.h")
    return working


@dataclass(frozen=True, kw_only=True)
class Case:
    """A source and what becomes of it.

    Attributes:
        name: What is shown, a sentence.
        source: The text.
        expected: What is sent; None if that is refused.
        options: The compiler's.
        sent: What is left of them.
        kept: Names of headers that are given otherwise.
    """

    name: str
    source: str
    expected: str | None
    options: str = "-I inc"
    sent: str = ""
    kept: tuple[str, ...] = field(default=())


def stays(name: str, source: str, **others: str) -> Case:
    """Return a case in which nothing is replaced."""
    return Case(name=name, source=source, expected=source, **others)


def included(name: str, before: str) -> Case:
    """Return a case in which the line after some text is replaced."""
    line = before.count("\n") + 3
    return Case(name=name, source=f'{before}\n#include "inc/c.h"', expected=f"{before}\nint c;\n#line {line}")


def options(name: str, given: str, sent: str, *, finds: bool) -> Case:
    """Return a case for the options alone: whether they name the folder of `d.h`."""
    expected = "int d;\n#line 2" if finds else "#include <d.h>"
    return Case(name=name, source="#include <d.h>", expected=expected, options=given, sent=sent)


def once(number: int, name: str, text: str) -> str:
    """Return what becomes of the file of a number that is let in once."""
    guard = f"ACCELPOOL_INCLUDED_{number}_{name}"
    return f"#ifndef {guard}\n#define {guard}\n{text}\n#endif"


CASES = [
    Case(
        name="files are found in folders and beside the including file",
        source="#include <a.h>",
        expected="int c;\n#line 2\nint b;\n#line 2\nint a;\n#line 2",
    ),
    Case(
        name="files of one name are both included once each",
        source='#include "one/same.h"\n#include "two/same.h"\n#include "one/same.h"',
        expected="\n".join(
            [
                once(0, "SAME_H", "\nint one;"),
                "#line 2",
                once(1, "SAME_H", "\nint two;"),
                "#line 3",
                once(0, "SAME_H", "\nint one;"),
                "#line 4",
            ]
        ),
    ),
    stays("a name that is nowhere", '#include "nowhere.h"'),
    stays("a name in no place", '#include "b.h"'),
    stays("a folder", '#include "inc"'),
    stays("a macro", "#include A_H"),
    stays("no name", '#include ""\n#include <>\n#include <\n#include "inc/c.h\n#include\n#'),
    stays("a name that does not end", "#include <c.h<"),
    stays("within a comment", '/*\n#include "inc/c.h"\n*/'),
    stays("after a comment's beginning", '// #include "inc/c.h"'),
    stays("another directive", 'x = "/*";\n#includes "inc/c.h"'),
    stays("a comment after a quote", 'char c = \'"\'; /* "\n#include "inc/c.h"\n*/'),
    stays("a file outside", '#include "../outside.h"'),
    stays("a link to a file outside", "#include <link.h>"),
    stays("no source", ""),
    included("a comment that ended", '/* x */ y = "/*"; // /*'),
    included("a quote in a quote", "char c = '\"'; // it's a quote"),
    included("an escaped quote", "char c = '\\''; /* a quote */"),
    included("a comment in a quote", "char c = '\\\\'; char d = '/*';"),
    included("an apostrophe in a comment", "/* don't */ char c = 'a';"),
    included("a quote in a comment", '/* a " */ char *s = "b";'),
    included("a comment that looks ended", "/*/ */ char c;"),
    included("a comment over lines", "/* x\n*/"),
    included("an unterminated quote", "it's\n\"\\"),
    Case(
        name="blanks, line ends and a comment behind",
        source="\t# \tinclude\t<c.h> // c\r\nx",
        expected="int c;\n#line 2\nx",
    ),
    Case(
        name="a comment that begins behind",
        source="#include <c.h> /*\n#include <c.h>\n*/",
        expected="int c;\n#line 2\n#include <c.h>\n*/",
    ),
    Case(name="an empty file", source="#include <empty.h>", expected="\n#line 2"),
    Case(
        name="lines after a file that includes itself keep their numbers",
        source="#include <self.h>",
        expected="#ifndef SELF\n#define SELF\n\nint fourth;\n#endif\n#line 2",
    ),
    Case(
        name="lines end as they do here",
        source="#include <lines.h>",
        expected=once(0, "LINES_H", "int one;\n\nint three;\n") + "\n#line 2",
    ),
    Case(
        name="letters of all kinds",
        source="#include <c.h>\n#include <\N{LATIN SMALL LETTER E WITH ACUTE}-1.h>",
        expected="int c;\n#line 2\n" + once(1, "__1_H", "\n// \N{EURO SIGN} \N{GRINNING FACE}") + "\n#line 3",
    ),
    Case(
        name="names that are headers stay",
        source="#include <c.h>\n#include <empty.h>",
        expected="#include <c.h>\n\n#line 3",
        kept=("a.h", "c.h"),
    ),
    Case(name="no text", source="#include <bytes.h>", expected=None),
    Case(name="a surrogate", source="#include <surrogate.h>", expected=None),
    Case(name="an overlong form", source="#include <overlong.h>", expected=None),
    Case(name="a letter that does not end", source="#include <cut.h>", expected=None),
    Case(name="too many files", source="#include <c.h>\n" * (MAX_FILES + 1), expected=None),
    Case(name="too many characters", source="#include <large.h>", expected=None),
    Case(name="too deep", source='#include "chain/0.h"', expected=None),
    Case(
        name="as deep as may be",
        source='#include "chain/1.h"',
        expected="int last;" + "\n#line 2" * MAX_DEPTH,
    ),
    options("no options", "", "", finds=False),
    options("a folder and a definition", "-I 'inc/with space' -DN=4", "-DN=4", finds=True),
    options("a folder without a space", '-w "-Iinc/with space"  -D N', "-w -D N", finds=True),
    options("a folder in quotes", '-I "inc/with space"', "", finds=True),
    options("a folder in quotes in quotes", "-I '\"inc/with space\"'", "", finds=True),
    options("a folder with an escape", "/Iinc/with\\ space -g", "-g", finds=True),
    options("two folders", "-I one -w -I inc/with\\ space", "-w", finds=True),
    options("a folder that is nowhere", "-I /no/such/folder -w", "-I /no/such/folder -w", finds=False),
    options("a file", "-I inc/c.h", "-I inc/c.h", finds=False),
    options("no folder", "-w -I", "-w -I", finds=False),
]
