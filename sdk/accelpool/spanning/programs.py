"""Builds over several parts: each builds for its own devices, and the answers are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from accelpool_wire import messages as m

Item = TypeVar("Item")


def merged(answers: Mapping[int, m.Built], order: Sequence[int]) -> m.Built:
    """Return one answer to a build from those of its parts.

    Args:
        answers: By part.
        order: The part of each device, in the order in which the build named them.

    Returns:
        The kernels that all parts have; what is known per device, in the order of the devices.
    """
    first, *others = answers.values()
    known = [{kernel.name: kernel for kernel in answer.kernels} for answer in (first, *others)]
    names = [kernel.name for kernel in first.kernels if all(kernel.name in each for each in known)]
    by_part = dict(zip(answers, known, strict=True))
    kernels = [_merged_kernel({part: each[name] for part, each in by_part.items()}, order) for name in names]
    logs = in_order({part: answer.logs for part, answer in answers.items()}, order)
    return m.Built(first.command, kernels, logs)


def _merged_kernel(kernels: Mapping[int, m.KernelInfo], order: Sequence[int]) -> m.KernelInfo:
    """Return one kernel from what its parts tell of it; argument infos from the first that kept them."""
    first = next(iter(kernels.values()))
    args = next((kernel.args for kernel in kernels.values() if kernel.args), first.args)
    groups = in_order({part: kernel.work_groups for part, kernel in kernels.items()}, order)
    return msgspec.structs.replace(first, args=args, work_groups=groups)


def in_order(items: Mapping[int, Sequence[Item]], order: Sequence[int]) -> list[Item]:
    """Return what each part tells of its devices, in the order of all the devices."""
    left = {part: list(reversed(told)) for part, told in items.items()}
    return [left[part].pop() for part in order if left[part]]
