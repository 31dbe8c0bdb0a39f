"""How fast jobs run on devices that they share: a fluid model, work-conserving.

A job that keeps its device busy for a part b of its time wants b of the device's time. Per device

    what it can give    1, or 1 - switching_loss while two or more jobs have parts of it
    what each gets      what it wants, if the sum of that can be given; else weighted max-min: no job gets
                        more than it wants, and what those that want little leave over is divided among the
                        rest by their shares of compute

A job whose share is c gets at least min(b, c) of what the device can give. It runs at the speed got / b, on
several devices at that of the slowest one; what it then does not use on the others is given to nobody. A job
with b = 0 is not slowed. Between two changes on a device speeds are constant: the model averages over a job's
bursts, so two jobs with b = 0.5 do not disturb each other.

Source: weighted max-min fairness (water filling), Bertsekas and Gallager, Data Networks, 2nd ed., 6.5.2.
"""

from __future__ import annotations

from collections.abc import Sequence


def divide(wants: Sequence[float], weights: Sequence[float], capacity: float) -> list[float]:
    """Return what each gets of a device's time.

    Args:
        wants: What each would use, 0 to 1.
        weights: Its share of compute, above 0.
        capacity: What the device can give.
    """
    if sum(wants) <= capacity:
        return list(wants)
    got = [0.0] * len(wants)
    left, weight = capacity, sum(weights)
    order = sorted(range(len(wants)), key=lambda number: wants[number] / weights[number])
    for number in order:
        got[number] = min(wants[number], left * weights[number] / weight)
        left -= got[number]
        weight -= weights[number]
    return got


def speeds(
    wants: Sequence[float], weights: Sequence[float], *, switching_loss: float
) -> list[float]:  # fmt: skip
    """Return each job's speed on one device, 1 being that of a job alone."""
    capacity = 1.0 - switching_loss if len(wants) > 1 else 1.0
    got = divide(wants, weights, capacity)
    return [part / want if want > 0 else 1.0 for part, want in zip(got, wants, strict=True)]
