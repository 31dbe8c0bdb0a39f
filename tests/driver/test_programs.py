"""Programs in C, through the ordinary loader, on a pool of this machine's devices."""

import re
import subprocess

import pytest

from .hostile import changing, delaying
from .lease_file import leased
from .losing import lose_the_node, lose_the_worker

pytestmark = pytest.mark.opencl

CREATED = re.compile(rb"(\x93\x4a(?:[\x00-\x7f]|\xcc.|\xcd..)\xcf).{8}", re.DOTALL)  # SVMCreated: an address

NAMES = [
    "objects",
    "answers",
    "buffers",
    "waiting",
    "kernels",
    "builds",
    "compilers",
    "includes",
    "events",
    "images",
    "svm",
    "svm_kernels",
    "threads",
]


@pytest.mark.parametrize("name", [*NAMES, "callbacks", "forks"])
def test_a_program_runs_on_the_pool(programs, lease_file, name):
    programs.run(name, lease_file)


def test_a_build_tells_what_its_variables_take(programs, opencl_pool, tmp_path):
    """On a CPU: most of those have variables in program scope, unlike FPGAs."""
    with leased(opencl_pool.url, opencl_pool.token, tmp_path, {"kind": "cpu"}) as lease_file:
        programs.run("builds", lease_file)


def test_a_device_of_opencl_1_has_no_intermediate_language(programs, null_pool, tmp_path):
    def tells_of_one(said):  # an info's number: CL_DEVICE_VENDOR becomes CL_DEVICE_IL_VERSION
        return said.replace(b"\xcd\x10\x2c", b"\xcd\x10\x5b")

    with (
        leased(null_pool.url, null_pool.token, tmp_path, {"kind": "any"}) as lease_file,
        changing(lease_file, lambda: tells_of_one) as changed,
    ):
        programs.run("old_device", changed)


def test_a_device_without_shared_virtual_memory_has_none_here(programs, null_pool, tmp_path):
    def tells_of_none(said):  # CL_DEVICE_SVM_CAPABILITIES becomes a number that nobody asks for
        return said.replace(b"\xcd\x10\x53", b"\xcd\x10\xff")

    with (
        leased(null_pool.url, null_pool.token, tmp_path, {"kind": "any"}) as lease_file,
        changing(lease_file, lambda: tells_of_none) as changed,
    ):
        programs.run("no_svm", changed)


@pytest.mark.parametrize("address", [0, 8, (1 << 16) - 4096, 1 << 47, (1 << 64) - 4096])
def test_at_an_impossible_address_there_is_no_memory(programs, null_pool, tmp_path, address):
    def tells_it(said):
        return CREATED.sub(lambda found: found[1] + address.to_bytes(8, "big"), said)

    with (
        leased(null_pool.url, null_pool.token, tmp_path, {"kind": "any"}) as lease_file,
        changing(lease_file, lambda: tells_it) as changed,
    ):
        programs.run("svm_nowhere", changed)


def test_a_feature_that_was_not_offered_ends_the_session(programs, null_pool, tmp_path):
    with (
        leased(null_pool.url, null_pool.token, tmp_path, {"kind": "any"}) as lease_file,
        changing(lease_file, lambda: lambda said: said.replace(b"\x91\xa3svm", b"\x91\xa3new")) as changed,
    ):
        done = subprocess.run(
            [programs.compiled("svm_nowhere")],
            env=programs.environment(changed),
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert b"clGetDeviceIDs" in done.stderr


def test_memory_counts_against_the_lease_and_is_given_back(programs, opencl_pool, tmp_path):
    asked = {"kind": "any", "memory_bytes": 64 << 20}
    with leased(opencl_pool.url, opencl_pool.token, tmp_path, asked) as lease_file:
        programs.run("svm_share", lease_file)


def test_what_is_released_is_free_for_what_is_made_next(programs, opencl_pool, tmp_path):
    asked = {"kind": "any", "memory_bytes": 8 << 20}
    with leased(opencl_pool.url, opencl_pool.token, tmp_path, asked) as lease_file:
        programs.run("share", lease_file)


def test_without_a_lease_there_is_no_platform_and_not_a_word(programs):
    done = subprocess.run(
        [programs.compiled("objects")],
        env=programs.environment(None),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1  # it finds no platform of ours
    assert "accelpool:" not in done.stderr


def test_a_lease_file_that_is_none_gives_no_devices(programs, tmp_path):
    broken = tmp_path / "lease.json"
    for text in ("", "{", '{"endpoints": 3}', '{"endpoints": [{"node": "n"}]}', '{"endpoints": []} x'):
        broken.write_text(text)
        done = subprocess.run(
            [programs.compiled("objects")], env=programs.environment(broken), capture_output=True, timeout=60
        )
        assert done.returncode == 1
        assert b"clGetDeviceIDs" in done.stderr


def test_what_was_read_is_there_when_a_later_command_is_complete(programs, lease_file):
    """Though the worker says so first, and its bytes come afterwards."""
    with delaying(lease_file) as late:
        programs.run("arrivals", late)


@pytest.mark.parametrize("name", ["lost", "lost_in_traffic", "svm_lost"])
def test_a_node_that_is_lost_gives_error_codes_and_no_hang(programs, own_opencl_pool, tmp_path, name):
    lose_the_node(programs, name, own_opencl_pool, tmp_path)


@pytest.mark.parametrize("name", ["lost", "again", "svm_lost"])
def test_a_worker_that_dies_is_not_the_end(programs, own_opencl_pool, tmp_path, name):
    lose_the_worker(programs, name, own_opencl_pool, tmp_path)


def test_devices_of_one_endpoint_share_a_context(programs, null_pool, tmp_path):
    with leased(null_pool.url, null_pool.token, tmp_path, {"kind": "any", "count": 2}) as lease_file:
        programs.run("several", lease_file)


def test_devices_of_several_nodes_share_a_context_too(programs, two_node_pool, tmp_path):
    with leased(two_node_pool.url, two_node_pool.token, tmp_path, {"kind": "any", "count": 4}) as lease_file:
        programs.run("several", lease_file)
