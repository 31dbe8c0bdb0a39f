"""Which commands of a session take turns with other leases' sessions: those that use a device.

Launches, copies, fills, reads, writes, migrations and the same of images. Not markers and barriers, which do
nothing; not transfers between nodes, whose mappings wait for a network; not what builds or allocates. Setting
a user event starts what waits for it, and so takes a turn on the devices where something does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from accelpool_node.backends.base import BackendDevice
from accelpool_node.worker.device_turn import DeviceTurn
from accelpool_node.worker.gates import GatedEvent, gate_of
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import QueueObject
from accelpool_wire import messages as m

READS = frozenset({m.EnqueueReadBuffer, m.EnqueueReadBufferRect, m.EnqueueReadImage})
ON_DEVICE = READS | frozenset(
    {
        m.EnqueueNDRangeKernel,
        m.EnqueueWriteBuffer,
        m.EnqueueCopyBuffer,
        m.EnqueueFillBuffer,
        m.EnqueueWriteBufferRect,
        m.EnqueueCopyBufferRect,
        m.EnqueueWriteImage,
        m.EnqueueCopyImage,
        m.EnqueueCopyImageToBuffer,
        m.EnqueueCopyBufferToImage,
        m.EnqueueFillImage,
        m.EnqueueMigrateMemObjects,
    }
)
STARTING = frozenset({m.SetUserEventStatus, m.Release})  # what a closed gate kept from running


class TurnTaking:
    """The turns of one session on its devices.

    Args:
        turns: By the device's name, for devices of which the lease has a fraction.
        holdings: The session's objects.
        on_turn: Called when the session's thread had to wait for a command, and goes on.
    """

    def __init__(
        self, turns: Mapping[str, DeviceTurn], holdings: Holdings, on_turn: Callable[[], None]
    ) -> None:
        self._turns = turns
        self._holdings = holdings
        self._queues = holdings.queues.items
        self._on_turn = on_turn
        self._known: dict[int, DeviceTurn | None] = {}  # by the device: it lives as long as the session
        self._admitted: tuple[QueueObject, DeviceTurn] | None = None
        self._gated: Counter[DeviceTurn] = Counter()

    @property
    def is_waiting(self) -> bool:
        """Whether the session's thread waits for other sessions."""
        return any(turn.is_waiting for turn in self._turns.values())

    def admit(self, message: Any) -> None:
        """Wait until a message may be carried out; others of the session may be meanwhile."""
        kind = type(message)
        self._admitted = None
        if kind in ON_DEVICE:
            queue = self._queues.get(message.queue)
            turn = None if queue is None else self._turn_of(queue.device)
            if queue is None or turn is None:
                return
            if kind in READS:
                self._admit_read(queue, turn)
                return
            if queue.sending is not None:
                queue.sending.wait()  # the client may be long in reading what is sent to it
            if turn.admit():
                self._on_turn()
            self._admitted = queue, turn
        elif kind in STARTING and self._gated:
            for turn in tuple(self._gated):
                self._admit(turn, is_counted=False)

    def _admit_read(self, queue: QueueObject, turn: DeviceTurn) -> None:
        """Admit a read, which may wait for the client to read others: it is in flight once it is enqueued."""
        if queue.sending is not None:
            queue.sending.wait()
        if queue.on_read is None:
            queue.on_read = lambda event: self._note(turn, queue, event)
        self._admit(turn, is_counted=False)

    def note(self, command: int) -> None:
        """Take note of what a message has put in flight; reads tell by themselves, as they are begun."""
        if self._admitted is None:
            return
        queue, turn = self._admitted
        if queue.newest_command != command:
            turn.dismiss()
        elif isinstance(queue.newest, GatedEvent):
            self._note(turn, queue, queue.newest)
        else:
            turn.note(queue, queue.newest)

    def _admit(self, turn: DeviceTurn, *, is_counted: bool) -> None:
        if turn.admit(is_counted=is_counted):
            self._on_turn()

    def _note(self, turn: DeviceTurn, queue: QueueObject, event: Any) -> None:
        """Have a command counted, from when nothing of the client's keeps it from running."""
        gate = gate_of(event)
        if gate is None:
            turn.note_late(queue, event)
            return
        turn.dismiss()
        self._gated[turn] += 1

        def start() -> None:
            self._gated[turn] -= 1
            self._gated += Counter()  # those with none are gone
            turn.note_late(queue, event)

        gate.park(start)

    def _turn_of(self, device: BackendDevice) -> DeviceTurn | None:
        known = id(device)
        if known not in self._known:
            self._known[known] = self._turns.get(self._holdings.whole_of(device).device.name)
        return self._known[known]
