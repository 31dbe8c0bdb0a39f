"""Kernels as the worker has them, one per name and program; each launch carries all its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool.argument_place import Place
from accelpool.arguments import Packer, packer
from accelpool.constants import command_type
from accelpool.enqueue import enqueue_marker
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.ndrange import ENQUEUE, NDRange, Sizes, checked
from accelpool.objects import SessionObject, wait_list
from accelpool.queue import CommandQueue
from accelpool.session import Session
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

REMEMBERED_RANGES = 64
NDRANGE_KERNEL = command_type.NDRANGE_KERNEL


class KernelCore(SessionObject):
    """A kernel on the worker: what is known of it, and how its arguments are packed.

    Attributes:
        info: What the compiler and the devices say of it.
        packers: One per argument.
        context: The handle of its context.
    """

    __slots__ = ("_ranges", "context", "groups", "info", "packers")

    def __init__(
        self, session: Session, context: int, program: int, info: m.KernelInfo, places: Sequence[int]
    ) -> None:
        self._session = session
        self._ranges: dict[Any, NDRange] = {}
        self.context: int = context
        self.info: m.KernelInfo = info
        groups = zip(places, info.work_groups, strict=False)
        self.groups: dict[int, m.WorkGroupInfo] = {
            place: group for place, group in groups if group.work_group_size
        }
        self.packers: tuple[Packer, ...] = tuple(packer(place, session) for place in self.places())
        handle = session.new_handle()
        session.post(m.CreateKernel(handle, program, info.name))
        self._handle = handle

    def places(self) -> list[Place]:
        """Return the places of the arguments."""
        infos: list[m.ArgInfo | None] = [*self.info.args] or [None] * self.info.num_args
        return [Place(kernel=self.info.name, index=index, info=info) for index, info in enumerate(infos)]

    def launch(
        self,
        queue: CommandQueue,
        args: list[m.KernelArg],
        global_size: Sizes,
        local_size: Sizes | None,
        offset: Sizes | None = None,
        wait_for: WaitList = None,
        g_times_l: bool = False,
        allow_empty_ndrange: bool = False,
    ) -> Event:
        """Post a launch with packed arguments and return its event."""
        session = self._session
        if (
            type(queue) is not CommandQueue
            or queue._session is not session
            or queue._context._handle != self.context
            or queue._is_finalized
        ):
            self._check_queue(queue)
        key = (global_size, local_size, offset, g_times_l, queue._place)
        try:
            ndrange = self._ranges.get(key)
        except TypeError:  # lists cannot be looked up
            ndrange = None
        if ndrange is None:
            ndrange = self._checked(queue, global_size, local_size, offset, g_times_l)
        if allow_empty_ndrange and ndrange.is_empty:
            return enqueue_marker(queue, wait_for)
        event = session.new_handle()
        session.post(
            m.EnqueueNDRangeKernel(
                queue._handle,
                self._handle,
                ndrange.global_size,
                ndrange.local_size,
                event,
                args,
                wait_list(wait_for, session, ENQUEUE) if wait_for else None,
                ndrange.offset,
            )
        )
        return Event(session, event, queue, NDRANGE_KERNEL)

    def _check_queue(self, queue: CommandQueue) -> None:
        if not isinstance(queue, CommandQueue):
            raise TypeError(f"{ENQUEUE}: the first parameter is a CommandQueue, not {queue!r}")
        if queue._is_finalized:
            queue._warn_after_exit()
        if queue._session is not self._session or queue._context._handle != self.context:
            what = f"kernel {self.info.name} and {queue!r} are of two contexts"
            raise LogicError(ENQUEUE, ErrorCode.INVALID_CONTEXT, what)

    def _checked(
        self,
        queue: CommandQueue,
        global_size: Sizes,
        local_size: Sizes | None,
        offset: Sizes | None,
        g_times_l: bool,
    ) -> NDRange:
        group = self.groups.get(queue._place)
        ndrange = checked(queue._device, group, global_size, local_size, offset, g_times_l)
        if len(self._ranges) >= REMEMBERED_RANGES:
            self._ranges.clear()
        sizes = (tuple(global_size), local_size and tuple(local_size), offset and tuple(offset))
        self._ranges[(*sizes, g_times_l, queue._place)] = ndrange
        return ndrange
