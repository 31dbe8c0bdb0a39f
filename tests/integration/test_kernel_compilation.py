"""The kernel library in CUDA C++, compiled by nvcc where there is one: it needs no GPU."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from accelpool_kernels import Role, entry, names, source

NVCC = shutil.which("nvcc")
ARCHITECTURES = (75, 90)
LIMIT_S = 120.0
PARAMETER = re.compile(r"\.param \.(\w+)(?: \.ptr[^,\n]*)? \w+_param_\d+")
BOUND = re.compile(r"\.maxntid (\d+)")
SCALARS = {"int": ("u32", "s32", "b32"), "float": ("f32", "b32")}
POINTER = ("u64", "b64")

pytestmark = pytest.mark.skipif(NVCC is None, reason="there is no nvcc on the PATH")
every_kernel = pytest.mark.parametrize("name", names())
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda number: f"sm_{number}")


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What nvcc made of a kernel.

    Attributes:
        said: Its words.
        ptx: The text, by architecture.
        cubins: The machine code, by architecture.
    """

    said: str
    ptx: dict[int, str]
    cubins: dict[int, bytes]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Compiled]:
    """Compiles a kernel of the library, once."""
    known: dict[str, Compiled] = {}

    def get(name: str) -> Compiled:
        if name not in known:
            known[name] = compile_kernel(name, tmp_path_factory.mktemp(name))
        return known[name]

    return get


def compile_kernel(name: str, folder: Path) -> Compiled:
    """Compile a kernel for all architectures at once; nvcc keeps what it makes on the way."""
    file = folder / f"{name}.cu"
    file.write_text(source(name, "cuda"))
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    command = [str(NVCC), "--fatbin", *targets, "--keep", f"--keep-dir={folder}", "-Werror=all-warnings"]
    run = subprocess.run(
        [*command, f"-o={folder / 'all.fatbin'}", str(file)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=folder,
    )
    assert run.returncode == 0, f"{run.stdout}{run.stderr}"
    return Compiled(
        said=f"{run.stdout}{run.stderr}",
        ptx={number: (folder / f"{name}.compute_{number}.ptx").read_text() for number in ARCHITECTURES},
        cubins={number: (folder / f"{name}.compute_{number}.cubin").read_bytes() for number in ARCHITECTURES},
    )


@every_kernel
def test_nvcc_compiles_the_kernel_without_a_word(name: str, compiled: Callable[[str], Compiled]) -> None:
    assert compiled(name).said == ""


@every_architecture
@every_kernel
def test_ptx_and_cubin_have_the_kernel_by_its_name(
    name: str, architecture: int, compiled: Callable[[str], Compiled]
) -> None:
    made = compiled(name)
    assert re.findall(r"\.visible \.entry (\w+)\(", made.ptx[architecture]) == [name]
    assert f".target sm_{architecture}" in made.ptx[architecture]
    assert made.cubins[architecture].startswith(b"\x7fELF")
    assert f".text.{name}\0".encode() in made.cubins[architecture]


@every_architecture
@every_kernel
def test_the_parameters_are_the_catalogues(
    name: str, architecture: int, compiled: Callable[[str], Compiled]
) -> None:
    declared = re.search(rf"\.entry {name}\(([^)]*)\)", compiled(name).ptx[architecture])
    assert declared is not None
    types = PARAMETER.findall(declared[1])
    expected = [SCALARS[a.type] if a.role is Role.SCALAR else POINTER for a in entry(name).parameters]
    assert len(types) == len(expected)
    for found, possible in zip(types, expected, strict=True):
        assert found in possible


@every_architecture
@every_kernel
def test_a_block_has_as_many_threads_as_the_kernel_counts_on(
    name: str, architecture: int, compiled: Callable[[str], Compiled]
) -> None:
    ptx = compiled(name).ptx[architecture]
    bound = BOUND.search(ptx)
    if bound is None:
        assert "bar.sync" not in ptx
        return
    assert int(bound[1]) == math.prod(entry(name).rule.local_size)


@every_architecture
def test_the_exact_kernel_has_no_fused_operations(
    architecture: int, compiled: Callable[[str], Compiled]
) -> None:
    assert "fma" not in compiled("mandelbrot").ptx[architecture]
    assert "fma" in compiled("saxpy").ptx[architecture]
