"""Options for CUDA's compilers: those that only compile, each with its value in one word."""

from __future__ import annotations

import pytest

from accelpool_node.backends.cuda.options import has_architecture, parse
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import LogicError


@pytest.mark.parametrize(("options", "words"), [
    ("", []),
    ("-DN=1 -D M=2 -DF(x)=x+1", ["-DN=1", "-DM=2", "-DF(x)=x+1"]),
    ('-D "S=a b"', ["-DS=a b"]),
    ("-I/usr/include -I /opt", ["-I/usr/include", "-I/opt"]),
    ("-std=c++17 --use_fast_math -lineinfo -w", ["-std=c++17", "--use_fast_math", "-lineinfo", "-w"]),
    ("-maxrregcount 32 --fmad=false", ["-maxrregcount=32", "--fmad=false"]),
    ("-Xptxas -v -O3", ["-Xptxas=-v", "-O3"]),
    ("-arch sm_90", ["-arch=sm_90"]),
])  # fmt: skip
def test_known_options_are_passed_on(options: str, words: list[str]) -> None:
    assert parse(options, "clBuildProgram") == words


@pytest.mark.parametrize("options", [
    "-o /tmp/x", "--run", "-ccbin /tmp/evil", "-Xcompiler -fplugin=x.so", "--keep-dir=/tmp", "file.cu", "'",
    "-arch=sm_90;rm", "-maxrregcount", "-D", "-D1=2", "--options-file x", "-Xlinker x", "--compiler-bindir=x",
    "-no-such-option-at-all", "--pre-include=/etc/passwd", "-time=x",
])  # fmt: skip
def test_other_options_are_refused(options: str) -> None:
    with pytest.raises(LogicError) as caught:
        parse(options, "clBuildProgram")
    assert (caught.value.routine, caught.value.code) == ("clBuildProgram", ErrorCode.INVALID_BUILD_OPTIONS)


@pytest.mark.parametrize(("options", "has"), [
    ("-arch sm_90", True), ("--gpu-architecture=compute_80", True), ("-DN=-arch", False), ("", False),
])  # fmt: skip
def test_an_architecture_that_is_asked_for_is_seen(options: str, has: bool) -> None:
    assert has_architecture(parse(options, "clBuildProgram")) is has
