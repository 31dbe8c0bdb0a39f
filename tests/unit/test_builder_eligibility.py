"""Which builds depend on their source and options alone."""

import pytest

from accelpool_node.builder.eligibility import MAX_OPTIONS_CHARACTERS, MAX_SOURCE_CHARACTERS, objection

KERNEL = "__kernel void f(__global int *a) { a[0] = 1; }"


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-DN=4 -D M=5 -D F(a,b)=a+b -DFLAG -UOTHER",
        "-cl-fast-relaxed-math -cl-std=CL2.0 -cl-kernel-arg-info -w -Werror",
        "-nv-maxrregcount=32 -nv-verbose",
        '-DNAME="text"',
    ],
)
def test_known_options_depend_on_nothing_else(options):
    assert objection(KERNEL, options) == ""


@pytest.mark.parametrize(
    "options",
    [
        "-I.",
        "-I .",
        "-Iinclude",
        "-include file.h",
        "-s=/tmp/source.cl",
        "-g",
        "-D",
        "-D -I.",
        "-x spir",
        "@file",
        "-imacros/tmp/x",
        "-DWHEN=__DATE__",
        "-save-temps",
        "-cl-std=CL2.0/../x",
    ],
)
def test_options_with_paths_or_of_unknown_effect_bypass_the_builder(options):
    assert objection(KERNEL, options)


@pytest.mark.parametrize(
    "line",
    [
        '#include "file.h"',
        "#include_next <file.h>",
        "  #\t include <file.h>",
        "#/* a comment */include <file.h>",
        "#inc\\\nlude <file.h>",
        "#inc\\ \r\nlude <file.h>",
        "#inc??/\nlude <file.h>",
        "??=include <file.h>",
        "%:include <file.h>",
        "#import <file.h>",
        "#embed <file.bin>",
        "#if __has_include(<file.h>)\n#endif",
        "__constant char when[] = __DATE__;",
        "__constant char when[] = __TI\\\nME__;",
        "__constant char when[] = __TIMESTAMP__;",
        "__constant char where[] = __FILE__;",
        '__asm__(".incbin \\"/etc/passwd\\"");',
        "#pragma GCC dependency file.h",
    ],
)
def test_source_that_depends_on_files_or_the_time_bypasses_the_builder(line):
    assert objection(f"{line}\n{KERNEL}", "")


@pytest.mark.parametrize(
    "line",
    [
        "// include guards and other imports are words",
        "#define JOIN(a, b) a##b",
        "#pragma OPENCL EXTENSION cl_khr_fp64 : enable",
        "int including = 1, x = 5 % included;",
        "#if defined(__OPENCL_VERSION__) && __OPENCL_VERSION__ >= 200\n#endif",
    ],
)
def test_plain_source_is_eligible(line):
    assert objection(f"{line}\n{KERNEL}", "") == ""


def test_source_and_options_have_limits():
    assert objection(" " * (MAX_SOURCE_CHARACTERS + 1), "")
    assert objection(KERNEL, "-w " * MAX_OPTIONS_CHARACTERS)
    assert objection(KERNEL.ljust(MAX_SOURCE_CHARACTERS), "") == ""


@pytest.mark.parametrize("part", ["#", "# ", "/*", "\\", "\\ ", "??/", "??=", " ", "\n", '"', "_", "%:"])
def test_no_source_makes_the_test_itself_slow(part):
    source = part * (MAX_SOURCE_CHARACTERS // len(part))  # a quadratic test would take hours
    assert isinstance(objection(source, ""), str)
    assert isinstance(objection("", (f"-D{part}" + source)[:MAX_OPTIONS_CHARACTERS]), str)
