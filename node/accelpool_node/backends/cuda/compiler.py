"""CUDA C++ to what the driver loads: by NVRTC where there is one, else by nvcc through PyCUDA."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence

from accelpool_node.backends.cuda import nvrtc
from accelpool_node.backends.cuda.core import cuda, refused
from accelpool_node.backends.cuda.nvrtc import Compiled
from accelpool_node.backends.cuda.options import has_architecture, parse
from accelpool_wire.codes import ErrorCode

ROUTINE = "clBuildProgram"
NVCC_ONLY = ("-O", "--optimize", "-code", "--gpu-code", "--res-usage", "-res-usage")


def compile_source(source: str, options: str, capability: tuple[int, int], driver_version: int) -> Compiled:
    """Compile CUDA C++.

    Args:
        source: The text.
        options: The compiler's, as a shell would split them.
        capability: The device's compute capability.
        driver_version: CUDA's version that the driver knows, 1000 * major + 10 * minor.

    Raises:
        RuntimeError: BUILD_PROGRAM_FAILURE with the compiler's log, or COMPILER_NOT_AVAILABLE.
        LogicError: INVALID_BUILD_OPTIONS.
    """
    words = parse(options, ROUTINE)
    library = nvrtc.load(driver_version // 1000)
    if library is not None:
        return _by_nvrtc(library, source, words, capability)
    if shutil.which("nvcc") is None:
        what = "there is neither an NVRTC library nor nvcc on this node"
        raise refused(ROUTINE, ErrorCode.COMPILER_NOT_AVAILABLE, what)
    return _by_nvcc(source, words, capability)


def _by_nvrtc(
    library: nvrtc.Nvrtc, source: str, words: Sequence[str], capability: tuple[int, int]
) -> Compiled:
    wanted = 10 * capability[0] + capability[1]
    own = [] if has_architecture(list(words)) else [_architecture(library, wanted)]
    folders = [f"--include-path={folder}" for folder in library.include_folders()]
    passed = [word for word in words if not word.startswith(NVCC_ONLY)]
    try:
        return library.compile(source, [*own, *passed, *folders])
    except nvrtc.NvrtcError as error:
        if error.is_of_source:
            raise refused(ROUTINE, ErrorCode.BUILD_PROGRAM_FAILURE, str(error)) from error
        raise refused(ROUTINE, ErrorCode.OUT_OF_RESOURCES, str(error)) from error


def _architecture(library: nvrtc.Nvrtc, wanted: int) -> str:
    """Return the option that names a device's architecture, or the nearest one below that is known."""
    known = library.architectures()
    if wanted in known:
        return f"--gpu-architecture=sm_{wanted}"
    older = [architecture for architecture in known if architecture < wanted] or known
    return f"--gpu-architecture=compute_{older[-1]}"


def _by_nvcc(source: str, words: Sequence[str], capability: tuple[int, int]) -> Compiled:
    from pycuda import compiler  # pyright: ignore[reportMissingImports]  # it looks for folders of its own as it is loaded

    own = None if has_architecture(list(words)) else f"sm_{capability[0]}{capability[1]}"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")  # PyCUDA warns with what the compiler says
        try:
            image = compiler.compile(
                source, options=list(words), no_extern_c=True, arch=own, cache_dir=False, target="cubin"
            )
        except cuda.CompileError as error:
            log = "\n".join(part.strip() for part in (error.stdout, error.stderr) if part and part.strip())
            raise refused(ROUTINE, ErrorCode.BUILD_PROGRAM_FAILURE, log or error.msg) from error
        except OSError as error:  # a sandbox lets nobody run it
            what = f"there is no NVRTC library on this node, and nvcc cannot be run: {error}"
            raise refused(ROUTINE, ErrorCode.COMPILER_NOT_AVAILABLE, what) from error
    return Compiled(image=image, log="\n".join(str(warning.message) for warning in said))
