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
    "inc/(of, two)/e.h": "int e;",
    "inc/deep/near.h": '#define NEAR "b.h"\n#include NEAR',
    "inc/m2s.h": "#ifndef M2S_H\n#define M2S_H\n#define XM2S(x) #x\n#define M2S(x) XM2S(x)\n#endif",
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


def defined(name: str, before: str, include: str = "A_H", options: str = "-I inc") -> Case:
    """Return a case in which what a macro names is put in behind some text."""
    line = before.count("\n") + 3
    source, expected = f"{before}\n#include {include}", f"{before}\nint c;\n#line {line}"
    return Case(name=name, source=source, expected=expected, options=options, sent=options[len("-I inc ") :])


def undefined(name: str, before: str, include: str = "A_H", options: str = "-I inc") -> Case:
    """Return a case in which an include behind some text is left to the compiler."""
    source = f"{before}\n#include {include}"
    return stays(name, source, options=options, sent=options[len("-I inc ") :])


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


def named_cases(working: Path) -> list[Case]:
    """Return cases of files that options name in full; outside the working folder lies one."""
    folder, outside = working.parent, working.parent / "outside.h"

    def found(name: str, options: str, include: str) -> Case:
        source, expected = f"#include {include}", "int secret;\n#line 2"
        return Case(name=name, source=source, expected=expected, options=options, sent=options)

    def missed(name: str, options: str, include: str) -> Case:
        return stays(name, f"#include {include}", options=options, sent=options)

    hashcat = "-D XM2S(x)=#x -D M2S(x)=XM2S(x) -D INCLUDE_PATH="
    return [
        found("a definition's folder", f"{hashcat}{folder}", "M2S(INCLUDE_PATH/outside.h)"),
        found("its folder, with a slash", f"{hashcat}{folder}/", "M2S(INCLUDE_PATH/outside.h)"),
        found("a file by a link", f"{hashcat}{folder}", "M2S(INCLUDE_PATH/working/inc/link.h)"),
        found("a file", f"-D A_H=<{outside}>", "A_H"),
        found("a file, by its name", f"-DA_H=<{outside}>", f'"{outside}"'),
        missed("a file of no definition", "-D A", f'"{outside}"'),
        missed("a file beside one", f"-D A_H=<{working}/inc/c.h>", f"<{outside}>"),
        missed("a folder that is not looked in", f"{hashcat}{folder}", "<outside.h>"),
        missed("a folder that is nowhere", f"{hashcat}{folder}/nowhere/..", "M2S(INCLUDE_PATH/outside.h)"),
        missed("all folders", f"{hashcat}/", f'"{outside}"'),
        missed("a part of a name", f"{hashcat}{working}", f'"{outside}"'),
    ]


STRINGS = "#define XM2S(x) #x\n#define M2S(x) XM2S(x)"
HASHCAT = "-D KERNEL_STATIC -D INCLUDE_PATH=inc -D XM2S(x)=#x -D M2S(x)=XM2S(x) -D VENDOR_ID=8"
DOUBLED = "\n".join(f"#define A{n} A{n + 1} A{n + 1}" for n in range(64))
MACROS = [
    defined("a macro that is a name in quotes", '#define A_H "inc/c.h"'),
    defined("a macro that is a name in brackets", "#define A_H <c.h>"),
    defined("a macro of the options", "x", options="-I inc -D A_H=<c.h>"),
    defined("a macro of the options, without a blank", "x", options="-I inc -DA_H=<c.h> -w"),
    defined("a macro that is another macro", '#define A_H B_H\n#define B_H "inc/c.h"'),
    defined("blanks and comments", '\t# define\tA_H  /* a */ "inc/c.h"\t// c', "A_H // c"),
    defined("a definition over lines", '#define A_H \\\n  "inc/c.h"'),
    defined("a comment in a path", "#define A_H <deep/../c.h> // \"'"),
    defined(
        "a name in brackets of macros",
        "#define DEEP deep\n#define UP ..",
        "M2S(c.h)",
        "-I inc -D M2S(x)=<DEEP/UP/x>",
    ),
    defined("a macro of its own name", "#define c c\n#define h h\n#define A_H <c.h>"),
    Case(
        name="as hashcat has it",
        source="#ifdef KERNEL_STATIC\n#include M2S(INCLUDE_PATH/c.h)\n#include M2S(INCLUDE_PATH/a.h)\n"
        "#endif\n#define COMPARE_S M2S(INCLUDE_PATH/with space/d.h)\n  #include COMPARE_S",
        expected="#ifdef KERNEL_STATIC\nint c;\n#line 3\nint c;\n#line 2\nint b;\n#line 2\nint a;\n#line 4\n"
        "#endif\n#define COMPARE_S M2S(INCLUDE_PATH/with space/d.h)\nint d;\n#line 7",
        options=HASHCAT,
        sent=HASHCAT,
    ),
    defined("an argument in its place", STRINGS, "M2S(INCLUDE_PATH/c.h)", "-I inc -D INCLUDE_PATH=inc"),
    undefined("an argument as it is given", STRINGS, "XM2S(INCLUDE_PATH/c.h)", "-I inc -D INCLUDE_PATH=inc"),
    defined("blanks around an argument", STRINGS, "M2S (\tinc/c.h )"),
    Case(
        name="a blank and a comma in an argument",
        source=f"{STRINGS}\n#include M2S(inc/with  space/d.h)\n#include M2S(inc/(of, two)/e.h)",
        expected=f"{STRINGS}\nint d;\n#line 4\nint e;\n#line 5",
    ),
    Case(
        name="macros of an included file",
        source="#include <m2s.h>\n#include M2S(inc/c.h)",
        expected=f"#ifndef M2S_H\n#define M2S_H\n{STRINGS}\n#endif\n#line 2\nint c;\n#line 3",
    ),
    Case(
        name="a macro's file is looked for beside the including one",
        source="#include <deep/near.h>",
        expected='#define NEAR "b.h"\nint c;\n#line 2\nint b;\n#line 3\n#line 2',
    ),
    Case(
        name="a macro that changes",
        source="#define A <empty.h>\n#include A\n#define A <c.h>\n#include A\n#undef A\n#include A",
        expected="#define A <empty.h>\n\n#line 3\n#define A <c.h>\nint c;\n#line 5\n#undef A\n#include A",
    ),
    Case(
        name="names that are headers stay, as a macro's too",
        source="#define A_H <c.h>\n#include A_H",
        expected="#define A_H <c.h>\n#include A_H",
        kept=("c.h",),
    ),
    Case(
        name="several arguments",
        source="#define IN(a, b, c) <a/b.h> c\n#include IN(.,c, (1, 2))\n#define NO() <c.h>\n#include NO( )",
        expected="#define IN(a, b, c) <a/b.h> c\nint c;\n#line 3\n#define NO() <c.h>\nint c;\n#line 5",
    ),
    defined("a call that begins in a macro", f"{STRINGS}\n#define A_H M2S", "A_H(inc/c.h)"),
    defined("a call in a call", f"{STRINGS}\n#define ID(x) x", "M2S(ID(ID(inc)/c.h))"),
    defined(
        "a call in an argument's text", f"{STRINGS}\n#define ID(x) x\n#define A ID(inc)", "ID(M2S(ID(A)/c.h))"
    ),
    defined("an empty argument", f"{STRINGS}\n#define SECOND(x, y) x y", "M2S(SECOND(,inc/c.h))"),
    defined("an empty macro", "#define NONE\n#define A_H NONE <c.h> NONE"),
    defined("a name that nothing calls", "#define c(x) d\n#define h() d\n#define A_H <c.h>"),
    defined("a sign that is no string's", "#define SIGN #\n#define A_H <c.h> SIGN"),
    defined(
        "a number is no name", "#define b x\n#define x5 x\n#define ID(x) x", "ID(<deep/../c.h> 1b .5b 0x5)"
    ),
    defined("a comma in quotes", "#define FIRST(x, y) <c.h> x y", "FIRST(\")\", ',\\'')"),
    undefined("macros that are each other", "#define A_H B_H\n#define B_H A_H"),
    undefined("a macro that is itself", "#define A_H(x) A_H(x)", "A_H(c.h)"),
    undefined("a macro that grows", "#define A_H(x) A_H(x x) A_H(x x)", "A_H(A_H(A_H(c.h)))"),
    undefined("macros that double", f'{DOUBLED}\n#define A64 "inc/c.h"', "A0"),
    undefined("strings that double", "#define S(x) #x\n#define T(x) S(x x)", "T(" * 32 + '"\\"' + ")" * 32),
    undefined("too many calls in each other", "#define ID(x) x", "ID(" * 40 + "<c.h>" + ")" * 40),
    defined("many calls in each other", "#define ID(x) x", "ID(" * 30 + "<c.h>" + ")" * 30),
    undefined(
        "too many parameters", f"#define F({','.join(f'x{n}' for n in range(17))}) <c.h>", f"F({',' * 16})"
    ),
    defined("many parameters", f"#define F({','.join(f'x{n}' for n in range(16))}) <c.h>", f"F({',' * 15})"),
    undefined("a call that does not end", STRINGS, "M2S(inc/c.h"),
    undefined("a call that ends in the next line", STRINGS, "M2S(inc/c.h\\\n)"),
    undefined("a quote in a call that does not end", STRINGS, "M2S(inc/c.h')"),
    undefined("a comment in a call that does not end", STRINGS, "M2S(inc/c.h /*)\n*/)"),
    defined("a comment behind a macro that goes on", '#define A_H "inc/c.h" /*\n*/'),
    Case(
        name="a comment behind a call that goes on",
        source="#define F() <c.h>\n#include F() /*\n#include F()\n*/",
        expected="#define F() <c.h>\nint c;\n#line 3\n#include F()\n*/",
    ),
    undefined("quotes that do not end", '#define A_H "inc/c.h'),
    undefined("brackets that do not end", "#define A_H <c.h"),
    undefined("too many arguments", STRINGS, "M2S(inc/c.h, 1)"),
    undefined("too few arguments", "#define F(x, y) <c.h>", "F(1)"),
    undefined("arguments for none", "#define F() <c.h>", "F(1)"),
    undefined("parameters that do not end", "#define F(x <c.h>", "F(1)"),
    undefined(
        "parameters that are no names", "#define F(1) <c.h>\n#define G(x,) <c.h>", "F(1)\n#include G(1,)"
    ),
    undefined(
        "as many arguments as there are", "#define F(...) <c.h>\n#define G(x...) <c.h>", "F()\n#include G(1)"
    ),
    undefined("a string of nothing", "#define F(x) <c.h> #y\n#define G(x) <c.h> #", "F(1)\n#include G(1)"),
    undefined("tokens pasted", "#define F(x) <c##.h> x\n#define A_H <c.h> ##", "F(1)\n#include A_H"),
    undefined("a quote in a string", f"{STRINGS}", 'M2S("inc/c.h")'),
    undefined("a macro that is empty", "#define A_H"),
    undefined("a macro of the compiler's", "#define A __FILE__", "A\n#include __FILE__"),
    undefined("a file that is nowhere", "#define A_H <nowhere.h>"),
    undefined("a file outside, by a macro", '#define A_H "../outside.h"'),
    undefined("a macro that is no more", "x", options="-I inc -D A_H=<c.h> -U A_H"),
    undefined("a macro without a text", "x", options="-I inc -D A_H"),
    undefined(
        "definitions that are none", "#define 1 <c.h>\n#define\n#define-A_H <c.h>\n#undef\n#define A_H"
    ),
    undefined("a definition in a comment", "/*\n#define A_H <c.h>\n*/ x /*\n*/"),
    undefined("a definition in another one", "#define B \\\n#define A_H <c.h>"),
    defined("a comment behind a definition", "#define A_H <c.h> // \\\n#define A_H <a.h>"),
    # conditionals
    defined("a definition in a conditional", "#if X\n#define A_H <c.h>\n#endif"),
    defined("the same one twice", "#if X\n#define A_H <c.h>\n#else\n#define A_H <c.h>\n#endif"),
    defined(
        "the options' one, and a default",
        "#ifndef A_H\n#define A_H <a.h>\n#endif",
        options="-I inc -D A_H=<c.h>",
    ),
    defined(
        "a default first",
        "#ifdef A_H\n#elif X\n#define A_H <a.h>\n#else\n#undef A_H\n#endif",
        options="-I inc -DA_H=<c.h>",
    ),
    defined("another one behind", "#if X\n#define A_H <a.h>\n#endif\n#define A_H <c.h>"),
    defined("no condition", "#define A_H <c.h>\n#if 0 // x\n#if 1\n#define A_H <a.h>\n#endif\n#endif"),
    defined("the other branch of no condition", "#if 0\n#define A_H <a.h>\n#else\n#define A_H <c.h>\n#endif"),
    defined(
        "the other branch of one that holds", "#if 1\n#define A_H <c.h>\n#elif 1\n#define A_H <a.h>\n#endif"
    ),
    defined("the own branch", "#if X\n#define A_H <a.h>\n#else\n#if Y\n#define B\n#endif\n#define A_H <c.h>"),
    defined("within a branch", "#if X\n#define A_H <a.h>\n#undef A_H\n#define A_H <c.h>\n#endif"),
    defined("many conditionals", "#if X\n" * 5000 + "#define A_H <c.h>" + "\n#endif" * 5000),
    defined("many macros", "\n".join(f"#define N{n} N{n + 1}" for n in range(20000)) + "\n#define A_H <c.h>"),
    defined("ends of nothing", "#endif\n#else\n#elif X\n#define A_H <c.h>"),
    undefined("one of two branches", "#if X\n#define A_H <c.h>\n#else\n#define A_H <a.h>\n#endif"),
    undefined(
        "one of many branches", "#if X\n#elifdef Y\n#define A_H <c.h>\n#elif Y\n#define A_H <a.h>\n#endif"
    ),
    undefined(
        "a default that is in doubt",
        "#if X\n#define A_H <a.h>\n#endif\n#ifndef A_H\n#define A_H <c.h>\n#endif",
    ),
    undefined("one that may be no more", "#define A_H <c.h>\n#if 0 || X\n#undef A_H\n#endif"),
    undefined("doubt in a call", f"{STRINGS}\n#define A b\n#if X\n#define A inc\n#endif", "M2S(A/c.h)"),
]
"""Includes whose names come from macros."""

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
    stays("a file by way of a folder that is nowhere", '#include "nowhere/../inc/c.h"'),
    stays("a name that is too long", f'#include "{"x" * 5000}"'),
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
    *MACROS,
    options("no options", "", "", finds=False),
    options("a folder and a definition", "-I 'inc/with space' -DN=4", "-DN=4", finds=True),
    options("a folder without a space", '-w "-Iinc/with space"  -D N', "-w -D N", finds=True),
    options("a folder in quotes", '-I "inc/with space"', "", finds=True),
    options("a folder in quotes in quotes", "-I '\"inc/with space\"'", "", finds=True),
    options("a folder with an escape", "/Iinc/with\\ space -g", "-g", finds=True),
    options("two folders", "-I one -w -I inc/with\\ space", "-w", finds=True),
    options("a folder that is nowhere", "-I /no/such/folder -w", "-I /no/such/folder -w", finds=False),
    options("a name that is too long", f"-I {'x' * 5000}", f"-I {'x' * 5000}", finds=False),
    options("a file", "-I inc/c.h", "-I inc/c.h", finds=False),
    options("no folder", "-w -I", "-w -I", finds=False),
]
