"""The offset of a device's clock, from when commands were posted and heard of."""

from accelpool.device_clock import DeviceClock, Offset


def test_a_command_bounds_the_offset_from_both_sides():
    assert DeviceClock().observe(1000, 1100, [10, 20, 30, 40]) == Offset(low_ns=990, high_ns=1060)


def test_commands_narrow_the_offset_together():
    clock = DeviceClock()
    clock.observe(1000, 1100, [10, 20, 30, 40])
    assert clock.observe(2000, 2100, [1005, 1006, 1007, 1090]) == Offset(low_ns=995, high_ns=1010)


def test_a_clock_that_has_drifted_begins_anew_with_the_newest_command():
    clock = DeviceClock()
    clock.observe(1000, 1010, [0, 1, 2, 3])
    assert clock.observe(9000, 9010, [0, 1, 2, 3]) == Offset(low_ns=9000, high_ns=9007)


def test_times_that_cannot_be_tell_nothing():
    assert DeviceClock().observe(1000, 1100, [40, 30, 20, 10]) is None
    assert DeviceClock().observe(1000, 1100, [0, 0, 0, 500]) is None
