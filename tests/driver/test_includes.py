"""Files of this machine that sources include: the driver makes of them what the SDK does."""

from __future__ import annotations

import subprocess

import pytest

from ..include_cases import CASES, named_cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_driver_puts_files_in_as_the_sdk_does(programs, working, case):
    assert expanded(programs, working, case) == case.expected


def test_a_file_is_found_by_its_whole_name_if_it_is_within(programs, working):
    for name in ("outside.h", "working/inc/c.h"):
        path = working.parent / name
        done = ran(programs, working, f"#include <{path}>", "")
        assert done.stdout.decode() == (
            "\0int c;\n#line 2" if name.endswith("c.h") else f"\0#include <{path}>"
        )


def test_files_that_definitions_name_are_put_in(programs, working):
    for case in named_cases(working):
        assert expanded(programs, working, case) == case.expected, case


def expanded(programs, working, case):
    """Return what the driver makes of a source; None if it is refused."""
    done = ran(programs, working, case.source, case.options, *case.kept)
    if done.returncode == 3:
        assert done.stderr.startswith(bytes(working))
        return None
    assert done.returncode == 0, done.stderr
    sent, text = done.stdout.decode().split("\0")
    assert sent == case.sent
    return text


def ran(programs, working, source, *words):
    program = programs.compiled("including")
    return subprocess.run(
        [program, *words], cwd=working, input=source.encode(), capture_output=True, timeout=60
    )
