"""The pauses before a child process is started again, as a table."""

import pytest

from accelpool.cli.supervisor import next_pause_s


@pytest.mark.parametrize(
    ("pause_s", "ran_s", "expected"),
    [
        (0.0, 0.0, 0.5),
        (0.5, 1.0, 1.0),
        (1.0, 59.9, 2.0),
        (16.0, 0.1, 30.0),
        (30.0, 0.1, 30.0),
        (30.0, 60.0, 0.5),
        (0.5, 3600.0, 0.5),
    ],
)
def test_a_pause_doubles_until_a_run_was_long(pause_s: float, ran_s: float, expected: float) -> None:
    assert next_pause_s(pause_s, ran_s) == expected
