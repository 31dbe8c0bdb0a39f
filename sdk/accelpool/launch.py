"""Launching kernels with the arguments that are set."""

from __future__ import annotations

from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.kernel import UNSET, Kernel
from accelpool.ndrange import ENQUEUE, Sizes
from accelpool.queue import CommandQueue
from accelpool_wire.codes import ErrorCode


def enqueue_nd_range_kernel(
    queue: CommandQueue,
    kernel: Kernel,
    global_work_size: Sizes,
    local_work_size: Sizes | None,
    global_offset: Sizes | None = None,
    wait_for: WaitList = None,
    *,
    g_times_l: bool = False,
    allow_empty_ndrange: bool = False,
) -> Event:
    """Enqueue a kernel over an NDRange with the arguments that are set, and return its event at once.

    Args:
        queue: The queue to enqueue to.
        kernel: The kernel, all its arguments set.
        global_work_size: Work-items per dimension, 1 to 3 ints.
        local_work_size: Work-items per work-group and dimension; None lets the device choose.
        global_offset: The first global id per dimension; None for zeros.
        wait_for: Events to wait for.
        g_times_l: Whether size and offset count work-groups, to be multiplied by `local_work_size`.
        allow_empty_ndrange: Whether a global size of 0 is a marker; else it is the device's to judge.

    Raises:
        LogicError: INVALID_KERNEL_ARGS: an argument is not set; or which rule the sizes break.
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"{ENQUEUE}: a Kernel is needed, not {kernel!r}")
    if not kernel._is_set:
        missing = [index for index, arg in enumerate(kernel._args) if arg is UNSET]
        what = f"{kernel!r}: the arguments at {missing} are not set"
        raise LogicError(ENQUEUE, ErrorCode.INVALID_KERNEL_ARGS, what)
    return kernel._core.launch(
        queue,
        kernel._args,
        global_work_size,
        local_work_size,
        global_offset,
        wait_for,
        g_times_l,
        allow_empty_ndrange,
    )
