"""The shared memory of one device, as agent and workers use it; `layout` is its table."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from accelpool_node.sharing import futex, layout, policy
from accelpool_wire.errors import Invalid, Unavailable

F_ADD_SEALS = 1033
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW = 1, 2, 4  # fcntl(2); Python 3.11 has no names for them
NOBODY = 0


class DeviceLedger:
    """A device's ledger, in memory that processes share.

    Args:
        descriptor: Of the memory; the ledger owns it from now on. It must be the only one that this process
            has, or opens: closing another would give up its lock.

    Raises:
        Invalid: It is no such memory.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        size = os.fstat(descriptor).st_size
        if size != layout.SIZE_BYTES:
            raise Invalid(f"a device's ledger has {layout.SIZE_BYTES} bytes, not {size}")
        memory = mmap.mmap(descriptor, size)
        self.words = memoryview(memory).cast("Q")
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self._lock = threading.Lock()
        found = self.words[layout.MAGIC], self.words[layout.VERSION]
        if found != (layout.MAGIC_NUMBER, layout.VERSION_NUMBER):
            raise Invalid(f"this is no ledger of version {layout.VERSION_NUMBER}: it begins with {found}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other workers out; if this process dies the kernel lets them in."""
        with self._lock:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1)
            try:
                yield
            finally:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1)

    # ---- reading -----------------------------------------------------------------------------------------

    def lease_of(self, slot: int) -> int:
        """Return the entry of a slot's lease, or -1 if the slot is free."""
        return min(self.words[layout.slot_word(slot, layout.LEASE)], layout.LEASES) - 1

    def slots(self) -> range:
        """Return the slots that may be in use."""
        return range(min(self.words[layout.SLOTS_SEEN], layout.SLOTS))

    def used_bytes(self, lease: int) -> int:
        """Return the memory that a lease's sessions hold together."""
        words = self.words
        return sum(
            words[layout.slot_word(slot, layout.USED_BYTES)]
            for slot in self.slots()
            if self.lease_of(slot) == lease
        )

    def device_ns(self, slot: int) -> int:
        """Return the device time that a session has used in its turns."""
        return self.words[layout.slot_word(slot, layout.DEVICE_NS)]

    def contenders(self) -> list[policy.Contender]:
        """Return who waits for a turn."""
        words = self.words
        return [
            policy.Contender(
                slot=slot, virtual_ns=words[layout.lease_word(lease, layout.VIRTUAL_NS)], since_ns=since_ns
            )
            for slot in self.slots()
            if (since_ns := words[layout.slot_word(slot, layout.SINCE_NS)])
            and (lease := self.lease_of(slot)) >= 0
        ]

    def holder(self) -> int:
        """Return the slot whose turn it is, or -1; one that is free has no turn, whatever is written."""
        slot = self.words[layout.TURN] - 1
        return slot if 0 <= slot < layout.SLOTS and self.lease_of(slot) >= 0 else -1

    # ---- sleeping and waking -----------------------------------------------------------------------------

    def sleep(self, slot: int, seen: int, timeout_s: float) -> None:
        """Sleep until a slot is woken, unless it was since its WAKE was seen; for so long at most."""
        futex.wait(self._address_of(slot), seen, timeout_s)

    def wake(self, slot: int) -> None:
        """Have a session look again."""
        word = layout.slot_word(slot, layout.WAKE)
        self.words[word] = (self.words[word] + 1) & 0xFFFFFFFF
        futex.wake(self._address_of(slot))

    def _address_of(self, slot: int) -> int:
        return self._address + layout.slot_word(slot, layout.WAKE) * layout.WORD_BYTES


def create() -> DeviceLedger:
    """Return a new ledger with nobody in it.

    Raises:
        Unavailable: There is no memory for it.
    """
    try:
        descriptor = os.memfd_create("accelpool-ledger", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, layout.SIZE_BYTES)
        os.pwrite(descriptor, layout.MAGIC_NUMBER.to_bytes(8, "little"), layout.MAGIC * layout.WORD_BYTES)
        os.pwrite(descriptor, layout.VERSION_NUMBER.to_bytes(8, "little"), layout.VERSION * layout.WORD_BYTES)
        fcntl.fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
    except OSError as error:
        raise Unavailable(f"no memory for the device's ledger: {error.strerror}") from error
    return DeviceLedger(descriptor)


class Registry:
    """The agent's hand on a ledger: who is in it, and what they may have. It never takes the lock.

    Args:
        ledger: Whose.
    """

    def __init__(self, ledger: DeviceLedger) -> None:
        self.ledger = ledger
        self._leases: dict[str, int] = {}

    def leases(self) -> list[str]:
        """Return the leases that have entries."""
        return list(self._leases)

    def limits(self, lease: str) -> tuple[int, float]:
        """Return the memory and the compute share of a lease that has an entry."""
        words, entry = self.ledger.words, self._leases[lease]
        weight = words[layout.lease_word(entry, layout.WEIGHT)]
        return words[layout.lease_word(entry, layout.MEMORY_BYTES)], weight / policy.WHOLE

    def held_bytes(self) -> int:
        """Return the memory that all sessions hold together."""
        return sum(self.ledger.used_bytes(entry) for entry in self._leases.values())

    def set_limits(self, lease: str, memory_bytes: int, compute: float) -> bool:
        """Set what a lease may have, making its entry if there is none; whether that changed anything.

        Raises:
            Unavailable: There are too many leases.
        """
        entry = self._entry(lease)
        size = min(layout.WORD_MASK, max(0, memory_bytes))
        wanted = {layout.MEMORY_BYTES: size, layout.WEIGHT: policy.weight_of(compute)}
        is_new = False
        for field, value in wanted.items():
            word = layout.lease_word(entry, field)
            is_new |= self.ledger.words[word] != value
            self.ledger.words[word] = value
        return is_new

    def _entry(self, lease: str) -> int:
        if lease in self._leases:
            return self._leases[lease]
        taken = set(self._leases.values())
        entry = next((entry for entry in range(layout.LEASES) if entry not in taken), None)
        if entry is None:
            raise Unavailable(f"the device serves {layout.LEASES} leases on this node, which is the limit")
        for field in range(layout.ENTRY_WORDS):
            self.ledger.words[layout.lease_word(entry, field)] = 0
        self.ledger.words[layout.lease_word(entry, layout.IS_LEASE)] = 1
        self._leases[lease] = entry
        return entry

    def add_session(self, lease: str) -> int:
        """Return the slot of a new session of a lease that has limits.

        Raises:
            Unavailable: There are too many sessions.
        """
        ledger, words = self.ledger, self.ledger.words
        slot = next((slot for slot in range(layout.SLOTS) if ledger.lease_of(slot) < 0), None)
        if slot is None:
            raise Unavailable(f"the device has {layout.SLOTS} sessions on this node, which is the limit")
        self._clear(slot)  # whoever read it before its last session ended may have written since
        words[layout.SLOTS_SEEN] = max(words[layout.SLOTS_SEEN], slot + 1)
        words[layout.slot_word(slot, layout.LEASE)] = self._leases[lease] + 1
        return slot

    def remove_session(self, slot: int) -> None:
        """Clear the slot of a session whose process has ended, and let the others go on."""
        ledger = self.ledger
        self._clear(slot)
        for one in ledger.contenders():
            ledger.wake(one.slot)

    def _clear(self, slot: int) -> None:
        """Free a slot; its turn first, as nobody else takes a turn that a slot in use has."""
        words = self.ledger.words
        words[layout.slot_word(slot, layout.SINCE_NS)] = 0
        if words[layout.TURN] == slot + 1:
            words[layout.TURN] = NOBODY
        for field in (layout.LEASE, layout.USED_BYTES, layout.DEVICE_NS):
            words[layout.slot_word(slot, field)] = 0

    def remove_lease(self, lease: str) -> None:
        """Let go of a lease's entry, unless it has sessions."""
        entry = self._leases[lease]
        if not any(self.ledger.lease_of(slot) == entry for slot in self.ledger.slots()):
            del self._leases[lease]
            self.ledger.words[layout.lease_word(entry, layout.IS_LEASE)] = 0
