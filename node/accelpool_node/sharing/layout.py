"""The shared memory of one device, with all faces of its hardware: where which number is, and who writes it.

Every number is a word of 8 bytes in the machine's own order. The agent makes the memory (a memfd whose size
is sealed) and hands its descriptor to workers with `Serve`.

    word                          meaning                                          written by
    0   MAGIC                     "apshares"                                       the agent, once
    1   VERSION                   of this table                                    the agent, once
    2   SLOTS_SEEN                slots from here on were never used               the agent
    3   TURN                      1 + the slot whose turn it is; 0: nobody's       workers, locked; the agent
    4   CLOCK_NS                  the virtual time of the turn given last          workers, locked
    5   CONTENDED                 1 if a session waits for its turn                workers, locked

    LEASES entries of 8 words from word 8 on, one for each lease
    0   IS_LEASE                  1, or 0 if it is free                            the agent
    1   MEMORY_BYTES              the memory share                                 the agent
    2   WEIGHT                    the compute share, in millionths                 the agent
    3   VIRTUAL_NS                its device time under contention over its share  workers, locked

    SLOTS entries of 8 words after them, one for each session
    0   LEASE                     1 + its lease's entry, or 0 if it is free        the agent
    1   USED_BYTES                memory that it holds                             its worker, locked to take
    2   SINCE_NS                  since when it waits for its turn; 0: it does not its worker, locked
    3   DEVICE_NS                 device time that it has used                     its worker
    4   WAKE                      changes when it is to look again (a futex)       anyone

The lock is a record lock on the first byte, which dies with its process. Nothing that a process leaves half
done keeps others from going on: sums are made anew from the slots each time, a turn is one word, and the slot
of a process that has ended is cleared by the agent, which never takes the lock.
"""

from __future__ import annotations

MAGIC_NUMBER = int.from_bytes(b"apshares", "little")
VERSION_NUMBER = 1

WORD_BYTES, WORD_MASK = 8, (1 << 64) - 1
ENTRY_WORDS = 8
LEASES, SLOTS = 64, 256

MAGIC, VERSION, SLOTS_SEEN, TURN, CLOCK_NS, CONTENDED = range(6)
IS_LEASE, MEMORY_BYTES, WEIGHT, VIRTUAL_NS = range(4)
LEASE, USED_BYTES, SINCE_NS, DEVICE_NS, WAKE = range(5)

LEASES_AT = ENTRY_WORDS
SLOTS_AT = LEASES_AT + LEASES * ENTRY_WORDS
SIZE_BYTES = (SLOTS_AT + SLOTS * ENTRY_WORDS) * WORD_BYTES


def lease_word(lease: int, field: int) -> int:
    """Return where a field of a lease's entry is."""
    return LEASES_AT + lease * ENTRY_WORDS + field


def slot_word(slot: int, field: int) -> int:
    """Return where a field of a session's slot is."""
    return SLOTS_AT + slot * ENTRY_WORDS + field
