"""A worker's hand on a ledger: its session's memory and turns."""

from __future__ import annotations

from accelpool_node.sharing import layout, policy
from accelpool_node.sharing.ledger import NOBODY, DeviceLedger
from accelpool_wire.errors import Invalid


class SessionSlot:
    """One session's slot.

    Args:
        ledger: Of the device.
        slot: Its place.

    Raises:
        Invalid: There is no session there.
    """

    def __init__(self, ledger: DeviceLedger, slot: int) -> None:
        if not 0 <= slot < layout.SLOTS or ledger.lease_of(slot) < 0:
            raise Invalid(f"slot {slot} of the device's ledger is no session's")
        self._ledger = ledger
        self._slot = slot
        self._words = ledger.words
        lease = self._lease = ledger.lease_of(slot)
        self._used = layout.slot_word(slot, layout.USED_BYTES)
        self._since = layout.slot_word(slot, layout.SINCE_NS)
        self._device = layout.slot_word(slot, layout.DEVICE_NS)
        self._wake = layout.slot_word(slot, layout.WAKE)
        self._weight = layout.lease_word(lease, layout.WEIGHT)
        self._virtual = layout.lease_word(lease, layout.VIRTUAL_NS)

    # ---- memory ------------------------------------------------------------------------------------------

    @property
    def memory_bytes(self) -> int:
        """The memory share of all sessions of the lease together, as it is now."""
        return self._words[layout.lease_word(self._lease, layout.MEMORY_BYTES)]

    @property
    def used_bytes(self) -> int:
        """What they hold together."""
        return self._ledger.used_bytes(self._lease)

    def take(self, size: int) -> bool:
        """Take memory if the share has room for it; whether it had."""
        with self._ledger.locked():
            if self.used_bytes + size > self.memory_bytes:
                return False
            self._add(self._used, size)
            return True

    def give(self, size: int) -> None:
        """Give memory back that this session has taken."""
        self._add(self._used, -size)

    # ---- turns -------------------------------------------------------------------------------------------

    @property
    def is_fraction(self) -> bool:
        """Whether the lease has less than the whole device, so that its sessions take turns."""
        return self._words[self._weight] < policy.WHOLE

    @property
    def is_undisturbed(self) -> bool:
        """Whether it is this session's turn, and no other one waits."""
        return self._words[layout.TURN] == self._slot + 1 and not self._words[layout.CONTENDED]

    @property
    def wakes(self) -> int:
        """What to sleep on: read before looking."""
        return self._words[self._wake]

    def sleep(self, seen: int, timeout_s: float) -> None:
        """Sleep until woken, unless it happened since; for so long at most."""
        self._ledger.sleep(self._slot, seen, timeout_s)

    def wake(self) -> None:
        """Have the thread that sleeps here look again."""
        self._ledger.wake(self._slot)

    def claim(self, now_ns: int) -> bool:
        """Ask for the turn; whether it is this session's now. Otherwise whoever has it is told."""
        words, ledger = self._words, self._ledger
        with ledger.locked():
            holder = ledger.holder()
            if holder == self._slot:
                words[self._since] = 0
                return True
            if not words[self._since]:
                words[self._virtual] = policy.joined(words[self._virtual], words[layout.CLOCK_NS])
                words[self._since] = now_ns
            chosen = policy.first(ledger.contenders()) if holder < 0 else None
            if chosen is not None:
                self._give_turn(chosen)
            else:
                words[layout.CONTENDED] = 1
        if chosen is not None and chosen.slot == self._slot:
            return True
        ledger.wake(holder if chosen is None else chosen.slot)
        return False

    def add_device_ns(self, used_ns: int) -> None:
        """Count device time that this session has used."""
        self._add(self._device, used_ns)

    def settle(self, now_ns: int, charged_at_ns: int, held_ns: int, idle_ns: int | None) -> policy.Verdict:
        """Charge device time, and return what to do next; with PASS the turn is over.

        Args:
            now_ns: The monotonic clock.
            charged_at_ns: When the last charge was.
            held_ns: See `policy.Holder`.
            idle_ns: See there.
        """
        words, ledger = self._words, self._ledger
        chosen = None
        with ledger.locked():
            if ledger.holder() != self._slot:
                return policy.Verdict.PASS
            others = [one for one in ledger.contenders() if one.slot != self._slot]
            due_ns = policy.chargeable_ns(charged_at_ns, now_ns, others)
            virtual_ns = policy.charged(words[self._virtual], due_ns, words[self._weight])
            words[self._virtual] = virtual_ns
            words[layout.CONTENDED] = bool(others)
            holder = policy.Holder(virtual_ns=virtual_ns, held_ns=held_ns, idle_ns=idle_ns)
            verdict = policy.decide(holder, others)
            if verdict is policy.Verdict.RENEW:
                words[layout.CLOCK_NS] = max(words[layout.CLOCK_NS], virtual_ns)
            elif verdict is policy.Verdict.PASS:
                chosen = policy.first(others)
                assert chosen is not None, "nobody passes to nobody"
                self._give_turn(chosen)
        if chosen is not None:
            ledger.wake(chosen.slot)
        return verdict

    def leave(self) -> None:
        """Give up the turn, or waiting for it."""
        words, ledger = self._words, self._ledger
        chosen = None
        with ledger.locked():
            words[self._since] = 0
            if ledger.holder() == self._slot:
                words[layout.TURN] = NOBODY
                chosen = policy.first(ledger.contenders())
                if chosen is not None:
                    self._give_turn(chosen)
        if chosen is not None:
            ledger.wake(chosen.slot)

    def _add(self, word: int, amount: int) -> None:
        """Add to a number that nobody else should write while this process lives."""
        self._words[word] = (self._words[word] + amount) & layout.WORD_MASK

    def _give_turn(self, chosen: policy.Contender) -> None:
        words = self._words
        words[layout.slot_word(chosen.slot, layout.SINCE_NS)] = 0
        words[layout.CLOCK_NS] = max(words[layout.CLOCK_NS], chosen.virtual_ns)
        words[layout.TURN] = chosen.slot + 1
