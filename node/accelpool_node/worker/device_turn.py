"""A session's turns on a device of which its lease has a fraction.

The session's thread asks before each command (`admit`) and tells its event afterwards (`note`). A thread of
our own, the keeper, does the rest: it asks for the turn, waits for the commands, charges the time, and passes
the turn on. While nobody else wants the device it sleeps, and a command costs a look at the shared memory.

    session's thread          keeper
    admit: no turn yet ─────▶ claims the turn; sleeps until it is this session's
           turn, room  ◀─────
    the command is enqueued
    note ───────────────────▶ waits for what is in flight, charges it, decides what `policy` says:
           no room     ◀───── DRAIN: nothing is admitted, what is in flight ends, then PASS

A command that gets in flight without a turn (it waited for a transfer from another node, or was long on its
way) has the keeper claim one for it, so that it is charged all the same.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.sharing.policy import LINGER_NS, Verdict, room
from accelpool_node.sharing.session_slot import SessionSlot
from accelpool_node.worker.objects import QueueObject, driver_event

IDLE_S, CLAIM_EVERY_S = 1.0, 0.05  # how long the keeper sleeps at most, should nobody wake it
PATIENCE_S = 900.0  # longer than any command may run: who waits longer goes on without a turn
NS = 1e-9


class DeviceTurn:
    """A session's turns on one device.

    Args:
        slot: The session's place in the device's ledger.
        backend: Waits for commands.
        clock_ns: The monotonic clock.

    Attributes:
        is_waiting: Whether the session's thread waits for other sessions, not for its own commands.
    """

    def __init__(
        self, slot: SessionSlot, backend: Backend, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.is_waiting = False
        self._slot = slot
        self._backend = backend
        self._clock_ns = clock_ns
        self._state = threading.Condition()
        self._flights: deque[tuple[QueueObject, Any]] = deque()
        self._is_admitting = self._is_enqueuing = self._has_to_hear = False
        self._has_turn = False
        self._is_draining = False
        self._is_broken = False
        self._mean_ns = 0
        self._room = room(0, is_contended=False)
        self._began_ns = self._charged_ns = self._busy_ns = self._idle_ns = 0
        self._keeper: threading.Thread | None = None

    # ---- the session's thread ----------------------------------------------------------------------------

    def admit(self, *, is_counted: bool = True) -> bool:
        """Wait until a command may be enqueued; whether it had to wait.

        Args:
            is_counted: Whether the device is in use from now on, as drivers may run commands while these are
                enqueued: until `note`, or `dismiss`.
        """
        has_waited = False
        in_flight = len(self._flights)
        if self._has_turn and in_flight < self._room and self._slot.is_undisturbed:
            self._has_to_hear = in_flight == self._room // 2
        else:  # what is admitted above without the lock may be late: the keeper sees to that
            self._has_to_hear = True
            with self._state:
                has_waited = not self._may_enqueue()
                if has_waited:
                    self._await_turn()
        if is_counted:
            self._is_enqueuing = True
            if not self._flights:
                self._busy_ns = self._clock_ns()
        return has_waited

    def note(self, queue: QueueObject, event: Any) -> None:
        """Take note that a command is in flight."""
        if not self._flights and not self._is_enqueuing:
            self._busy_ns = self._clock_ns()
        self._flights.append((queue, event))
        self._is_enqueuing = False
        if self._has_to_hear:
            self._rouse()

    def note_late(self, queue: QueueObject, event: Any) -> None:
        """Take note that a command is in flight which was not admitted just before."""
        self._has_to_hear = True
        self.note(queue, event)

    def dismiss(self) -> None:
        """Take note that a command that was admitted and counted is not in flight."""
        self._idle_ns = self._clock_ns()
        self._is_enqueuing = False
        if not self._slot.is_undisturbed:
            self._rouse()

    def _may_enqueue(self) -> bool:
        if not self._has_turn or self._is_draining:
            return self._is_broken
        return len(self._flights) < room(self._mean_ns, is_contended=not self._slot.is_undisturbed)

    def _await_turn(self) -> None:
        """Wait as `admit` does, with the state locked."""
        until = time.monotonic() + PATIENCE_S
        self._is_admitting = True
        self._rouse()
        while not self._may_enqueue() and time.monotonic() < until:
            self.is_waiting = not self._has_turn
            self._state.wait(CLAIM_EVERY_S)
        self.is_waiting = self._is_admitting = False

    def _rouse(self) -> None:
        """Have the keeper look; the first time, have there be one."""
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="turn", daemon=True)
            self._keeper.start()
        self._slot.wake()

    # ---- the keeper --------------------------------------------------------------------------------------

    def _keep(self) -> None:
        try:
            while True:
                self.step()
        except Exception:  # noqa: BLE001, RUF100 - whatever it is, neither this session nor others may wait for it
            traceback.print_exc()
            with self._state:
                self._is_broken = True
                self._state.notify_all()
            self._slot.leave()

    def step(self) -> None:
        """Do what is to be done now, or sleep until there is something."""
        seen = self._slot.wakes
        if self._has_turn:
            self._hold(seen)
        elif self._flights or self._is_admitting:
            self._claim(seen)
        else:
            self._slot.sleep(seen, IDLE_S)

    def _claim(self, seen: int) -> None:
        if not self._slot.claim(self._clock_ns()):
            self._slot.sleep(seen, CLAIM_EVERY_S)
            return
        with self._state:
            now_ns = self._clock_ns()
            self._began_ns = self._charged_ns = self._idle_ns = now_ns
            self._busy_ns = max(self._busy_ns, now_ns)
            self._has_turn, self._is_draining = True, False
            self._state.notify_all()

    def _hold(self, seen: int) -> None:
        """Wait for some of what is in flight if it is much or somebody waits; settle with the others."""
        is_contended = not self._slot.is_undisturbed
        if is_contended or self._is_admitting or len(self._flights) >= self._room // 2:
            self._retire(len(self._flights) if self._is_draining else -(-len(self._flights) // 2))
        if is_contended:
            self._settle(seen)
        elif not self._is_admitting or not self._flights:
            self._slot.sleep(seen, IDLE_S)

    def _retire(self, count: int) -> None:
        """Wait for the commands that have been in flight longest, and count their time."""
        if not count:
            return
        for event in _last_of([self._flights[place] for place in range(count)]):
            self._backend.wait(event)
        with self._state:
            for _ in range(count):
                self._flights.popleft()
            now_ns = self._clock_ns()
            used_ns, self._busy_ns = now_ns - self._busy_ns, now_ns
            self._idle_ns = now_ns
            self._mean_ns = (self._mean_ns + used_ns // count) // 2 if self._mean_ns else used_ns // count
            self._room = room(self._mean_ns, is_contended=False)
            self._state.notify_all()
        self._slot.add_device_ns(used_ns)

    def _settle(self, seen: int) -> None:
        with self._state:
            now_ns = self._clock_ns()
            is_used = self._flights or self._is_enqueuing
            idle_ns = None if is_used else now_ns - self._idle_ns
            verdict = self._slot.settle(now_ns, self._charged_ns, now_ns - self._began_ns, idle_ns)
            self._charged_ns = now_ns
            if verdict is Verdict.RENEW:
                self._began_ns = now_ns
            self._has_turn = verdict is not Verdict.PASS
            self._is_draining = verdict is Verdict.DRAIN
            has_to_wait = not self._flights and self._is_enqueuing
            self._state.notify_all()
        if verdict is Verdict.LINGER and idle_ns is not None:
            self._slot.sleep(seen, max(0, LINGER_NS - idle_ns) * NS)
        elif has_to_wait:
            self._slot.sleep(seen, CLAIM_EVERY_S)


def _last_of(flights: list[tuple[QueueObject, Any]]) -> list[Any]:
    """Return events whose end is that of all: of an in-order queue the newest, of another every one."""
    last = {id(queue) if queue.is_in_order else id(event): event for queue, event in flights}
    return [driver_event(event) for event in last.values()]
