"""Which lease tokens still hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accelpool_node.agent.contract import GrantedLease, GrantedShare
from accelpool_node.agent.leases import MAX_ENDED, LeaseTable
from accelpool_wire.errors import LeaseExpired, LeaseRevoked, StaleEpoch
from accelpool_wire.lease_token import LeaseClaims, ShareClaim

NOW = 1_800_000_000.0


def claims(lease="L1", epoch=5, device="d", expires_at=NOW + 60):
    share = ShareClaim(device=device, epoch=epoch, memory_bytes=1, compute=1.0)
    return LeaseClaims(lease=lease, node="n", shares=(share,), expires_at=expires_at)


def granted(lease="L1", epoch=5, device="d", expires_at=NOW + 60):
    at = None if expires_at is None else datetime.fromtimestamp(expires_at, UTC)
    return GrantedLease(id=lease, devices=[GrantedShare(name=device, epoch=epoch)], expires_at=at)


def update(table, *leases, held=(), now=NOW):
    return table.update(leases, held=held, now=now)


@pytest.fixture
def table():
    return LeaseTable()


def test_nothing_is_known_before_the_brokers_first_word(table):
    assert not table.is_known
    update(table)
    assert table.is_known


def test_a_token_of_a_lease_not_yet_seen_is_accepted(table):
    update(table, granted(lease="L0", epoch=4))
    table.check(claims(epoch=5), NOW)


def test_a_token_of_a_granted_lease_is_accepted(table):
    update(table, granted())
    table.check(claims(), NOW)


def test_a_token_past_its_time_is_refused(table):
    update(table, granted())
    with pytest.raises(LeaseExpired, match="L1"):
        table.check(claims(expires_at=NOW), NOW)


@pytest.mark.parametrize("newest", [granted(lease="L2", epoch=6), granted(lease="L1", epoch=6)])
def test_a_token_of_an_earlier_grant_is_refused(table, newest):
    update(table, newest)
    with pytest.raises(StaleEpoch, match=r"epoch 5.*knows 6"):
        table.check(claims(epoch=5), NOW)


def test_a_device_granted_to_two_leases_serves_both(table):
    update(table, granted("L1", 5), granted("L2", 6))
    table.check(claims("L1", 5), NOW)
    table.check(claims("L2", 6), NOW)


def test_an_accepted_token_makes_earlier_ones_stale(table):
    update(table)
    table.note(claims("L2", 7))
    with pytest.raises(StaleEpoch):
        table.check(claims("L1", 6), NOW)
    table.check(claims("L2", 7), NOW)


@pytest.mark.parametrize(
    ("lease", "epoch", "is_doubtful"),
    [
        ("L1", 4, False),  # known, and stale
        ("L2", 6, False),
        ("L0", 5, False),  # known to have ended
        ("L3", 5, True),
        ("L3", 6, False),
        ("L3", 7, False),
    ],
)
def test_an_unknown_lease_with_an_earlier_epoch_than_the_newest_is_doubtful(table, lease, epoch, is_doubtful):
    update(table, granted("L0", 3))
    update(table, granted("L1", 5), granted("L2", 6))
    assert table.is_doubtful(claims(lease, epoch)) is is_doubtful


def test_the_brokers_word_settles_what_is_doubtful(table):
    update(table, granted("L2", 6))
    table.note(claims("L4", 9))
    assert table.is_doubtful(claims("L3", 5))
    update(table, granted("L2", 6), granted("L3", 5))
    assert not table.is_doubtful(claims("L3", 5))
    table.check(claims("L3", 5), NOW)
    update(table, granted("L2", 6))
    with pytest.raises(LeaseRevoked):
        table.check(claims("L3", 5), NOW)


def test_epochs_are_per_device(table):
    update(table, granted(device="other", epoch=9))
    table.check(claims(epoch=5), NOW)


def test_a_lease_no_longer_granted_has_ended(table):
    update(table, granted())
    assert {id: how.type for id, how in update(table).items()} == {"L1": "lease-revoked"}
    assert update(table) == {}
    with pytest.raises(LeaseRevoked):
        table.check(claims(), NOW)


def test_a_lease_gone_after_its_time_has_expired(table):
    update(table, granted(expires_at=NOW - 1))
    assert isinstance(update(table)["L1"], LeaseExpired)
    with pytest.raises(LeaseExpired, match="renewed"):
        table.check(claims(expires_at=NOW + 1000), NOW)


def test_a_lease_with_sessions_that_the_broker_never_granted_has_ended(table):
    assert set(update(table, held=["L1"])) == {"L1"}


def test_a_lease_whose_first_session_is_younger_than_the_question_goes_on(table):
    assert update(table, held=[]) == {}
    table.check(claims(), NOW)


def test_a_lease_that_comes_back_counts_again(table):
    update(table, granted(epoch=5))
    update(table)
    update(table, granted(epoch=8))
    table.check(claims(epoch=8), NOW)
    with pytest.raises(StaleEpoch):
        table.check(claims(epoch=5), NOW)


def test_a_lease_without_an_end_never_expires(table):
    update(table, granted(expires_at=None))
    assert isinstance(update(table)["L1"], LeaseRevoked)


def test_ended_leases_are_remembered_to_a_bound(table):
    update(table, *(granted(f"L{number}", device=f"d{number}") for number in range(MAX_ENDED + 10)))
    update(table)
    table.check(claims("L0", device="d0"), NOW)
    with pytest.raises(LeaseRevoked):
        table.check(claims("L10", device="d10"), NOW)


def test_grants_of_all_faces_of_hardware_are_one_series():
    table = LeaseTable({"ocl": "card", "cuda": "card", "other": "other"}.__getitem__)
    update(table, granted(lease="L2", epoch=6, device="cuda"))
    assert table.is_doubtful(claims(lease="L1", epoch=5, device="ocl"))
    with pytest.raises(StaleEpoch, match="the node knows 6"):
        table.check(claims(lease="L1", epoch=5, device="ocl"), NOW)
    table.check(claims(lease="L3", epoch=5, device="other"), NOW)


def test_a_lease_of_one_face_holds_though_the_other_was_granted_later():
    table = LeaseTable({"ocl": "card", "cuda": "card"}.__getitem__)
    update(table, granted(lease="L1", epoch=5, device="ocl"), granted(lease="L2", epoch=6, device="cuda"))
    table.check(claims(lease="L1", epoch=5, device="ocl"), NOW)
