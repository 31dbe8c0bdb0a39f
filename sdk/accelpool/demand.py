"""What devices are asked for: the part of `acquire`'s arguments that may have alternatives."""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, SupportsIndex, cast

from accelpool.errors import Invalid

KINDS = ("any", "gpu", "cpu", "accelerator", "custom")
APIS = ("", "opencl", "cuda")
PLACEMENTS = ("near", "same_node", "spread", "pack")
MAX_COUNT = 256
MAX_BYTES = (1 << 63) - 1

UNITS = {
    "": 1, "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """Devices that would do, together or not at all.

    Without `memory` and `compute` whole devices are meant; with one of them the other is in proportion: half
    the memory of a device goes with half its time.

    Args:
        kind: "gpu", "cpu", "accelerator", "custom", or "any" for the first of them that is free.
        api: What programs on it are written for: "opencl" or "cuda"; "" for anything but CUDA.
        count: How many devices.
        memory: Memory on each: bytes, a string such as "2GiB" or "25%", or a float, which is a fraction.
        compute: The part of each device's time that is guaranteed where others want it too: a fraction above
            0 and up to 1, or a string such as "25%".
        exclusive: Whole devices, which have at least that memory.
        where: An expression in CEL that holds for each device, such as 'device.memory_bytes > 8 * GiB'.
        placement: Several devices lie "near" each other if that is possible now, on the "same_node", "spread"
            over
            nodes, or "pack"ed on the nodes most used.
        image: The SHA-256 of a binary: devices that are programmed with it come first.
        tolerates: Taints of nodes that do not matter.
        device: A device's id, to ask for that one.
        devices: Several devices' ids, to ask for all of these and no others.

    Raises:
        Invalid: Which argument is not possible, and what was expected.
    """

    kind: str = "any"
    api: str = field(default="", kw_only=True)
    count: int = field(default=1, kw_only=True)
    memory: int | float | str | None = field(default=None, kw_only=True)
    compute: int | float | str | None = field(default=None, kw_only=True)
    exclusive: bool = field(default=False, kw_only=True)
    where: str = field(default="", kw_only=True)
    placement: str = field(default="near", kw_only=True)
    image: str = field(default="", kw_only=True)
    tolerates: Sequence[str] = field(default=(), kw_only=True)
    device: str | None = field(default=None, kw_only=True)
    devices: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Check what was given before anything is sent."""
        _check_kind(self.kind)
        if self.api not in APIS:
            raise invalid("api", f"one of {', '.join(map(repr, APIS))}", self.api)
        count = whole(self.count)
        if count is None or not 1 <= count <= MAX_COUNT:
            raise invalid("count", f"a number of devices from 1 to {MAX_COUNT}", self.count)
        memory_of(self.memory)
        compute_of(self.compute)
        if self.placement not in PLACEMENTS:
            raise invalid("placement", f"one of {', '.join(map(repr, PLACEMENTS))}", self.placement)
        check_text("where", self.where, "an expression, a string such as 'device.memory_bytes > 8 * GiB'")
        check_text("image", self.image, "the SHA-256 of a binary, a string")
        check_flag("exclusive", self.exclusive)
        _check_list("tolerates", self.tolerates, "a list of strings")
        _check_list("devices", self.devices, "a list of devices' ids, strings as `Device.pool_id` has them")
        _check_device(self.device)

    def body(self) -> dict[str, Any]:
        """Return its JSON: what differs from what the broker assumes."""
        count = len(self.devices) or operator.index(self.count)
        given = {
            "api": self.api,
            **memory_of(self.memory),
            **compute_of(self.compute),
            "exclusive": self.exclusive,
            "where": self.where,
            "image": self.image,
            "tolerates": list(self.tolerates),
            "device": self.device,
            "devices": list(self.devices),
        }
        placement = {} if self.placement == "near" else {"placement": self.placement}
        return {"kind": self.kind, "count": count, **placement} | {
            name: value for name, value in given.items() if value
        }


def memory_of(memory: float | str | None) -> dict[str, int | float]:
    """Return what the broker is told of an amount of memory: bytes, or a fraction.

    Args:
        memory: Bytes, a string such as "2GiB", "500 MB" or "25%", or a float, which is a fraction.

    Raises:
        Invalid: It is no amount of memory, or none at all.
    """
    if memory is None:
        return {}
    fraction = _fraction(memory)
    if fraction is not None and 0 < fraction <= 1:
        return {"memory_fraction": fraction}
    size = None if fraction is not None else _bytes(memory)
    if size is None or not 1 <= size <= MAX_BYTES:
        units = ", ".join(filter(None, UNITS))
        amount = f"bytes, at least 1, or a string with a number and one of {units}, such as '2GiB'"
        raise invalid("memory", f"{amount}; or a fraction, as '25%' or a float above 0 and up to 1", memory)
    return {"memory_bytes": size}


def compute_of(compute: float | str | None) -> dict[str, float]:
    """Return what the broker is told of a part of a device's time: a fraction.

    Args:
        compute: A fraction, or a string such as "25%" or "0.25".

    Raises:
        Invalid: It is no such part, none at all, or more than there is.
    """
    if compute is None:
        return {}
    fraction = _percentage(compute) if isinstance(compute, str) else number(compute)
    if fraction is None and isinstance(compute, str):
        with contextlib.suppress(ValueError):
            fraction = float(compute)
    if fraction is None or not 0 < fraction <= 1:
        part = "a fraction of a device's time, above 0 and up to 1, or a string such as '25%'"
        raise invalid("compute", part, compute)
    return {"compute": fraction}


def _fraction(memory: float | str) -> float | None:
    if isinstance(memory, str):
        return _percentage(memory)
    return None if whole(memory) is not None else number(memory)


def _percentage(text: str) -> float | None:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    return float(match[1]) / 100 if match else None


def _bytes(memory: float | str) -> int | None:
    if not isinstance(memory, str):
        return whole(memory)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", memory)
    return int(Decimal(match[1]) * UNITS[match[2]]) if match and match[2] in UNITS else None


def _check_kind(kind: object) -> None:
    if not isinstance(kind, str) or kind not in KINDS:
        hint = f"; {kind.lower()!r} is" if isinstance(kind, str) and kind.lower() in KINDS else ""
        raise invalid("kind", f"one of {', '.join(map(repr, KINDS))}", kind, hint)


def _check_device(device: object) -> None:
    if device is not None and not (isinstance(device, str) and device):
        raise invalid("device", "a device's id, a string as `Device.pool_id` has it", device, _hint(device))


def _check_list(name: str, values: object, expected: str) -> None:
    """Raise `Invalid` if something is no list of strings."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Collection):
        raise invalid(name, expected, values, _hint(values))
    for value in values:
        if not isinstance(value, str):
            raise invalid(name, expected, values, _hint(value))


def _hint(device: object) -> str:
    """Return the id of a device that was given in its place."""
    pool_id = getattr(device, "pool_id", "")
    return f"; that one's is {pool_id!r}" if pool_id else ""


def check_text(name: str, value: object, expected: str) -> None:
    """Raise `Invalid` if an argument is no string."""
    if not isinstance(value, str):
        raise invalid(name, expected, value)


def check_flag(name: str, value: object) -> None:
    """Raise `Invalid` if an argument is neither true nor false; a string never is."""
    if isinstance(value, str):
        raise invalid(name, "True or False", value)


def whole(value: object) -> int | None:
    """Return a whole number as an int, anything else as None."""
    try:
        return operator.index(cast(SupportsIndex, value))
    except TypeError:
        return None


def number(value: object) -> float:
    """Return a number as a float, anything else as not-a-number."""
    try:
        return float("nan") if isinstance(value, (str, bytes)) else float(cast(float, value))
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def invalid(parameter: str, expected: str, value: object, hint: str = "") -> Invalid:
    """Return the error for an argument that is not possible."""
    return Invalid(f"{parameter} is {expected}, not {value!r}{hint}", parameter=parameter)
