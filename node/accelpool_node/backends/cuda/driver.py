"""The CUDA driver's functions that PyCUDA has no names for, or calls with the interpreter held.

Every call lets other threads run. They need a current context, as in C: see `context`.

Source: CUDA Driver API reference, the function of the same name; enumerating kernels and asking for their
parameters is there since CUDA 12.4.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libcuda.so.1"
PARAM_END, PARAM_POINTER, PARAM_SIZE = 0, 1, 2
JIT_INFO_LOG, JIT_INFO_BYTES, JIT_ERROR_LOG, JIT_ERROR_BYTES = 3, 4, 5, 6
LOG_BYTES = 64 << 10
LARGEST_CODE, MOST_ATTRIBUTES = 1100, 256  # more than any driver has
MODULE_VERSION = Path("/proc/driver/nvidia/version")
INVALID_VALUE, NOT_FOUND, NOT_SUPPORTED = 1, 500, 801
MAX_DYNAMIC_SHARED_SIZE_BYTES = 8


class DriverError(Exception):
    """The driver refused.

    Attributes:
        routine: Its function.
        code: Its error code.
        log: What its compiler said, if that is what failed.
    """

    def __init__(self, routine: str, code: int, log: str = "") -> None:
        super().__init__(f"{name_of(code)}: {text_of(code)}")
        self.routine = routine
        self.code = code
        self.log = log


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """Where a kernel's parameter lies in its launches' block of parameters."""

    offset: int
    size: int


@functools.cache
def library() -> ctypes.CDLL:
    """Return the driver's library.

    Raises:
        OSError: There is none.
    """
    return ctypes.CDLL(LIBRARY)


def _call(routine: str, *args: object) -> None:
    function = getattr(library(), routine, None)
    code = NOT_SUPPORTED if function is None else function(*args)
    if code:
        raise DriverError(routine, code)


def name_of(code: int) -> str:
    """Return CUDA's name of an error code."""
    return _word("cuGetErrorName", code) or f"CUDA error {code}"


def text_of(code: int) -> str:
    """Return what the driver says of an error code."""
    return _word("cuGetErrorString", code)


def _word(routine: str, code: int) -> str:
    word = ctypes.c_char_p()
    if getattr(library(), routine)(code, ctypes.byref(word)) or not word.value:
        return ""
    return word.value.decode("utf-8", "replace")


@functools.cache
def codes_by_text() -> dict[str, int]:
    """Return the error codes by what the driver says of them: PyCUDA's errors tell nothing else."""
    return {text: code for code in range(LARGEST_CODE) if (text := text_of(code))}


def device_uuid(ordinal: int) -> bytes:
    """Return the 16 bytes that tell a device, or a part of one, from all others."""
    device, uuid = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    _call("cuDeviceGet", ctypes.byref(device), ordinal)
    _call("cuDeviceGetUuid_v2", uuid, device)
    return bytes(uuid)


def device_attributes(ordinal: int) -> dict[int, int]:
    """Return all attributes of a device by their numbers: those of newer drivers than PyCUDA knows, too."""
    device, value = ctypes.c_int(), ctypes.c_int()
    _call("cuDeviceGet", ctypes.byref(device), ordinal)
    ask = library().cuDeviceGetAttribute
    return {
        number: value.value
        for number in range(1, MOST_ATTRIBUTES)
        if ask(ctypes.byref(value), number, device) == 0
    }


def package_version() -> str:
    """Return the version of the driver's package, "" where the kernel does not tell it."""
    try:
        text = MODULE_VERSION.read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return found[1] if found else ""


def synchronize() -> None:
    """Wait for all that is under way in the current context."""
    _call("cuCtxSynchronize")


# ---- memory ----------------------------------------------------------------------------------------------


def allocate(size: int) -> int:
    """Return the address of new device memory."""
    address = ctypes.c_uint64()
    _call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
    return address.value


def free(address: int) -> None:
    """Give device memory back; the driver waits for what is under way on the device."""
    _call("cuMemFree_v2", ctypes.c_uint64(address))


# ---- modules ---------------------------------------------------------------------------------------------


def load(image: bytes) -> tuple[int, str]:
    """Return a module of a cubin, a fatbin or PTX, and what the compiler of PTX said."""
    module = ctypes.c_void_p()
    logs = [ctypes.create_string_buffer(LOG_BYTES) for _ in range(2)]
    names = (ctypes.c_int * 4)(JIT_INFO_LOG, JIT_INFO_BYTES, JIT_ERROR_LOG, JIT_ERROR_BYTES)
    values = (ctypes.c_void_p * 4)(ctypes.addressof(logs[0]), LOG_BYTES, ctypes.addressof(logs[1]), LOG_BYTES)
    terminated = ctypes.create_string_buffer(image)  # PTX is a text, and ends as C's do
    code = library().cuModuleLoadDataEx(ctypes.byref(module), terminated, 4, names, values)
    said = "\n".join(text for log in logs if (text := log.value.decode("utf-8", "replace").strip()))
    if code:
        raise DriverError("cuModuleLoadDataEx", code, said)
    assert module.value is not None, "it is loaded"
    return module.value, said


def unload(module: int) -> None:
    """Give a module back."""
    _call("cuModuleUnload", ctypes.c_void_p(module))


def kernels_of(module: int) -> dict[str, int]:
    """Return a module's kernels by their names, loaded: the driver loads each at its first launch else."""
    count = ctypes.c_uint()
    _call("cuModuleGetFunctionCount", ctypes.byref(count), ctypes.c_void_p(module))
    functions = (ctypes.c_void_p * max(count.value, 1))()
    _call("cuModuleEnumerateFunctions", functions, count, ctypes.c_void_p(module))
    found = [function for function in functions[: count.value] if function is not None]
    for function in found:
        _call("cuFuncLoad", ctypes.c_void_p(function))
    return {_name(function): function for function in found}


def _name(function: int) -> str:
    word = ctypes.c_char_p()
    _call("cuFuncGetName", ctypes.byref(word), ctypes.c_void_p(function))
    return (word.value or b"").decode("utf-8", "replace")


def parameters_of(function: int) -> list[Parameter]:
    """Return a kernel's parameters, in their order."""
    found: list[Parameter] = []
    offset, size = ctypes.c_size_t(), ctypes.c_size_t()
    while True:
        code = library().cuFuncGetParamInfo(
            ctypes.c_void_p(function),
            ctypes.c_size_t(len(found)),
            ctypes.byref(offset),
            ctypes.byref(size),
        )
        if code == INVALID_VALUE:
            return found
        if code:
            raise DriverError("cuFuncGetParamInfo", code)
        found.append(Parameter(offset=offset.value, size=size.value))


def variable_of(module: int, name: str) -> tuple[int, int]:
    """Return the address and the bytes of a module's variable."""
    address, size = ctypes.c_uint64(), ctypes.c_size_t()
    _call(
        "cuModuleGetGlobal_v2",
        ctypes.byref(address),
        ctypes.byref(size),
        ctypes.c_void_p(module),
        name.encode(),
    )
    return address.value, size.value


def attribute_of(function: int, attribute: int) -> int:
    """Return a kernel's attribute by its number."""
    value = ctypes.c_int()
    _call("cuFuncGetAttribute", ctypes.byref(value), attribute, ctypes.c_void_p(function))
    return value.value


def set_attribute(function: int, attribute: int, value: int) -> None:
    """Set a kernel's attribute by its number; the number and the value have 32 bits."""
    _call("cuFuncSetAttribute", ctypes.c_void_p(function), attribute, value)


def prefer_cache(function: int, preference: int) -> None:
    """Say which a kernel prefers, shared memory or cache, by a CUfunc_cache."""
    _call("cuFuncSetCacheConfig", ctypes.c_void_p(function), preference)


class Launcher:
    """Launches of a kernel, with what the driver is told kept from one to the next.

    Args:
        function: The kernel.
        size: Bytes of its block of parameters.
    """

    def __init__(self, function: int, size: int) -> None:
        self._function = function
        self._block = ctypes.create_string_buffer(max(size, 1))
        self._size = ctypes.c_size_t(size)
        told = (
            PARAM_POINTER,
            ctypes.addressof(self._block),
            PARAM_SIZE,
            ctypes.addressof(self._size),
            PARAM_END,
        )
        self._told = (ctypes.c_void_p * len(told))(*told) if size else None
        self._launching = threading.Lock()

    def launch(
        self, grid: Sequence[int], block: Sequence[int], shared: int, stream: int, parameters: bytes
    ) -> None:
        """Launch it.

        Args:
            grid: Its blocks, in three dimensions.
            block: Each one's threads, in three dimensions.
            shared: Bytes of dynamic shared memory.
            stream: Where to.
            parameters: Their block, which the driver copies.
        """
        with self._launching:
            ctypes.memmove(self._block, parameters, len(parameters))
            code = _launcher()(self._function, *grid, *block, shared, stream, None, self._told)
        if code:
            raise DriverError("cuLaunchKernel", code)


@functools.cache
def _launcher() -> Callable[..., int]:
    function = library().cuLaunchKernel
    pointer = ctypes.c_void_p
    function.argtypes = (pointer, *[ctypes.c_uint] * 7, pointer, pointer, pointer)
    return function
