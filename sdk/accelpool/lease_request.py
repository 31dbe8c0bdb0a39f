"""What a lease is asked for with: `acquire`'s arguments, checked before anything is sent."""

from __future__ import annotations

import math
import operator
import os
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, SupportsIndex, cast

from accelpool.errors import Invalid

KINDS = ("any", "gpu", "cpu", "accelerator", "custom")
MAX_COUNT = 256
MAX_BYTES = (1 << 63) - 1
MIN_TTL_S, MAX_TTL_S = 5, 86400
# A living client withdraws in time itself, and knows why it waited; the broker sees to dead ones.
MARGIN_S = 5.0
LONGEST_S = 7 * 86400.0

UNITS = {
    "": 1, "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LeaseRequest:
    """What to ask for, and how long to wait for it.

    Attributes:
        kind: "gpu", "cpu", "accelerator", "custom" or "any".
        count: How many devices.
        memory_bytes: Memory that each must have; None for a whole device.
        ttl_s: How long the lease lasts from its last renewal.
        device: A device's id, to ask for that one.
        devices: Several devices' ids, to ask for all of these and no others.
        wait_s: How long to wait while it is queued; None for as long as it takes.
        client: Who asks, for the pool's lists.
    """

    kind: str = "any"
    count: int = 1
    memory_bytes: int | None = None
    ttl_s: float = 60.0
    device: str | None = None
    devices: tuple[str, ...] = ()
    wait_s: float | None = None
    client: str = ""

    @classmethod
    def of(
        cls,
        kind: str,
        *,
        count: int,
        memory: int | str | None,
        wait: bool | float | None,
        ttl: float,
        device: str | None,
    ) -> LeaseRequest:
        """Return the request for `acquire`'s arguments.

        Raises:
            Invalid: Which argument is not possible, and what was expected.
        """
        return cls(
            kind=_kind(kind),
            count=_count(count),
            memory_bytes=memory_bytes(memory),
            ttl_s=_ttl_seconds(ttl),
            device=_device(device),
            wait_s=wait_seconds(wait),
            client=client_name(),
        )

    @classmethod
    def over(cls, devices: Sequence[str]) -> LeaseRequest:
        """Return the request for certain devices, whole and for as long as it takes to get them."""
        if len(devices) == 1:
            return cls(device=devices[0], client=client_name())
        return cls(count=len(devices), devices=tuple(devices), client=client_name())

    def body(self) -> dict[str, Any]:
        """Return the JSON to post."""
        chosen = {"devices": list(self.devices)} if self.devices else {}
        return chosen | {
            "kind": self.kind,
            "count": self.count,
            "memory_bytes": self.memory_bytes,
            "ttl_s": self.ttl_s,
            "queue_timeout_s": None if self.wait_s is None else min(self.wait_s + MARGIN_S, LONGEST_S),
            "ends_with_session": True,
            "device": self.device,
            "client": self.client,
        }


def memory_bytes(memory: int | str | None) -> int | None:
    """Return an amount of memory in bytes: a number of them, or a string such as "2GiB" or "500 MB".

    Raises:
        Invalid: It is no amount of memory, or none at all.
    """
    if memory is None:
        return None
    if isinstance(memory, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", memory)
        size = int(Decimal(match[1]) * UNITS[match[2]]) if match and match[2] in UNITS else None
    else:
        size = _whole(memory)
    if size is None or not 1 <= size <= MAX_BYTES:
        units = ", ".join(filter(None, UNITS))
        expected = f"bytes, at least 1, or a string with a number and one of {units}, such as '2GiB'"
        raise _invalid("memory", expected, memory)
    return size


def wait_seconds(wait: bool | float | None) -> float | None:
    """Return how long to wait in seconds: True or None is for ever, False not at all.

    Raises:
        Invalid: It is negative, or no number.
    """
    if wait is None or wait is True:
        return None
    seconds = _number(wait)
    if not seconds >= 0:
        raise _invalid("wait", "True (as long as it takes), False (not at all) or seconds from 0 on", wait)
    return seconds


def client_name() -> str:
    """Return who asks, for the pool's lists: program, process and host."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return f"{program}[{os.getpid()}]@{socket.gethostname()}"[:200]


def _kind(kind: object) -> str:
    if isinstance(kind, str) and kind in KINDS:
        return kind
    hint = f"; {kind.lower()!r} is" if isinstance(kind, str) and kind.lower() in KINDS else ""
    raise _invalid("kind", f"one of {', '.join(map(repr, KINDS))}", kind, hint)


def _count(count: object) -> int:
    number = _whole(count)
    if number is None or not 1 <= number <= MAX_COUNT:
        raise _invalid("count", f"a number of devices from 1 to {MAX_COUNT}", count)
    return number


def _ttl_seconds(ttl: object) -> float:
    seconds = _number(ttl)
    if not MIN_TTL_S <= seconds <= MAX_TTL_S:
        raise _invalid("ttl", f"seconds from {MIN_TTL_S} to {MAX_TTL_S}", ttl)
    return seconds


def _device(device: object) -> str | None:
    if device is None or (isinstance(device, str) and device):
        return device
    pool_id = getattr(device, "pool_id", "")
    hint = f"; that one's is {pool_id!r}" if pool_id else ""
    raise _invalid("device", "a device's id, a string as `Device.pool_id` has it", device, hint)


def _whole(value: object) -> int | None:
    """Return a whole number as an int, anything else as None."""
    try:
        return operator.index(cast(SupportsIndex, value))
    except TypeError:
        return None


def _number(value: object) -> float:
    """Return a number as a float, anything else as not-a-number."""
    try:
        return math.nan if isinstance(value, (str, bytes)) else float(cast(float, value))
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _invalid(parameter: str, expected: str, value: object, hint: str = "") -> Invalid:
    return Invalid(f"{parameter} is {expected}, not {value!r}{hint}", parameter=parameter)
