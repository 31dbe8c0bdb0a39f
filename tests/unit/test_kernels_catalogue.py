"""The catalogue agrees with the kernels' sources, twins, samples and page; its NDRanges cover their sizes."""

import inspect
import json
import math
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_kernels import (
    Entry,
    InvalidArgument,
    KernelLibraryError,
    Role,
    UnknownApi,
    UnknownKernel,
    entry,
    names,
    samples,
    source,
    twins,
)
from accelpool_kernels.catalogue import FOLDERS
from accelpool_kernels.description import MAX_GROUPS, MAX_SIZE, TYPE_BYTES

PARAMETER = re.compile(r"(?:(__global|__local) )?(const )?(\w+) (\*)?(?:restrict )?(\w+)")
CUDA_PARAMETER = re.compile(r"(const )?((?:unsigned )?\w+) (\*)?(?:__restrict__ )?(\w+)")
CUDA_TYPES = {"uchar": "unsigned char", "int": "int", "uint": "unsigned int", "float": "float"}

every_kernel = pytest.mark.parametrize("name", names())


def parameters_of(name: str) -> list[tuple[str, bool, str, bool, str]]:
    """(address space, is const, type, is pointer, name) of each parameter in the OpenCL C source."""
    signature = re.search(rf"void {name}\(([^)]*)\)", source(name))
    assert signature is not None, f"no kernel function {name}"
    found = [PARAMETER.fullmatch(part.strip()) for part in signature[1].split(",")]
    assert all(found), f"a parameter that this test cannot read: {signature[1]}"
    return [(m[1] or "", bool(m[2]), m[3], bool(m[4]), m[5]) for m in found if m]


def role_in_source(space: str, is_const: bool) -> set[Role]:
    if space == "__global":
        return {Role.INPUT} if is_const else {Role.OUTPUT, Role.INOUT}
    return {Role.LOCAL} if space == "__local" else {Role.SCALAR}


@every_kernel
def test_arguments_match_the_kernels_signature(name: str) -> None:
    parameters = parameters_of(name)
    arguments = entry(name).arguments
    assert [(a.name, a.type) for a in arguments] == [(p[4], p[2]) for p in parameters]
    for argument, (space, is_const, _, is_pointer, _) in zip(arguments, parameters, strict=True):
        assert argument.role in role_in_source(space, is_const)
        assert is_pointer == bool(argument.shape)
        assert argument.type in TYPE_BYTES


@every_kernel
def test_the_cuda_kernel_has_the_same_parameters_but_for_local_memory(name: str) -> None:
    signature = re.search(
        rf'extern "C" __global__ void (?:__launch_bounds__\(.*\) )?{name}\(([^)]*)\)', source(name, "cuda")
    )
    assert signature is not None, f"no kernel function {name}"
    found = [CUDA_PARAMETER.fullmatch(part.strip()) for part in signature[1].split(",")]
    assert all(found), f"a parameter that this test cannot read: {signature[1]}"
    expected = [
        (not a.role.is_written, CUDA_TYPES[a.type], a.role.is_buffer, a.name) for a in entry(name).parameters
    ]
    assert [(bool(m[1]), m[2], bool(m[3]), m[4]) for m in found if m] == expected


@every_kernel
def test_cuda_has_local_memory_as_dynamic_shared_memory_of_the_same_name(name: str) -> None:
    declared = re.findall(r"extern __shared__ (\w+) (\w+)\[\];", source(name, "cuda"))
    assert declared == [(a.type, a.name) for a in entry(name).arguments if a.role is Role.LOCAL]


@every_kernel
def test_a_cuda_kernel_with_barriers_is_bound_to_its_rules_block(name: str) -> None:
    code = source(name, "cuda")
    macros = {m[1]: int(m[2]) for m in re.finditer(r"#define (\w+) (\d+)", code)}
    bounds = re.search(r"__launch_bounds__\(([^)]*)\)", code)
    if bounds is None:
        assert "__syncthreads(" not in code, "a kernel with barriers counts on its block's size"
        return
    threads = math.prod(macros[size.strip()] for size in bounds[1].split("*"))
    assert threads == math.prod(entry(name).rule.local_size)


@every_kernel
def test_a_required_work_group_size_is_the_rules(name: str) -> None:
    code = source(name)
    macros = {m[1]: m[2] for m in re.finditer(r"#define (\w+) (\d+)", code)}
    required = re.search(r"reqd_work_group_size\(([^)]*)\)", code)
    if required is None:
        assert "barrier(" not in code, "a kernel with barriers counts on its work-group's size"
        return
    sizes = [int(macros.get(size.strip(), size)) for size in required[1].split(",")]
    local_size = entry(name).rule.local_size
    assert sizes == [*local_size, *[1] * (3 - len(local_size))]


@every_kernel
def test_every_kernel_takes_its_scalars_first_and_its_local_memory_last(name: str) -> None:
    roles = [argument.role for argument in entry(name).arguments]
    order = [0 if r is Role.SCALAR else 2 if r is Role.LOCAL else 1 for r in roles]
    assert order == sorted(order)


@pytest.mark.parametrize("api", FOLDERS)
def test_there_is_an_entry_for_every_file_and_a_file_for_every_entry(api: str) -> None:
    folder = FOLDERS[api]
    files = resources.files("accelpool_kernels").joinpath(folder).iterdir()
    told = [name for name in names() if api in entry(name).apis]
    assert sorted(told) == sorted(file.name.removesuffix(f".{folder}") for file in files)


@every_kernel
def test_a_kernel_has_no_source_for_another_api(name: str) -> None:
    with pytest.raises(UnknownApi, match=r"'vulkan'; it has: opencl, cuda") as caught:
        source(name, "vulkan")
    assert (caught.value.kernel, caught.value.api, caught.value.known) == (name, "vulkan", ("opencl", "cuda"))


@every_kernel
def test_the_twin_takes_what_the_kernel_reads(name: str) -> None:
    taken = [a.name for a in entry(name).parameters if a.role is not Role.OUTPUT]
    assert list(inspect.signature(getattr(twins, name)).parameters) == taken


@every_kernel
def test_the_sample_fits_the_entry(name: str) -> None:
    kernel = entry(name)
    arguments = samples.sample(name, np.random.default_rng(0))
    scalars = {a.name: arguments[a.name] for a in kernel.parameters if a.role is Role.SCALAR}
    assert list(arguments) == [a.name for a in kernel.parameters]
    assert all(arguments[a.name].dtype == samples.DTYPES[a.type] for a in kernel.parameters)
    assert kernel.buffer_bytes(**scalars) == {
        a.name: arguments[a.name].nbytes for a in kernel.parameters if a.role.is_buffer
    }


@every_kernel
def test_the_twin_writes_what_the_entry_says_and_changes_no_argument(name: str) -> None:
    arguments = samples.sample(name, np.random.default_rng(0))
    before = {key: np.copy(value) for key, value in arguments.items()}
    written = twins.run(name, arguments)
    assert list(written) == [a.name for a in entry(name).parameters if a.role.is_written]
    assert all(written[key].dtype == arguments[key].dtype for key in written)
    assert all(written[key].shape == arguments[key].shape for key in written)
    assert all(np.array_equal(value, before[key]) for key, value in arguments.items())


@every_kernel
def test_the_same_seed_makes_the_same_sample(name: str) -> None:
    first, second = (samples.sample(name, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(first[key], second[key]) for key in first)


@every_kernel
def test_a_description_is_json_with_every_argument(name: str) -> None:
    described = json.loads(json.dumps(entry(name).describe()))
    assert [a["name"] for a in described["arguments"]] == [a.name for a in entry(name).arguments]
    assert described["apis"] == ["opencl", "cuda"]
    assert described["source"]
    assert described["tolerance"]
    assert "multiple of" in described["ndrange"]["global_size"]


@every_kernel
def test_the_documentation_lists_the_kernel_with_its_arguments(name: str) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "kernels.md").read_text(encoding="utf-8")
    assert f"`{name}({', '.join(a.name for a in entry(name).parameters)})`" in page


def covered(kernel: Entry, dimension: int, sizes: dict[str, int]) -> int:
    cover = kernel.rule.covers[dimension]
    return cover if isinstance(cover, int) else sizes[cover]


@given(st.sampled_from(names()), st.data())
def test_the_ndrange_covers_its_sizes_with_whole_work_groups_and_none_to_spare(name: str, data) -> None:
    kernel = entry(name)
    sizes = {size: data.draw(st.integers(1, MAX_SIZE), label=size) for size in kernel.sizes}
    ndrange = kernel.ndrange(**sizes)
    assert 1 <= len(ndrange.global_size) == len(ndrange.local_size) <= 3
    assert math.prod(ndrange.local_size) <= 256
    for dimension, (items, local) in enumerate(zip(ndrange.global_size, ndrange.local_size, strict=True)):
        per_item = kernel.rule.per_item[dimension]
        assert items % local == 0
        assert 0 <= items * per_item - covered(kernel, dimension, sizes) < local * per_item


@given(st.sampled_from(names()), st.data())
def test_a_grid_of_cuda_is_the_ndrange_or_as_large_as_grids_are(name: str, data) -> None:
    kernel = entry(name)
    sizes = {size: data.draw(st.integers(1, MAX_SIZE), label=size) for size in kernel.sizes}
    whole, grid = kernel.ndrange(**sizes), kernel.ndrange("cuda", **sizes)
    assert grid.local_size == whole.local_size
    assert grid.global_size == tuple(
        min(items, most * local)
        for items, most, local in zip(whole.global_size, MAX_GROUPS["cuda"], whole.local_size, strict=False)
    )


@pytest.mark.parametrize(
    ("name", "sizes", "global_size", "local_size"),
    [
        ("saxpy", {"n": 1}, (256,), (256,)),
        ("saxpy", {"n": 1000}, (1024,), (256,)),
        ("matmul", {"m": 65, "n": 64, "k": 7}, (16, 32), (16, 16)),
        ("reduce_sum", {"n": 3}, (64 * 256,), (256,)),
        ("inclusive_scan", {"n": 10**6}, (256,), (256,)),
        ("stencil5", {"height": 5, "width": 65}, (128, 8), (64, 4)),
    ],
)
def test_ndranges(name: str, sizes: dict[str, int], global_size, local_size) -> None:
    ndrange = entry(name).ndrange(**sizes)
    assert (ndrange.global_size, ndrange.local_size) == (global_size, local_size)


def test_scalars_that_are_no_sizes_may_be_given_too() -> None:
    assert entry("saxpy").ndrange(n=1000, a=2.0) == entry("saxpy").ndrange(n=1000)


def test_numpy_integers_are_sizes() -> None:
    assert entry("saxpy").ndrange(n=np.int32(1000)) == entry("saxpy").ndrange(n=1000)


def test_byte_sizes_follow_from_the_sizes() -> None:
    assert entry("matmul").buffer_bytes(m=2, n=3, k=5) == {"a": 40, "b": 60, "c": 24}
    assert entry("histogram256").buffer_bytes(n=10) == {"values": 10, "counts": 1024}
    assert entry("reduce_sum").local_bytes(n=10) == {"scratch": 1024}
    assert entry("saxpy").local_bytes(n=10) == {}


def test_only_the_needed_scalars_are_sizes() -> None:
    assert entry("nbody_step").sizes == ("n",)
    assert entry("mandelbrot").sizes == ("height", "width")
    assert entry("convolve_rows").sizes == ("height", "width", "taps")


@pytest.mark.parametrize("ask", [entry, source])
def test_an_unknown_kernel_is_named_together_with_those_that_exist(ask) -> None:
    with pytest.raises(UnknownKernel, match=r"'saxpi'.*saxpy") as caught:
        ask("saxpi")
    assert caught.value.kernel == "saxpi"
    assert caught.value.known == names()
    assert isinstance(caught.value, KernelLibraryError)
    assert not isinstance(caught.value, KeyError)


@pytest.mark.parametrize(
    ("scalars", "argument", "text"),
    [
        ({}, "n", "missing"),
        ({"n": 0}, "n", "0 is not from 1 to"),
        ({"n": -1}, "n", "-1 is not from 1 to"),
        ({"n": MAX_SIZE + 1}, "n", "is not from 1 to"),
        ({"n": 1.5}, "n", "1.5 is no whole number"),
        ({"n": 10, "m": 10}, "m", "no scalar argument; there are: a, n"),
        ({"n": 10, "x": 10}, "x", "no scalar argument"),
    ],
)
@pytest.mark.parametrize("ask", ["ndrange", "buffer_bytes", "local_bytes"])
def test_a_wrong_scalar_is_refused_by_name(ask: str, scalars, argument: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text) as caught:
        getattr(entry("saxpy"), ask)(**scalars)
    assert (caught.value.kernel, caught.value.argument) == ("saxpy", argument)


def test_the_catalogue_needs_no_numpy() -> None:
    code = "import sys, accelpool_kernels as k; k.source('saxpy'); sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
