"""Builds over several parts: each builds for its own devices, and the answers are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from accelpool_wire import messages as m

Item = TypeVar("Item")

NOT_BUILT = m.WorkGroupInfo(0, [0, 0, 0], 0, 0, 0)


def merged(answers: Mapping[int, m.Built], order: Sequence[int]) -> m.Built:
    """Return one answer to a build from those of the parts that have built so far.

    Args:
        answers: By part; each tells of all devices that the program has there.
        order: The part of each device of the program.

    Returns:
        The kernels that all these parts have; what is known per device in the order of the devices.
    """
    first, *others = answers.values()
    known = [{kernel.name: kernel for kernel in answer.kernels} for answer in (first, *others)]
    names = [kernel.name for kernel in first.kernels if all(kernel.name in each for each in known)]
    by_part = dict(zip(answers, known, strict=True))
    kernels = [_merged_kernel({part: each[name] for part, each in by_part.items()}, order) for name in names]
    logs = in_order({part: answer.logs for part, answer in answers.items()}, order, "")
    return m.Built(first.command, kernels, logs)


def _merged_kernel(kernels: Mapping[int, m.KernelInfo], order: Sequence[int]) -> m.KernelInfo:
    """Return one kernel from what its parts tell of it; argument infos from the first that kept them."""
    first = next(iter(kernels.values()))
    args = next((kernel.args for kernel in kernels.values() if kernel.args), first.args)
    groups = in_order({part: kernel.work_groups for part, kernel in kernels.items()}, order, NOT_BUILT)
    return msgspec.structs.replace(first, args=args, work_groups=groups)


def in_order(items: Mapping[int, Sequence[Item]], order: Sequence[int], untold: Item) -> list[Item]:
    """Return what each part tells of its devices, in the order of all the devices.

    Args:
        items: By part, in the order of its devices; perhaps of fewer than it has.
        order: The part of each device.
        untold: What stands for a device of which nothing is told.
    """
    left = {part: iter(told) for part, told in items.items()}
    return [next(left[part], untold) if part in left else untold for part in order]
