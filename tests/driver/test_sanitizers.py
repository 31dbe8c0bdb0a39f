"""The same programs and the driver, compiled with gcc's sanitizers, which end what they object to."""

import re
import shutil
import subprocess

import pytest

from ..include_cases import CASES
from .conftest import built
from .hostile import changing, damaging
from .losing import lose_the_node, lose_the_second_node
from .test_includes import expanded
from .test_programs import NAMES
from .test_spanning import NAMES as SPANNING

pytestmark = [pytest.mark.opencl, pytest.mark.slow, pytest.mark.timeout(300)]

SEEDS = 6
OPTIONS = {"address": "-fsanitize=address,undefined", "thread": "-fsanitize=thread"}


@pytest.fixture(scope="module", params=OPTIONS)
def sanitized(request, tmp_path_factory):
    """The driver and programs with a sanitizer."""
    folder, option = tmp_path_factory.mktemp(request.param), OPTIONS[request.param]
    (folder / "empty.c").write_text("int main(void) { return 0; }")
    gcc = shutil.which("gcc")
    command = [gcc, option, str(folder / "empty.c"), "-o", str(folder / "empty")]
    if not gcc or subprocess.run(command, capture_output=True).returncode or not starts(folder / "empty"):
        pytest.skip(f"no gcc here that can do {option}")
    return built(folder, gcc, "-g", option)


def starts(program):
    return not subprocess.run([program], capture_output=True).returncode


@pytest.mark.parametrize("name", NAMES)
def test_a_sanitizer_has_nothing_to_object_to(sanitized, lease_file, name):
    sanitized.run(name, lease_file)


@pytest.mark.parametrize("name", [*SPANNING, "spanning_random"])
def test_nor_in_contexts_over_two_nodes(sanitized, two_node_lease_file, name):
    sanitized.run(name, two_node_lease_file)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nor_in_files_that_sources_include(sanitized, working, case):
    assert expanded(sanitized, working, case) == case.expected


def test_nor_where_all_of_a_devices_extensions_are_told(sanitized, lease_file):
    """None is the driver's own, and one space is between two."""

    def rename(content: bytes) -> bytes:
        single = re.sub(rb" +(?= cl_)", lambda spaces: b"_" * len(spaces[0]), content)
        return single.replace(b"cl_", b"xx_")

    with changing(lease_file, lambda: rename) as renamed:
        sanitized.run("objects", renamed)


@pytest.mark.parametrize("name", ["lost", "lost_in_traffic"])
def test_nor_where_the_node_is_lost(sanitized, own_opencl_pool, tmp_path, name):
    lose_the_node(sanitized, name, own_opencl_pool, tmp_path)


def test_nor_where_one_of_two_nodes_is_lost(sanitized, own_two_node_pool, tmp_path):
    lose_the_second_node(sanitized, "spanning_lost", own_two_node_pool, tmp_path)


@pytest.mark.parametrize("name", ["buffers", "kernels", "events", "images", "svm"])
def test_nor_where_the_worker_says_what_makes_no_sense(sanitized, lease_file, name):
    for seed in range(SEEDS):
        with damaging(lease_file, seed) as damaged:
            env = {
                **sanitized.environment(damaged),
                "ASAN_OPTIONS": "exitcode=99:allocator_may_return_null=1",
                "TSAN_OPTIONS": "exitcode=99:allocator_may_return_null=1",
            }
            done = subprocess.run([sanitized.compiled(name)], env=env, capture_output=True, timeout=60)
            assert done.returncode in (0, 1), f"seed {seed}: {done.returncode}\n{done.stderr!r}"
