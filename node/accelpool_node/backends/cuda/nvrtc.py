"""NVRTC, NVIDIA's compiler as a library: CUDA C++ in, a cubin out, with no process and no file.

Source: NVRTC's documentation of CUDA 13, the function of the same name.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelpool_node import cuda_toolkit

OF_SOURCE = frozenset({5, 6})  # NVRTC_ERROR_INVALID_OPTION, NVRTC_ERROR_COMPILATION


class NvrtcError(Exception):
    """NVRTC refused; `is_of_source` says that it did not like the source or the options."""

    def __init__(self, routine: str, code: int, log: str) -> None:
        super().__init__(log or f"{routine} failed with {code}")
        self.is_of_source = code in OF_SOURCE


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What came of a source: a cubin or PTX, and what the compiler said."""

    image: bytes
    log: str


@dataclass(frozen=True)
class Nvrtc:
    """NVRTC, loaded.

    Attributes:
        library: Its functions.
        path: Where it is.
    """

    library: ctypes.CDLL
    path: str

    def include_folders(self) -> list[str]:
        """Return the folders of CUDA's own headers that belong to it, as far as there are any."""
        above = Path(os.path.realpath(self.path)).parents
        places = [parent / "include" for parent in list(above)[:4]]
        places += [Path(found) for found in glob.glob(str(above[2] / "cuda_runtime" / "include"))]
        places += [Path(root) / "include" for pattern in cuda_toolkit.TOOLKITS for root in glob.glob(pattern)]
        return [str(place) for place in places if (place / "cuda_fp16.h").exists()][:1]

    def architectures(self) -> list[int]:
        """Return the compute capabilities that it compiles for, as 10 * major + minor, ascending."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", found)
        return sorted(found)

    def compile(self, source: str, options: Sequence[str]) -> Compiled:
        """Return what comes of a source: a cubin for a real architecture, else PTX.

        Raises:
            NvrtcError: It does not compile; the log says why.
        """
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"source.cu", 0, None, None)
        try:
            words = [option.encode() for option in options]
            given = (ctypes.c_char_p * len(words))(*words)
            code = self.library.nvrtcCompileProgram(program, len(words), given)
            log = self._text("nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program)
            said = log.rstrip(b"\0").decode("utf-8", "replace").strip()
            if code:
                raise NvrtcError("nvrtcCompileProgram", code, said)
            image = self._text("nvrtcGetCUBINSize", "nvrtcGetCUBIN", program)
            image = image or self._text("nvrtcGetPTXSize", "nvrtcGetPTX", program)
            return Compiled(image=image, log=said)
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))

    def _text(self, size_routine: str, routine: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._call(size_routine, program, ctypes.byref(size))
        if not size.value:
            return b""
        content = ctypes.create_string_buffer(size.value)
        self._call(routine, program, content)
        return content.raw

    def _call(self, routine: str, *args: object) -> None:
        code = getattr(self.library, routine)(*args)
        if code:
            raise NvrtcError(routine, code, "")


@functools.cache
def load(newest: int) -> Nvrtc | None:
    """Return NVRTC, or None where there is none.

    Args:
        newest: The largest major version that the driver knows: a newer one may make what it cannot load.
    """
    for path in _candidates(newest):
        try:
            for part in glob.glob(f"{os.path.dirname(path)}/libnvrtc-builtins.so.*"):
                ctypes.CDLL(part)  # NVRTC asks the system's loader for it, which may not know this folder
            return Nvrtc(ctypes.CDLL(path), path)
        except OSError:
            continue
    return None


def _candidates(newest: int) -> list[str]:
    """Return where NVRTC may be: the newest one that fits first."""
    versions = cuda_toolkit.nvrtc_libraries(os.environ)
    fitting = [path for path, version in versions.items() if version <= newest]
    named = [name for name in cuda_toolkit.LOADABLE if int(name.split(".")[2]) <= newest]
    return [*sorted(fitting, key=lambda path: -versions[path]), *named]
