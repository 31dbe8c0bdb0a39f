"""Files of this machine in the place of the lines that include them, and the options naming their folders."""

from pathlib import Path

import pytest

import accelpool as cl
from accelpool import includes
from accelpool.build_options import BuildOptions, compiler_options
from accelpool.testing import FakeConnection, built, fake_context
from accelpool_wire import messages as m

from ..include_cases import CASES, named_cases, write_files


@pytest.fixture(scope="module")
def working(tmp_path_factory):
    """The folder in which the files of the cases are."""
    return write_files(tmp_path_factory.mktemp("includes"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_files_take_the_place_of_the_lines_that_include_them(working, monkeypatch, case):
    monkeypatch.chdir(working)
    monkeypatch.setattr(includes, "pyopencl_folder", lambda: None)
    given = compiler_options(case.options)
    assert given.sent == case.sent
    if case.expected is None:
        with pytest.raises(cl.LogicError, match=str(working)):
            includes.with_includes(case.source, given, case.kept)
    else:
        assert includes.with_includes(case.source, given, case.kept) == case.expected


def test_a_file_is_found_by_its_whole_name_if_it_is_within(working):
    for name, is_found in (("outside.h", False), ("working/inc/c.h", True)):
        source = f"#include <{working.parent / name}>"
        given = BuildOptions(text="", sent="", folders=(working,))
        assert includes.with_includes(source, given) == ("int c;\n#line 2" if is_found else source)


def test_files_that_definitions_name_are_put_in(working, monkeypatch):
    monkeypatch.chdir(working)
    monkeypatch.setattr(includes, "pyopencl_folder", lambda: None)
    for case in named_cases(working):
        given = compiler_options(case.options)
        assert (includes.with_includes(case.source, given), given.sent) == (case.expected, case.sent), case


def test_options_in_a_list_are_words(working):
    got = compiler_options([f"-I{working}", b"-D", "N"])
    assert (got.sent, got.folders) == ("-D N", (Path(), working))
    assert compiler_options(None).sent == ""


def test_the_environment_adds_options(monkeypatch):
    monkeypatch.setenv("PYOPENCL_BUILD_OPTIONS", "-w -DX")
    assert compiler_options("-g").text == "-g -w -DX"


def test_a_platform_adds_options():
    assert compiler_options(None, "Oclgrind").sent == "-D PYOPENCL_USING_OCLGRIND"


def test_a_program_with_includes_is_sent_once_it_is_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "c.h").write_text("int c;")
    fake = FakeConnection()
    fake.answers[m.BuildProgram] = built()
    ctx = fake_context(fake)
    program = cl.Program(ctx, '#include "c.h"')
    assert not any(isinstance(message, m.CreateProgramWithSource) for message in fake.posted)
    program.build("-I inc")
    assert fake.posted[-1] == m.CreateProgramWithSource(program._handle, ctx._handle, "int c;\n#line 2")
    (tmp_path / "inc" / "c.h").write_text("int changed;")
    old = program._handle
    program.build("-I inc")
    assert fake.posted[-1].source == "int changed;\n#line 2"
    assert old in fake.released
