"""What the search for the part of the sandbox that keeps CUDA from starting makes of its tries."""

from __future__ import annotations

import pytest

from ..gpu import confined
from ..gpu.confined import WORKS, refused, smallest_failing

TRACE = """\
71 openat(AT_FDCWD, "/proc/self/task/9/comm", O_RDWR) = -1 EACCES (Permission denied)
72 openat(AT_FDCWD, "/etc/nothing", O_RDONLY) = -1 ENOENT (No such file or directory)
71 openat(AT_FDCWD, "/proc/self/task/9/comm", O_RDWR) = -1 EACCES (Permission denied)
71 listen(4, 16)                     = -1 EPERM (Operation not permitted)
71 close(4)                          = 0
72 openat(AT_FDCWD, "/root/.nv", O_RDONLY <unfinished ...>
71 write(1, "", 0)                   = 0
72 <... openat resumed>)             = -1 EACCES (Permission denied)
"""


def test_what_is_around_a_set_that_fails_says_nothing_new():
    outcomes = {("a",): WORKS, ("b",): "cuInit 304", ("a", "b"): "cuInit 304", ("a", "c"): "hangs"}
    assert smallest_failing(outcomes) == [("b",), ("a", "c")]


def test_refused_calls_are_told_once_and_those_that_find_nothing_are_not():
    assert [call.split("(")[0] for call in refused(TRACE)] == ["openat", "listen", "openat"]
    assert '"/root/.nv"' in refused(TRACE)[-1]


@pytest.fixture
def tries(monkeypatch):
    """Have a machine on which user and limits keep CUDA from starting, but only together."""
    made: list[confined.Parts] = []

    def attempt(parts, calls=(), under=()):
        made.append(parts)
        return "cuInit 304" if {"user", "limits"} <= set(parts) else WORKS

    monkeypatch.setattr(confined, "_try", attempt)
    monkeypatch.setattr(confined.shutil, "which", lambda _: None)
    return made


def test_a_pair_that_fails_is_found_though_each_part_works(tries, capsys):
    confined.show()
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("the smallest")] == [
        "the smallest that fails: user + limits"
    ]
    assert confined.PARTS in tries


def test_without_a_driver_that_starts_no_part_is_tried(monkeypatch, capsys):
    monkeypatch.setattr(confined, "_try", lambda parts: "there is no libcuda.so.1")
    confined.show()
    assert capsys.readouterr().out == "no part: there is no libcuda.so.1\n"
