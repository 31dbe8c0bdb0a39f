"""What devices measure, in few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from accelpool.cli.output import human_bytes

MHZ = 1e6
WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "utilization": "{:.0%}".format,
    "memory_used_bytes": human_bytes,
    "temperature_c": "{:.0f} C".format,
    "power_w": "{:.0f} W".format,
    "clock_hz": lambda hz: f"{hz / MHZ:.0f} MHz",
}


def reading(device: Mapping[str, Any], name: str) -> str:
    """Return one of the things that a device measures, "" if it does not tell."""
    told = (device.get("readings") or {}).get(name)
    return "" if told is None else WRITTEN[name](told)


def reading_cells(device: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all that a device measures, in the order above, "" for what it does not tell."""
    return tuple(reading(device, name) for name in WRITTEN)
