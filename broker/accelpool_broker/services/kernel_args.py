"""Kernel arguments over REST: JSON values become the bytes that OpenCL expects, checked against the kernel.

    {"buffer": "buf_..."}              global and constant pointers; null is the null pointer
    {"type": "float", "value": 2.0}    private scalars, with OpenCL C's type names
    {"type": "float4", "value": [..]}  private vectors of 2, 3, 4, 8 or 16
    {"local_bytes": 64}                local pointers; for a kernel of CUDA, after all its parameters, the
                                       launch's dynamic shared memory

Source: OpenCL C 3.0, sections 6.3.1 and 6.3.2; a vector of 3 has the size of one of 4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accelpool_wire import messages as m
from accelpool_wire.errors import Invalid

FORMATS = {
    "char": "b", "uchar": "B", "short": "h", "ushort": "H",
    "int": "i", "uint": "I", "long": "q", "ulong": "Q",
    "half": "e", "float": "f", "double": "d",
}  # fmt: skip
REALS = frozenset({"half", "float", "double"})
TYPE = re.compile(r"([a-z]+?)(2|3|4|8|16)?")
ADDRESS_SPACES = {0x119B: "global", 0x119C: "local", 0x119D: "constant", 0x119E: "private"}
UNSIGNED = re.compile(r"\bunsigned (char|short|int|long)\b")
MAX_LOCAL_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What is known of a kernel's parameter; `address` is an address space of OpenCL C."""

    name: str
    type: str
    address: str


def parameters(kernel: m.KernelInfo) -> list[Parameter]:
    """Return a kernel's parameters; none where the compiler keeps no argument info."""
    return [
        Parameter(
            name=arg.name,
            type=UNSIGNED.sub(r"u\1", arg.type_name),
            address=ADDRESS_SPACES.get(arg.address_qualifier, "private"),
        )
        for arg in kernel.args
    ]


def wire_args(
    kernel: m.KernelInfo,
    args: Sequence[Mapping[str, Any] | None],
    buffers: Mapping[str, int],
    *,
    has_shared: bool = False,
) -> list[m.KernelArg]:
    """Return the arguments as the data plane takes them.

    Args:
        kernel: The kernel that they are for.
        args: As in the REST API, by position.
        buffers: Handles of the session's buffers, by id.
        has_shared: Whether local memory may follow the last of them, as for CUDA.

    Raises:
        Invalid: Their number, or one of them, is not what the kernel takes.
    """
    known = parameters(kernel)
    count = len(args)
    if has_shared and args and args[-1] is not None and "local_bytes" in args[-1]:
        count -= 1
    if count != kernel.num_args:
        expected = ", ".join(f"{parameter.type} {parameter.name}" for parameter in known)
        told = f": {expected}" if expected else ""
        raise Invalid(f"kernel {kernel.name} takes {kernel.num_args} arguments, not {count}{told}")
    return [
        _wire_arg(
            kernel.name, place, arg, known[place] if known else None, buffers
        )
        for place, arg in enumerate(args)
    ]  # fmt: skip


def _wire_arg(
    kernel: str,
    place: int,
    arg: Mapping[str, Any] | None,
    parameter: Parameter | None,
    buffers: Mapping[str, int],
) -> m.KernelArg:
    where = f"argument {place} of kernel {kernel}"
    if parameter is not None:
        where = f"argument {place} ({parameter.type} {parameter.name}) of kernel {kernel}"
        _check_form(where, arg, parameter.address)
    if arg is None:
        return None
    if "buffer" in arg:
        if arg["buffer"] not in buffers:
            raise Invalid(f"{where}: there is no buffer {arg['buffer']} under this lease")
        return buffers[arg["buffer"]]
    if "local_bytes" in arg:
        return m.LocalMemory(arg["local_bytes"])
    wanted = parameter.type if parameter is not None else None
    type_name = arg.get("type") or wanted
    if type_name is None:
        raise Invalid(f"{where}: the compiler kept no types, so a value needs its type")
    if wanted is not None and type_name != wanted and _split(wanted) is not None:
        raise Invalid(f"{where} must be of type {wanted}, not {type_name}")
    return pack(where, type_name, arg.get("value"))


def _check_form(where: str, arg: Mapping[str, Any] | None, address: str) -> None:
    form = next((name for name in ("buffer", "local_bytes") if arg is not None and name in arg), "value")
    expected = {"global": "buffer", "constant": "buffer", "local": "local_bytes", "private": "value"}[address]
    if arg is None and expected == "buffer":
        return
    if arg is None or form != expected:
        forms = {
            "buffer": 'a buffer, {"buffer": ID}',
            "local_bytes": 'local memory, {"local_bytes": N}',
            "value": 'a value, {"type": TYPE, "value": V}',
        }
        given = "null" if arg is None else forms[form].partition(",")[0]
        raise Invalid(f"{where} must be {forms[expected]}, not {given}")


def pack(where: str, type_name: str, value: Any) -> bytes:
    """Return the bytes of a scalar or vector; `where` names it in errors.

    Raises:
        Invalid: The type is none of OpenCL C's, or the value is not of it, or out of its range.
    """
    found = _split(type_name)
    if found is None:
        raise Invalid(
            f"{where}: {type_name} is no scalar or vector type: {', '.join(FORMATS)}, or with 2 to 16"
        )
    base, length = found
    if length == 1:
        return struct.pack(f"<{FORMATS[base]}", *_numbers(where, base, [value]))
    if not isinstance(value, list) or len(value) != length:
        raise Invalid(f"{where}: a {type_name} is an array of {length} numbers, not {value!r:.80}")
    padded = [*_numbers(where, base, value), *([0] if length == 3 else [])]
    return struct.pack(f"<{len(padded)}{FORMATS[base]}", *padded)


def _split(type_name: str) -> tuple[str, int] | None:
    match = TYPE.fullmatch(type_name)
    if match is None or match[1] not in FORMATS:
        return None
    return match[1], int(match[2] or 1)


def _numbers(where: str, base: str, values: Sequence[Any]) -> list[int] | list[float]:
    if base in REALS:
        return [_real(where, base, value) for value in values]
    return [_integer(where, base, value) for value in values]


def _integer(where: str, base: str, value: Any) -> int:
    bits = 8 * struct.calcsize(f"<{FORMATS[base]}")
    low, high = (0, 2**bits - 1) if base.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Invalid(f"{where}: a {base} is a whole number from {low} to {high}, not {value!r:.80}")
    return value


def _real(where: str, base: str, value: Any) -> float:
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid(f'{where}: a {base} is a number, "nan", "inf" or "-inf", not {value!r:.80}')
    try:
        number = float(value)
        struct.pack(f"<{FORMATS[base]}", number)
    except OverflowError as error:
        raise Invalid(f"{where}: {value!r:.80} is out of the range of {base}") from error
    return number
