"""What a session shares with others on its devices, and how it is told and watched while it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.control import SessionShare
from accelpool_node.sharing.ledger import DeviceLedger
from accelpool_node.sharing.session_slot import SessionSlot
from accelpool_node.worker.activity import Activity
from accelpool_node.worker.device_turn import DeviceTurn
from accelpool_node.worker.objects import Share
from accelpool_node.worker.session import Session
from accelpool_node.worker.turn_taking import TurnTaking


def shares_of(
    told: Sequence[SessionShare], devices: Mapping[str, BackendDevice], descriptors: Sequence[int]
) -> list[Share]:
    """Return a session's shares, those with slots in the ledgers that came along.

    Raises:
        Invalid: A ledger is none, or a slot is not the session's.
    """
    ledgers = iter(descriptors)
    shares = []
    for share in told:
        slot = None
        if share.slot is not None:
            descriptor = next(ledgers)
            os.set_inheritable(descriptor, False)
            slot = SessionSlot(DeviceLedger(descriptor), share.slot)
        device = devices[share.device]
        shares.append(Share(device=device, memory_bytes=share.memory_bytes, slot=slot))
    return shares


class Sharing:
    """A session as one of several on its devices: looked at now and then from a thread of its own.

    Args:
        session: The session.
        shares: Its devices' shares.
        backend: Waits for commands.
        on_turn: Called when the session's thread had to wait for a command, and goes on.
        clock: A monotonic clock, in seconds.
        has_turns: Whether sessions take turns on devices, and do not compute side by side.
    """

    def __init__(
        self,
        session: Session,
        shares: Sequence[Share],
        backend: Backend,
        on_turn: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        has_turns: bool = True,
    ) -> None:
        self._has_turns = has_turns
        self._session = session
        self._activity = Activity(session.completion, clock)
        slots = {share.device.name: share.slot for share in shares if share.slot is not None}
        self._slots = tuple(slots.values())
        turns = {name: DeviceTurn(slot, backend) for name, slot in slots.items()}
        self._turn_taking = TurnTaking(turns, session.holdings, on_turn)
        self._follow_limits()

    @property
    def is_waiting(self) -> bool:
        """Whether the session's thread waits for its turn."""
        return self._turn_taking.is_waiting

    @property
    def worked_s(self) -> float:
        """How long the session had commands on its devices so far."""
        return self._activity.worked_s

    def look(self) -> None:
        """See what the session does, give back what it has freed, follow the limits of its lease."""
        self._activity.sample(self._session.holdings.queues.items.values())
        self._session.between_messages(self._session.holdings.ledger.sweep)
        self._follow_limits()

    def _follow_limits(self) -> None:
        """Have commands take turns from when the lease has a fraction of any device.

        Not the other way round: a turn that is passed on when asked for costs next to nothing.
        """
        if self._has_turns and self._session.turns is None and any(slot.is_fraction for slot in self._slots):
            self._session.turns = self._turn_taking
