"""How devices are shown in a terminal."""

from __future__ import annotations

from accelpool.cli.readings import reading_cells

TOLD = {
    "utilization": 0.874,
    "memory_used_bytes": 5 << 30,
    "temperature_c": 41.0,
    "power_w": 245.7,
    "clock_hz": 1_410_000_000,
}


def test_what_a_device_measures_is_shown_in_few_words() -> None:
    assert reading_cells({"readings": TOLD}) == ("87%", "5.0 GiB", "41 C", "246 W", "1410 MHz")


def test_zero_is_a_reading_and_nothing_is_none() -> None:
    assert reading_cells({"readings": {"utilization": 0.0, "power_w": None}}) == ("0%", "", "", "", "")
    assert reading_cells({"readings": None}) == reading_cells({}) == ("",) * 5
