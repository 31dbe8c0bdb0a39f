"""The shared memory of one device, from the agent's side and the workers'."""

from __future__ import annotations

import mmap
import os

import pytest

from accelpool_node.sharing import layout, ledger
from accelpool_node.sharing.ledger import DeviceLedger, Registry
from accelpool_node.sharing.policy import LINGER_NS, QUANTUM_NS, Verdict
from accelpool_node.sharing.session_slot import SessionSlot
from accelpool_wire.errors import Invalid, Unavailable

MS = 1_000_000


@pytest.fixture
def registry():
    return Registry(ledger.create())


@pytest.fixture
def session(registry):
    """Makes sessions of leases."""

    def make(lease="L1", memory_bytes=1000, compute=0.5):
        if lease not in registry.leases():
            registry.set_limits(lease, memory_bytes, compute)
        slot = registry.add_session(lease)
        made = SessionSlot(registry.ledger, slot)
        made.slot = slot
        return made

    return make


# ---- memory -----------------------------------------------------------------------------------------


def test_sessions_of_a_lease_have_one_share_to_the_byte(session):
    one, other = session(), session()
    assert one.take(600)
    assert not other.take(401)
    assert other.take(400)
    assert (one.used_bytes, other.used_bytes) == (1000, 1000)
    one.give(600)
    assert other.take(600)


def test_leases_have_shares_of_their_own(session):
    assert session("L1").take(1000)
    assert session("L2").take(1000)


def test_what_a_session_held_is_free_once_it_is_removed(registry, session):
    dead, other = session(), session()
    assert dead.take(1000)
    registry.remove_session(dead.slot)
    assert other.take(1000)


def test_a_share_can_be_changed_while_it_is_in_use(registry, session):
    one = session()
    assert one.take(800)
    assert registry.set_limits("L1", 700, 0.25)
    assert not registry.set_limits("L1", 700, 0.25)
    assert (one.memory_bytes, registry.limits("L1")) == (700, (700, 0.25))
    assert not one.take(1)
    one.give(800)
    assert one.take(700)


@pytest.mark.parametrize("memory_bytes", [-1, 1 << 64, 1 << 200])
def test_limits_are_bounded_whatever_is_told(registry, memory_bytes):
    registry.set_limits("L1", memory_bytes, 1.0)
    assert registry.limits("L1")[0] in (0, layout.WORD_MASK)


# ---- turns ------------------------------------------------------------------------------------------


def test_a_free_turn_is_whoever_asks_first(session):
    one, other = session("L1"), session("L2")
    assert one.claim(1)
    assert one.claim(2)
    assert one.is_undisturbed
    assert not other.claim(3)
    assert not one.is_undisturbed


def test_whoever_is_asked_for_the_turn_is_woken(session):
    one, other = session("L1"), session("L2")
    one.claim(1)
    seen = one.wakes
    other.claim(2)
    assert one.wakes != seen
    one.sleep(seen, 60.0)  # returns at once


def test_a_turn_that_is_over_goes_to_the_least_virtual_time(session):
    one, other, third = session("L1", compute=0.5), session("L2", compute=0.25), session("L3")
    one.claim(1)
    assert not third.claim(2)
    assert not other.claim(3)
    assert one.settle(QUANTUM_NS, 0, QUANTUM_NS, 0) is Verdict.PASS
    assert not other.claim(4)
    assert third.claim(5)


def test_what_is_charged_decides_who_has_the_next_turn(session):
    one, other = session("L1", compute=0.75), session("L2", compute=0.25)
    order, now_ns = [], 1
    one.claim(now_ns)
    other.claim(now_ns)
    for _ in range(40):
        holder, waiting = (one, other) if one.claim(now_ns) else (other, one)
        waiting.claim(now_ns)
        order.append(holder)
        verdict = holder.settle(now_ns + QUANTUM_NS, now_ns, QUANTUM_NS, None)
        now_ns += QUANTUM_NS
        if verdict is Verdict.DRAIN:
            assert holder.settle(now_ns, now_ns, QUANTUM_NS, 0) is Verdict.PASS
    assert order.count(one) == 30


def test_an_idle_turn_is_kept_a_little_and_then_passed_on(session):
    one, other = session("L1"), session("L2")
    one.claim(1)
    other.claim(1)
    assert one.settle(2, 1, 1, LINGER_NS - 1) is Verdict.LINGER
    assert one.settle(2, 1, 1, LINGER_NS) is Verdict.PASS
    assert other.claim(3)


def test_nothing_is_charged_while_nobody_waits(session):
    one, other = session("L1"), session("L2")
    one.claim(1)
    assert one.settle(1000 * MS, 0, 1000 * MS, None) is Verdict.KEEP
    other.claim(1000 * MS)
    assert one.settle(1001 * MS, 1000 * MS, 1001 * MS, None) is Verdict.DRAIN
    one.settle(1001 * MS, 1001 * MS, 1001 * MS, 0)
    assert other.claim(1001 * MS)
    one.claim(1001 * MS)
    other.settle(1003 * MS, 1001 * MS, 2 * MS, LINGER_NS)
    assert one.claim(1003 * MS)  # 1 ms was charged to it, and 2 to the other


def test_the_turn_of_a_removed_session_is_free_at_once(registry, session):
    dead, other = session("L1"), session("L2")
    dead.claim(1)
    other.claim(2)
    seen = other.wakes
    registry.remove_session(dead.slot)
    assert other.wakes != seen
    assert other.claim(3)


def test_a_removed_session_does_not_wait_any_more(registry, session):
    one, dead = session("L1"), session("L2")
    one.claim(1)
    dead.claim(2)
    registry.remove_session(dead.slot)
    assert one.settle(QUANTUM_NS, 0, QUANTUM_NS, 0) is Verdict.KEEP
    assert one.is_undisturbed


def test_a_turn_given_to_a_session_just_removed_is_free(registry, session):
    one, dead = session("L1"), session("L2")
    registry.remove_session(dead.slot)
    registry.ledger.words[layout.TURN] = dead.slot + 1
    assert one.claim(1)


def test_leaving_passes_the_turn_on(session):
    one, other = session("L1"), session("L2")
    one.claim(1)
    other.claim(2)
    one.leave()
    assert other.claim(3)
    other.leave()
    assert one.claim(4)


# ---- entries and slots ------------------------------------------------------------------------------


def test_a_lease_is_kept_while_it_has_sessions(registry, session):
    one = session()
    registry.remove_lease("L1")
    assert registry.leases() == ["L1"]
    registry.remove_session(one.slot)
    registry.remove_lease("L1")
    assert registry.leases() == []


def test_leases_and_sessions_have_limits(registry):
    for number in range(layout.LEASES):
        registry.set_limits(str(number), 1, 0.01)
    with pytest.raises(Unavailable, match="64 leases"):
        registry.set_limits("one more", 1, 0.01)
    for _ in range(layout.SLOTS):
        registry.add_session("0")
    with pytest.raises(Unavailable, match="256 sessions"):
        registry.add_session("0")


def test_a_slot_that_is_no_sessions_is_refused(registry, session):
    session()
    for slot in (-1, 1, layout.SLOTS):
        with pytest.raises(Invalid, match=f"slot {slot}"):
            SessionSlot(registry.ledger, slot)


@pytest.mark.parametrize("size", [0, layout.SIZE_BYTES - 8, layout.SIZE_BYTES])
def test_memory_that_is_no_ledger_is_refused(size):
    descriptor = os.memfd_create("x")
    os.ftruncate(descriptor, size)
    with pytest.raises(Invalid, match="ledger"):
        DeviceLedger(descriptor)
    os.close(descriptor)


def test_nobody_can_take_the_memory_away_from_under_the_others(registry):
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(registry.ledger.descriptor, 0)


def test_nonsense_from_another_process_is_out_of_no_bounds(registry, session):
    one = session()
    memory = mmap.mmap(registry.ledger.descriptor, layout.SIZE_BYTES)
    memory[8 * layout.SLOTS_SEEN :] = b"\xff" * (layout.SIZE_BYTES - 8 * layout.SLOTS_SEEN)
    one.take(1)
    one.give(2)
    one.claim(1)
    one.settle(2, 1, QUANTUM_NS, 0)
    one.leave()
