"""Files of this machine in the place of the lines that include them, and the options naming their folders."""

from pathlib import Path

import pytest

import accelpool as cl
from accelpool import includes
from accelpool.build_options import compiler_options
from accelpool.testing import FakeConnection, built, fake_context
from accelpool_wire import messages as m


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(includes, "pyopencl_folder", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inc" / "deep").mkdir(parents=True)
    (tmp_path / "inc" / "a.h").write_text('#include "deep/b.h"\nint a;')
    (tmp_path / "inc" / "deep" / "b.h").write_text('#include "../c.h"\nint b;')
    (tmp_path / "inc" / "c.h").write_text("int c;")
    return tmp_path


def lines(source, *folders, kept=()):
    return includes.with_includes(source, folders, kept).split("\n")


def test_files_are_found_in_folders_and_beside_the_including_file(folder):
    assert lines("#include <a.h>", folder / "inc") == [
        "int c;",
        "#line 2",
        "int b;",
        "#line 2",
        "int a;",
        "#line 2",
    ]


def test_files_of_one_name_are_both_included_once_each(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "same.h").write_text(f"#pragma once\nint {name};")
    got = lines('#include "one/same.h"\n#include "two/same.h"\n#include "one/same.h"', folder)
    first, second, third = (line for line in got if line.startswith("#ifndef"))
    assert first == third != second
    assert {"int one;", "int two;"} <= set(got)


@pytest.mark.parametrize(
    "source",
    [
        '#include "nowhere.h"',
        '#include "a.h"',
        "#include A_H",
        '/*\n#include "inc/c.h"\n*/',
        '// #include "inc/c.h"',
        'x = "/*";\n#includes "inc/c.h"',
    ],
)
def test_what_names_no_file_here_stays(folder, source):
    assert "\n".join(lines(source, folder)) == source


def test_a_comment_that_ended_hides_nothing(folder):
    assert "int c;" in lines('/* x */ y = "/*"; // /*\n#include "inc/c.h"', folder)


@pytest.mark.parametrize(
    "before",
    [
        "char c = '\"'; // it's a quote",
        "char c = '\\''; /* a quote */",
        "char c = '\\\\'; char d = '/*';",
        "/* don't */ char c = 'a';",
        '/* a " */ char *s = "b";',
        "/*/ */ char c;",
    ],
)
def test_quotes_and_comments_are_told_apart(folder, before):
    assert "int c;" in lines(f'{before}\n#include "inc/c.h"', folder)


def test_a_comment_after_a_quote_hides_what_is_in_it(folder):
    source = 'char c = \'"\'; /* "\n#include "inc/c.h"\n*/'
    assert "\n".join(lines(source, folder)) == source


def test_lines_after_a_file_that_includes_itself_keep_their_numbers(folder):
    (folder / "self.h").write_text('#ifndef SELF\n#define SELF\n#include "self.h"\nint fourth;\n#endif')
    got = lines('#include "self.h"', folder)
    assert got.index("int fourth;") == 3


def test_names_that_are_headers_stay(folder):
    assert lines('#include "inc/c.h"', folder, kept=["inc/c.h"]) == ['#include "inc/c.h"']


@pytest.mark.parametrize("name", ["../outside.h", "{}/outside.h"])
def test_files_outside_the_folders_stay(folder, name):
    (folder / "outside.h").write_text("int secret;")
    assert "int secret;" not in lines(f'#include "{name.format(folder)}"', folder / "inc")


def test_more_than_can_be_sent_is_refused(folder, monkeypatch):
    monkeypatch.setattr(includes, "MAX_FILES", 3)
    with pytest.raises(cl.LogicError, match="more than 3 files"):
        lines('#include "inc/c.h"\n' * 4, folder)


def test_a_file_that_is_no_text_is_refused(folder):
    (folder / "bytes.h").write_bytes(b"\xff\xfe")
    with pytest.raises(cl.LogicError, match="UTF-8"):
        lines('#include "bytes.h"', folder)


@pytest.mark.parametrize(
    ("options", "sent", "folders"),
    [
        (None, "", []),
        ("-I inc -DN=4", "-DN=4", ["inc"]),
        (["-Iinc", b"-D", "N"], "-D N", ["inc"]),
        ('-I "inc"', "", ["inc"]),
        ("-I /no/such/folder -w", "-I /no/such/folder -w", []),
        ("-w -I", "-w -I ", []),
    ],
)
def test_folders_of_this_machine_are_not_sent(folder, options, sent, folders):
    got = compiler_options(options)
    assert (got.sent, got.folders) == (sent, (Path(), *map(Path, folders)))


def test_the_environment_adds_options(monkeypatch):
    monkeypatch.setenv("PYOPENCL_BUILD_OPTIONS", "-w -DX")
    assert compiler_options("-g").text == "-g -w -DX"


def test_a_platform_adds_options():
    assert compiler_options(None, "Oclgrind").sent == "-D PYOPENCL_USING_OCLGRIND"


def test_a_program_with_includes_is_sent_once_it_is_built(folder):
    fake = FakeConnection()
    fake.answers[m.BuildProgram] = built()
    ctx = fake_context(fake)
    program = cl.Program(ctx, '#include "c.h"')
    assert not any(isinstance(message, m.CreateProgramWithSource) for message in fake.posted)
    program.build("-I inc")
    assert fake.posted[-1] == m.CreateProgramWithSource(program._handle, ctx._handle, "int c;\n#line 2")
    (folder / "inc" / "c.h").write_text("int changed;")
    old = program._handle
    program.build("-I inc")
    assert fake.posted[-1].source == "int changed;\n#line 2"
    assert old in fake.released
