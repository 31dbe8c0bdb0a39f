"""Kernels on a node, and their launches.

A launch is posted: what its parameters are is packed here, in one block, and no answer is awaited.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Sequence
from typing import Any

from accelpool.arguments import LocalMemory
from accelpool.cuda.contexts import Context
from accelpool.cuda.device_attributes import device_attribute
from accelpool.cuda.devices import ATTRIBUTES
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.packing import packed
from accelpool.cuda.streams import Stream
from accelpool.objects import SessionObject
from accelpool.session import Session
from accelpool_wire import messages as m

AXES = 3
LAUNCH = "cuLaunchKernel"
REMEMBERED_SHAPES = 64


class NodeKernel(SessionObject):
    """A kernel on the node. It keeps nothing of its context."""

    __slots__ = ("_group", "_name", "_shapes")

    def __init__(self, session: Session, program: int, info: m.KernelInfo) -> None:
        self._name = info.name
        self._group = info.work_groups[0].work_group_size if info.work_groups else 0
        self._shapes: dict[Any, tuple[list[int], list[int]]] = {}
        self._session = session
        handle = session.new_handle()
        with calling("cuModuleGetFunction"):
            session.post(m.CreateKernel(handle, program, info.name))
        self._handle = handle

    def _call(
        self,
        context: Context,
        args: Sequence[Any],
        grid: Sequence[int],
        block: Sequence[int],
        shared: int,
        stream: Stream | None,
        is_timed: bool = False,
    ) -> float | None:
        """Launch it with arrays copied in before and out after; return the seconds if it is timed.

        Raises:
            TypeError: A parameter is none that a kernel could have.
            LogicError, LaunchError: As `_launch`; or, where it waits, a command failed.
        """
        handlers, parameters = packed(args)
        for handler in handlers:
            handler.pre_call(stream)
        outs = [handler for handler in handlers if handler.is_read]
        started = _waited(context) if is_timed else 0.0
        self._launch(context, grid, block, parameters, shared, stream)
        run_time = _waited(context) - started if is_timed else None
        if outs and stream is not None:
            stream.synchronize()  # what follows is in the null stream, perhaps not ordered with this one
        for handler in outs:
            handler.post_call(stream)
        return run_time

    def _launch(
        self,
        context: Context,
        grid: Sequence[int],
        block: Sequence[int],
        parameters: bytes,
        shared: int,
        stream: Stream | None,
    ) -> None:
        """Post a launch.

        Raises:
            LogicError, LaunchError: As `_sizes`.
        """
        sizes = self._shapes.get((grid, block)) if type(grid) is tuple and type(block) is tuple else None
        global_size, local_size = sizes or self._sizes(context, grid, block)
        args: list[m.KernelArg] = [parameters] if parameters else []
        if shared:
            args.append(LocalMemory(shared)._message)
        lane, lanes = context._lane(stream, LAUNCH), context._lanes
        with calling(LAUNCH), lanes.lock:
            waits = lanes.before(lane)
            self._session.post(
                m.EnqueueNDRangeKernel(
                    lane.queue._handle, self._handle, global_size, local_size, 0, args, waits
                )
            )

    def _sizes(
        self, context: Context, grid: Sequence[int], block: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """Return the global and the local size of a launch.

        Raises:
            LogicError: CUDA_ERROR_INVALID_VALUE: a size is none, or beyond the device's.
            LaunchError: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many threads in a block for the kernel.
        """
        blocks, threads = _axes("grid", grid), _axes("block", block)
        count = math.prod(threads)
        most = context._device._known._info.get(ATTRIBUTES + device_attribute.MAX_THREADS_PER_BLOCK)
        if most and count > most:
            raise failed(LAUNCH, "INVALID_VALUE", f"a block of {count} threads; {most} are possible")
        if self._group and count > self._group:
            what = f"a block of {count} threads; {self._group} are possible for {self._name}"
            raise failed(LAUNCH, "LAUNCH_OUT_OF_RESOURCES", what)
        sizes = [part * size for part, size in zip(blocks, threads, strict=True)], threads
        if len(self._shapes) >= REMEMBERED_SHAPES:
            self._shapes.clear()
        self._shapes[(tuple(grid), tuple(block))] = sizes
        return sizes


def _waited(context: Context) -> float:
    """Wait for all commands, and return the time."""
    with calling("cuCtxSynchronize"):
        context._lanes.finish()
    return time.monotonic()


def _axes(name: str, sizes: Sequence[int]) -> list[int]:
    numbers = [operator.index(size) for size in sizes]
    if len(numbers) > AXES:
        raise failed(LAUNCH, "INVALID_HANDLE", f"too many {name} dimensions in kernel launch: {numbers}")
    numbers += [1] * (AXES - len(numbers))
    if min(numbers) < 1:
        raise failed(LAUNCH, "INVALID_VALUE", f"{name} {tuple(sizes)} has nothing in it")
    return numbers
