"""What a command takes: its memory resident in its queue's part, and its wait list known there.

For each memory object that a command uses, in this order and as far as needed:

    make the replica (and what is over it)  CreateBuffer, CreateSubBuffer, CreateImage
    migrate the content                     SendBuffer to the owner, ReceiveBuffer to the command's part
    wait for the content to arrive, and before writing for what is being sent from here

For each event of another part in its wait list: CreateUserEvent with the event's handle, and a bridge that
sets its status when the event has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from accelpool.errors import LogicError
from accelpool.spanning.accesses import ACCESSES, Access, argument_accesses
from accelpool.spanning.events import Events
from accelpool.spanning.records import Action, Bridge, Bulk, KernelRecord, QueueRecord, Site, Step, Watch
from accelpool.spanning.replicas import Log, Memory, Region, Replica
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode


class Use:
    """What one command does to one memory object: all its accesses together."""

    __slots__ = ("is_write", "memory", "needs_content", "regions")

    def __init__(self, memory: Memory) -> None:
        self.memory: Memory = memory
        self.regions: list[Region] = []
        self.is_write: bool = False
        self.needs_content: bool = False

    def add(self, access: Access, region: Region | None) -> None:
        """Add an access, perhaps through a region."""
        if region is not None:
            self.regions.append(region)
        if access.is_discard:
            self.is_write |= region is None  # what is beside a region must stay
            return
        self.is_write |= access.is_write
        written, origin = access.written, region.origin if region is not None else 0
        is_all = written is not None and written[0] + origin == 0 and written[1] == self.memory.size
        self.needs_content |= not is_all


class Commands:
    """Decides about commands.

    Args:
        sites: Where each part is.
        events: The events of all parts.
        new_handle, ending, new_ticket: As of `Router`.

    Attributes:
        queues: The queues, by handle.
        kernels: The kernels, by handle.
        memory: The memory objects and regions, by handle.
        migrations: How many buffers were migrated.
        migrated_bytes: How many bytes that were.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        events: Events,
        new_handle: Callable[[], int],
        ending: Callable[[int, int], int | None],
        new_ticket: Callable[[], bytes],
    ) -> None:
        self.queues: dict[int, QueueRecord] = {}
        self.kernels: dict[int, KernelRecord] = {}
        self.memory: dict[int, Memory | Region] = {}
        self.migrations: int = 0
        self.migrated_bytes: int = 0
        self._sites = sites
        self._events = events
        self._new_handle = new_handle
        self._ending = ending
        self._new_ticket = new_ticket

    def queue(self, handle: int) -> QueueRecord:
        """Return what is known of a queue.

        Raises:
            LogicError: INVALID_COMMAND_QUEUE: it is released.
        """
        queue = self.queues.get(handle)
        if queue is None:
            what = f"command queue {handle} is released"
            raise LogicError("clEnqueue", ErrorCode.INVALID_COMMAND_QUEUE, what)
        return queue

    def route(self, message: Any, payload: Bulk | None) -> list[Action]:
        """Return what a command takes, the command itself last.

        Raises:
            LogicError: INVALID_OPERATION: it is not possible over several nodes, and why.
        """
        queue, uses = self._uses(message, payload)  # refuses; below nothing does
        actions: list[Action] = []
        waits = self._local_waits(message.wait_for, queue, actions)
        for use in uses:
            waits += self._reside(use, queue, actions)
            self._shorten(use, queue, actions)
        event = message.event
        if event:
            self._events.add(event, [queue.part])
        elif uses and not isinstance(message, m.Synchronous):  # a blocking read is over when its call is
            event = self._events.own(queue.part)
        sent = msgspec.structs.replace(message, wait_for=waits or None, event=event)
        undo = self._note(uses, queue, event)
        actions.append(Step(queue.part, sent, payload, undo))
        return actions

    def first_replica(self, memory: Memory, part: int, flags: int, payload: Bulk | None) -> list[Action]:
        """Return what makes a buffer's first replica, with its content if it has one."""
        memory.replicas[part] = Replica(self._events)
        return [Step(part, m.CreateBuffer(memory.handle, memory.context, flags, memory.size), payload)]

    def bind(self, memory: Memory, part: int, made: Step) -> list[Action]:
        """Return what makes a memory object that stays in one part."""
        self.memory[memory.handle] = memory
        memory.fill(part)
        memory.replicas[part] = Replica(self._events)
        return [made]

    def let_go(self, handle: int) -> bool:
        """Forget a released object; say whether it was memory, and nothing more need be done."""
        self.queues.pop(handle, None)
        self.kernels.pop(handle, None)
        found = self.memory.pop(handle, None)
        if found is None:
            return False
        self._drop(found)
        return True

    def _drop(self, held: Memory | Region) -> None:
        """Undo one holding of memory; the last one frees it everywhere, and lets go of what it is over."""
        held.holders -= 1
        if held.holders:
            return
        if isinstance(held, Region):
            self._events.freed += [(part, held.handle) for part in held.made]
            self._drop(held.parent)
        else:
            for replica in held.replicas.values():
                replica.clear()
            self._events.freed += [(part, held.handle) for part in held.replicas]

    # ---- what a command uses -----------------------------------------------------------------------------

    def _uses(self, message: Any, payload: Bulk | None) -> tuple[QueueRecord, list[Use]]:
        """Return a command's queue, and what it uses, each memory object once."""
        queue = self.queue(getattr(message, "queue", 0))
        if isinstance(message, m.EnqueueNDRangeKernel):
            accesses = self._launch(message, queue)
        elif type(message) in ACCESSES:
            accesses = ACCESSES[type(message)](message, memoryview(payload or b"").nbytes)
        else:
            raise _impossible(type(message).__name__, "this command is not possible in")
        uses: dict[int, Use] = {}
        for access in accesses:
            named = self.memory.get(access.memory)
            if named is None:
                what = f"memory object {access.memory} is released"
                raise LogicError("clEnqueue", ErrorCode.INVALID_MEM_OBJECT, what)
            whole, region = (named.whole, named) if isinstance(named, Region) else (named, None)
            if whole.is_bound and queue.part != whole.owner:
                raise _impossible(type(message).__name__, f"an {whole.name} does not migrate in")
            uses.setdefault(whole.handle, Use(whole)).add(access, region)
        return queue, list(uses.values())

    def _launch(self, message: m.EnqueueNDRangeKernel, queue: QueueRecord) -> Sequence[Access]:
        kernel = self.kernels.get(message.kernel)
        if kernel is None or queue.part not in kernel.parts:
            what = f"kernel {message.kernel} is released, or not built for the device of this queue"
            raise LogicError("clEnqueueNDRangeKernel", ErrorCode.INVALID_PROGRAM_EXECUTABLE, what)
        return argument_accesses(message.args or (), kernel.read_only, self._flags)

    def _flags(self, handle: int) -> int | None:
        named = self.memory.get(handle)
        if isinstance(named, Region):
            return named.created.flags or named.whole.flags
        return None if named is None else named.flags

    # ---- making it possible ------------------------------------------------------------------------------

    def _local_waits(
        self, wait_for: Iterable[int] | None, queue: QueueRecord, actions: list[Action]
    ) -> list[int]:
        """Return a wait list, every event of it known in the queue's part."""
        events, part = self._events, queue.part
        waits = list(wait_for or ())
        for event in waits:
            home = events.home(event)
            if home is not None and not events.is_at(event, part):
                events.bridge(event, part)
                undo = partial(events.drop_bridge, event, part)
                actions.append(Step(part, m.CreateUserEvent(event, queue.context.handle), None, undo))
                actions.append(Bridge(home, event, part))
        return waits

    def _reside(self, use: Use, queue: QueueRecord, actions: list[Action]) -> list[int]:
        """Have a memory object ready for a command, and return what the command waits for because of it."""
        memory, part = use.memory, queue.part
        self._make(memory, part, actions)
        for region in use.regions:
            self._make_region(region, part, actions)
        replica = memory.replicas[part]
        if replica.arrival or replica.departure:
            memory.settle(
                part,
                self._ending(part, replica.arrival) if replica.arrival else None,
                self._ending(part, replica.departure) if replica.departure else None,
            )
        if use.needs_content and memory.is_missing_at(part):
            self._migrate(memory, part, queue, actions)
        waits = [replica.arrival] if replica.arrival else []
        if use.is_write and replica.departure:
            waits.append(replica.departure)
        return waits

    def _make(self, memory: Memory, part: int, actions: list[Action]) -> None:
        if part not in memory.replicas:
            memory.replicas[part] = Replica(self._events)
            created = m.CreateBuffer(memory.handle, memory.context, memory.flags, memory.size)
            actions.append(Step(part, created, None, partial(memory.replicas.pop, part, None)))

    def _make_region(self, region: Region, part: int, actions: list[Action]) -> None:
        if part not in region.made:
            if isinstance(region.parent, Region):
                self._make_region(region.parent, part, actions)
            region.made.add(part)
            actions.append(Step(part, region.created, None, partial(region.made.discard, part)))

    def _migrate(self, memory: Memory, part: int, queue: QueueRecord, actions: list[Action]) -> None:
        """Have a memory object's content sent from its owner to a part."""
        events, source, site = self._events, memory.owner, self._sites[part]
        sender = self._mover(queue, source, True, actions)
        receiver = self._mover(queue, part, False, actions)
        sent, received = events.own(source), events.own(part)
        ticket = self._new_ticket()
        origin, target = memory.replicas[source], memory.replicas[part]
        send = m.SendBuffer(
            sender.handle, memory.handle, 0, memory.size, site.host, site.port, site.session, ticket,
            sent, origin.writers.waits() or None,
        )  # fmt: skip
        users = target.users(lambda event: self._ending(part, event) is not None)
        receive = m.ReceiveBuffer(
            receiver.handle, memory.handle, 0, memory.size, ticket, received, users or None
        )
        origin.readers.add(sent, sender)
        origin.departure = sent
        target.clear()
        target.writers.add(received, receiver)
        target.arrival, target.departure = received, 0
        memory.valid.add(part)
        self.migrations += 1
        self.migrated_bytes += memory.size
        undo_send = partial(origin.readers.remove, sent, sender)
        undo_receive = partial(memory.valid.discard, part)
        actions += [Step(source, send, None, undo_send), Step(part, receive, None, undo_receive)]
        actions += [Watch(source, sent), Watch(part, received)]

    def _mover(self, queue: QueueRecord, part: int, is_sender: bool, actions: list[Action]) -> QueueRecord:
        """Return the queue of a part that migrations are commands of."""
        context = queue.context
        mover = context.movers.get((part, is_sender))
        if mover is None:
            handle = self._new_handle()
            mover = QueueRecord(handle=handle, context=context, part=part, is_in_order=True)
            context.movers[part, is_sender] = mover
            created = m.CreateCommandQueue(handle, context.handle, context.places[part][0])
            actions.append(Step(part, created, None, partial(context.movers.pop, (part, is_sender), None)))
        return mover

    # ---- afterwards --------------------------------------------------------------------------------------

    def _note(self, uses: Sequence[Use], queue: QueueRecord, event: int) -> Callable[[], None]:
        """Take a command into account; return what takes that back."""
        part = queue.part
        before = [(use.memory, set(use.memory.valid), use.memory.owner) for use in uses if use.is_write]
        for use in uses:
            if event:
                _log(use, part).add(event, queue)
            if use.is_write:
                use.memory.fill(part)

        def undo() -> None:
            for memory, valid, owner in before:
                memory.valid, memory.owner = valid, owner
            for use in uses:
                _log(use, part).remove(event, queue)
            self._events.let_go(event)

        return undo

    def _shorten(self, use: Use, queue: QueueRecord, actions: list[Action]) -> None:
        """Let a marker stand for the commands of an out-of-order queue, where they have become many."""
        log = _log(use, queue.part)
        if many := log.overflow(queue):
            marker = self._events.own(queue.part)
            actions.append(Step(queue.part, m.EnqueueMarker(queue.handle, marker, many)))
            log.replace(queue, marker)


def _log(use: Use, part: int) -> Log:
    replica = use.memory.replicas[part]
    return replica.writers if use.is_write else replica.readers


def _impossible(command: str, what: str) -> LogicError:
    told = f"{what} a context over several nodes"
    return LogicError(command.replace("Enqueue", "clEnqueue"), ErrorCode.INVALID_OPERATION, told)
