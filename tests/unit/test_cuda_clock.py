"""Times of CUDA's events: of one time, and as fine after an hour as at first."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from accelpool_node.backends.cuda.clock import Clock


@dataclass
class Reached:
    """An event that was reached at a time, in ms; the driver tells differences as floats of 32 bits."""

    at_ms: float

    def time_since(self, earlier: Reached) -> float:
        (told,) = struct.unpack("f", struct.pack("f", self.at_ms - earlier.at_ms))
        return told


def test_an_event_is_later_than_another_one_by_what_the_driver_says() -> None:
    clock = Clock(Reached(0.0), lambda _: None)
    first, second = clock.span(Reached(1.0), Reached(1.5)), clock.span(Reached(3.0), Reached(3.0))
    assert first[1] - first[0] == 500_000
    assert second[0] - first[0] == 2_000_000
    assert second[0] == second[1]


def test_an_hour_later_microseconds_are_still_told_apart() -> None:
    left: list[object] = []
    clock = Clock(Reached(0.0), left.append)
    start_ms = 0.0
    for _ in range(360):
        start_ms += 10_000.0
        clock.span(Reached(start_ms), Reached(start_ms + 1))
    first, second = (clock.span(Reached(start_ms + at), Reached(start_ms + at))[0] for at in (2.0, 2.003))
    assert abs(second - first - 3000) < 200
    assert len(left) == 360


def test_times_before_the_event_that_they_are_told_from_are_right_too() -> None:
    clock = Clock(Reached(0.0), lambda _: None)
    late = clock.span(Reached(5000.0), Reached(5001.0))
    early = clock.span(Reached(4000.0), Reached(4001.0))
    assert late[0] - early[0] == 1_000_000_000
