"""CUDA C++ compiled by the node: no compiler is needed here.

Files that a source includes and that are here, in folders that it is said to look in, go along with it; so do
PyCUDA's own headers where it is installed. All other includes are the node's.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from accelpool.build_options import BuildOptions, compiler_options
from accelpool.cuda.contexts import Context, current
from accelpool.cuda.errors import CompileError, cuda_error, failed
from accelpool.cuda.functions import Function
from accelpool.cuda.missing import UNLINKED, why_missing
from accelpool.cuda.modules import Module, program_from_source
from accelpool.cuda.upper_layer import pycuda_folder
from accelpool.errors import Error as LowerError
from accelpool.includes import with_includes
from accelpool.program import Program
from accelpool_wire.codes import ErrorCode

DEFAULT_NVCC_FLAGS: list[str] = []
NOT_COMPILED = (
    ErrorCode.BUILD_PROGRAM_FAILURE,
    ErrorCode.COMPILE_PROGRAM_FAILURE,
    ErrorCode.LINK_PROGRAM_FAILURE,
    ErrorCode.INVALID_BUILD_OPTIONS,
    ErrorCode.INVALID_COMPILER_OPTIONS,
    ErrorCode.COMPILER_NOT_AVAILABLE,
)

if not TYPE_CHECKING:  # to a type checker any name would be there

    def __getattr__(name: str) -> object:
        """Say of PyCUDA's other names why they are not here.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(why_missing(name, "compiler"), name=name, obj=sys.modules[__name__])


def compile(
    source: str,
    nvcc: str = "nvcc",
    options: Sequence[str] | None = None,
    keep: bool = False,  # noqa: ARG001 - no files are made here
    no_extern_c: bool = False,
    arch: str | None = None,
    code: str | None = None,
    cache_dir: Any = None,  # noqa: ARG001 - nodes cache, clients do not
    include_dirs: Sequence[str] | None = None,
    target: str = "cubin",
) -> bytes:
    """Return the code of a source for the current context's device: two round trips.

    Args:
        source: CUDA C++.
        nvcc: A name for messages.
        options: The compiler's.
        keep: Of no effect here, as is `cache_dir`.
        no_extern_c: Whether the source is taken as it is, and not put into `extern "C" {}`.
        arch: What to compile for, such as "sm_80"; None for the device.
        code: As of nvcc.
        cache_dir: See `keep`.
        include_dirs: Folders of this machine where included files are looked for.
        target: "cubin"; nodes make nothing else.

    Raises:
        CompileError: It does not compile, and why.
    """
    if target != "cubin":
        raise CompileError(f"nodes compile to cubins, not to {target}", [nvcc, f"--{target}"])
    context = current("compile")
    program = _compiled(context, source, nvcc, options, no_extern_c, arch, code, include_dirs)
    return context._lower._session.fetch_binaries(program._handle)[0]


def compile_plain(
    source: str,
    options: Sequence[str],
    keep: bool,
    nvcc: str,
    cache_dir: Any,
    target: str = "cubin",
) -> bytes:
    """Return the code of a source as it is, with no options but these; as `compile`."""
    return compile(source, nvcc, options, keep, True, cache_dir=cache_dir, target=target)


class CudaModule:
    """A module, however it was made.

    Attributes:
        module: The `Module`.
    """

    module: Module

    def get_function(self, name: str) -> Function:
        """Return a kernel; as `Module.get_function`."""
        return self.module.get_function(name)

    def get_global(self, name: str) -> tuple[int, int]:
        """Return the address and the size of a variable; as `Module.get_global`."""
        return self.module.get_global(name)

    def get_texref(self, name: str) -> NoReturn:
        """Refuse; as `Module.get_texref`."""
        self.module.get_texref(name)

    def get_surfref(self, name: str) -> NoReturn:
        """Refuse; as `Module.get_surfref`."""
        self.module.get_surfref(name)


class SourceModule(CudaModule):
    """A module from CUDA C++, compiled by the node of the current context: one round trip.

    Args:
        source: As of `compile`, and so are all others.
        nvcc: ...
        options: ...
        keep: ...
        no_extern_c: ...
        arch: ...
        code: ...
        cache_dir: ...
        include_dirs: ...

    Raises:
        CompileError: The source does not compile, and why.
    """

    def __init__(
        self,
        source: str,
        nvcc: str = "nvcc",
        options: Sequence[str] | None = None,
        keep: bool = False,  # noqa: ARG002 - as of `compile`
        no_extern_c: bool = False,
        arch: str | None = None,
        code: str | None = None,
        cache_dir: Any = None,  # noqa: ARG002 - likewise
        include_dirs: Sequence[str] | None = None,
    ) -> None:
        context = current("SourceModule")
        program = _compiled(context, source, nvcc, options, no_extern_c, arch, code, include_dirs)
        self.module: Module = Module(context, program)


class DynamicModule(CudaModule):
    """Refuses: a module of parts that are linked, which nodes do not do.

    Raises:
        LogicError: CUDA_ERROR_NOT_SUPPORTED, always, and what does instead.
    """

    def __init__(self, *args: object, **options: object) -> None:  # noqa: ARG002
        raise failed("cuLinkCreate", "NOT_SUPPORTED", UNLINKED)


class DynamicSourceModule(DynamicModule):
    """Refuses, as `DynamicModule`."""


def _compiled(
    context: Context,
    source: str,
    nvcc: str,
    options: Sequence[str] | None,
    no_extern_c: bool,
    arch: str | None,
    code: str | None,
    include_dirs: Sequence[str] | None,
) -> Program:
    given = [*(DEFAULT_NVCC_FLAGS if options is None else options)]
    given += ["-arch", arch] if arch is not None else []
    given += ["-code", code] if code is not None else []
    found = _folders(given, include_dirs or ())
    text = source if no_extern_c else f'extern "C" {{\n{source}\n}}\n'
    try:
        return program_from_source(context, with_includes(text, found, is_opencl=False), found.sent)
    except LowerError as error:
        if error.code not in NOT_COMPILED:
            raise cuda_error("cuModuleLoadDataEx", error) from error
        command = [nvcc, *shlex.split(found.sent), "kernel.cu"]
        raise CompileError("nvcc compilation of kernel.cu failed", command, stderr=error.what) from error


def _folders(given: list[str], include_dirs: Sequence[str]) -> BuildOptions:
    """Return the options, and the folders of this machine that they and PyCUDA add."""
    told = compiler_options([*given, *(f"-I{folder}" for folder in include_dirs)], is_opencl=False)
    package = pycuda_folder()
    headers = [package / "cuda"] if package is not None else []
    folders = [folder for folder in told.folders if folder != Path()]
    return BuildOptions(
        text=told.text,
        sent=told.sent,
        folders=(*folders, *headers),
        definitions=told.definitions,
        named=told.named,
    )
