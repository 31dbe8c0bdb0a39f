"""What every store keeps to: all or nothing, one writer, no device leased twice."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from accelpool_broker.models import TRANSITIONS, LeaseState
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.store import Store, open_store
from accelpool_broker.store.sqlite import SqliteStore
from accelpool_wire.errors import Conflict, Invalid, Unavailable

from .store_rig import fill, lease, node, share


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that can be opened more than once."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'broker.sqlite'}"


def test_what_was_written_is_read(store: Store) -> None:
    fill(store)
    with store.read() as tx:
        found = tx.device("d1")
    assert (found.id, found.attributes, found.memory_bytes, found.node.name) == (
        "d1",
        {"a": [1]},
        1 << 40,
        "n1",
    )


def test_what_is_reserved_for_a_request_is_read_and_holds_nothing_of_the_device(store: Store) -> None:
    fill(store)
    shares = [{"device": "d1", "memory_bytes": 1 << 40, "compute_ppm": WHOLE}]
    with store.write() as tx:
        request = lease("l3", LeaseState.QUEUED)
        request.starts_at, request.ends_at, request.reserved = 5.5, 7.5, shares
        tx.add(request)
        tx.add(share("l1"))
    with store.read() as tx:
        [found] = [row for row in tx.open_lease_rows() if row.id == "l3"]
        assert (found.starts_at, found.ends_at, found.reserved) == (5.5, 7.5, shares)
        assert tx.lease("l1").reserved == []


def test_a_failed_change_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            tx.add(node())
            tx.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.read() as tx:
        assert tx.nodes() == []


def test_a_device_cannot_be_leased_twice_at_once(store: Store) -> None:
    fill(store)
    with store.write() as tx:
        tx.add(share("l1"))
    with pytest.raises(Conflict), store.write() as tx:
        tx.add(share("l2"))
    with store.read() as tx:
        assert tx.active_shares() == {"l1": [("d1", 1, WHOLE, "n1")]}


@pytest.mark.parametrize(
    ("memory_bytes", "compute_ppm", "fits"),
    [(1 << 39, WHOLE // 2, True), ((1 << 39) + 1, 1, False), (1, WHOLE // 2 + 1, False)],
)
def test_parts_of_a_device_fit_up_to_the_last_byte_and_millionth(
    store: Store, memory_bytes: int, compute_ppm: int, fits: bool
) -> None:
    fill(store)
    with store.write() as tx:
        tx.add(share("l1", memory_bytes=1 << 39, compute_ppm=WHOLE // 2))
    with nullcontext() if fits else pytest.raises(Conflict), store.write() as tx:
        tx.add(share("l2", memory_bytes=memory_bytes, compute_ppm=compute_ppm))
    with store.read() as tx:
        found = tx.device("d1")
        assert found.used_compute_ppm == (WHOLE if fits else WHOLE // 2)


def test_a_share_cannot_grow_into_what_others_have(store: Store) -> None:
    fill(store)
    with store.write() as tx:
        tx.add(share("l1", compute_ppm=WHOLE // 2))
        tx.add(share("l2", compute_ppm=WHOLE // 2))

    def grow() -> None:
        with store.write() as tx:
            tx.lease("l2").shares[0].compute_ppm += 1

    with pytest.raises(Conflict):
        grow()


def test_a_device_can_be_leased_again_afterwards(store: Store) -> None:
    fill(store)
    with store.write() as tx:
        tx.add(share("l1", is_active=False))
    with store.write() as tx:
        tx.add(share("l2"))
    with store.read() as tx:
        assert tx.leases_of_devices(["d1"]) == {"d1": ["l2"]}


def test_the_audit_log_is_only_added_to(store: Store) -> None:
    entry = {
        "at": 1.0, "account": "a", "token": "t", "address": "", "action": "x", "object": "/x",
        "outcome": "done", "count": 1,
    }  # fmt: skip
    with store.write() as tx:
        tx.add_audit([entry, {**entry, "at": 2.0}])
    with pytest.raises(Conflict, match="only added to"), store.write() as tx:
        tx.audit()[0].account = "somebody else"
    with store.write() as tx:
        assert [(found.at, found.account) for found in tx.audit()] == [(2.0, "a"), (1.0, "a")]
        tx.prune_audit(before=2.0)
    with store.read() as tx:
        assert [found.at for found in tx.audit()] == [2.0]


def test_an_idempotency_key_names_one_lease(store: Store) -> None:
    with store.write() as tx:
        tx.add(lease("l1", key="k"))
    with pytest.raises(Conflict), store.write() as tx:
        tx.add(lease("l2", key="k"))
    with store.read() as tx:
        found = tx.lease_by_key("k")
    assert found is not None
    assert found.id == "l1"


def test_a_share_needs_its_lease_and_its_device(store: Store) -> None:
    with pytest.raises(Conflict), store.write() as tx:
        tx.add(share("nobody"))


def test_ended_leases_are_forgotten_with_their_shares(store: Store) -> None:
    fill(store)
    with store.write() as tx:
        tx.add(share("l1", is_active=False))
        ended = tx.lease("l1")
        assert ended is not None
        ended.ended_at = 5.0
    with store.write() as tx:
        tx.prune(ended_before=5.0)
    with store.read() as tx:
        assert tx.lease("l1") is not None
    with store.write() as tx:
        tx.prune(ended_before=6.0)
    with store.read() as tx:
        assert (tx.lease("l1"), tx.lease("l2") is None) == (None, False)


def test_sessions_are_replaced_as_a_whole(store: Store) -> None:
    fill(store)
    for sessions in ([("s1", "l1"), ("s2", "l1")], [("s2", "l2"), ("s3", "l1")]):
        with store.write() as tx:
            tx.replace_sessions("n1", sessions)
    with store.read() as tx:
        assert [session.id for session in tx.sessions_of("l1")] == ["s3"]
        assert [session.id for session in tx.sessions_of("l2")] == ["s2"]


def test_writers_take_turns(store: Store) -> None:
    fill(store)

    def bump() -> None:
        for _ in range(20):
            with store.write() as tx:
                found = tx.device("d1")
                assert found is not None
                found.epoch += 1

    threads = [threading.Thread(target=bump) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        assert tx.device("d1").epoch == 80


def test_a_reader_sees_one_moment(url: str) -> None:
    store = open_store(url, None)
    fill(store)
    with store.read() as reading:
        assert [found.name for found in reading.nodes()] == ["n1"]
        with store.write() as tx:
            tx.add(node("n2"))
        assert [found.name for found in reading.nodes()] == ["n1"]
    with store.read() as reading:
        assert [found.name for found in reading.nodes()] == ["n1", "n2"]
    store.close()


def test_a_reader_cannot_write(postgres_url: str) -> None:
    store = open_store(postgres_url, None)
    with pytest.raises(Unavailable, match="read-only"), store.read() as tx:
        tx.add(node())
    store.close()


def test_a_text_that_postgresql_cannot_hold_is_invalid(postgres_url: str) -> None:
    store = open_store(postgres_url, None)
    with pytest.raises(Invalid), store.read() as tx:
        tx.lease("\0")
    with pytest.raises(Invalid), store.write() as tx:
        tx.add(node("n" * 65))
    store.close()


def test_a_database_keeps_its_content_and_is_migrated_once(url: str) -> None:
    for _ in range(2):
        store = open_store(url, None)
        with store.read() as tx:
            count = len(tx.nodes())
        with store.write() as tx:
            tx.add(node(f"n{count}"))
        store.close()
    assert count == 1


@pytest.mark.parametrize("content", ["no database at all, but long enough to be taken for one" * 40])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "broker.sqlite"
    file.write_text(content)
    with pytest.raises(Unavailable, match="cannot be opened"):
        SqliteStore(file)
    assert file.read_text() == content


def test_a_database_that_another_process_holds_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelpool_broker.store.sqlite.BUSY_TIMEOUT_MS", 10)
    first, second = SqliteStore(tmp_path / "broker.sqlite"), SqliteStore(tmp_path / "broker.sqlite")
    with first.write() as mine:
        mine.form()
        with pytest.raises(Unavailable, match="locked"), second.write() as other:
            other.form()
    first.close()
    second.close()


def test_a_writer_does_not_wait_for_ever(postgres_url: str) -> None:
    """Two brokers; the other one has its own turn, so the server's limit counts."""
    limited = f"{postgres_url}&options=-c%20lock_timeout%3D10ms"
    first, second = open_store(postgres_url, None), open_store(limited, None)
    with first.write() as mine:
        mine.add(node())
        with pytest.raises(Unavailable, match="lock timeout"), second.write() as other:
            other.form()
    with second.write() as other:
        assert [found.name for found in other.nodes()] == ["n1"]
    first.close()
    second.close()


def test_a_writer_that_hangs_is_cut_off(postgres_url: str) -> None:
    hung = open_store(f"{postgres_url}&options=-c%20idle_in_transaction_session_timeout%3D500ms", None)
    other = open_store(postgres_url, None)
    entered, may_end = threading.Event(), threading.Event()
    errors: list[Exception] = []

    def hang() -> None:
        try:
            with hung.write() as tx:
                entered.set()
                may_end.wait(30)
                tx.add(node("n0"))
        except Unavailable as error:
            errors.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    assert entered.wait(30)
    with other.write() as tx:  # waits until the server has cut the other off
        tx.add(node())
    may_end.set()
    thread.join(30)
    assert len(errors) == 1
    with hung.read() as tx:  # and it has recovered
        assert [found.name for found in tx.nodes()] == ["n1"]
    hung.close()
    other.close()


def test_a_lease_ends_once_and_never_comes_back() -> None:
    assert set(TRANSITIONS) == set(LeaseState)
    ended = [state for state, following in TRANSITIONS.items() if not following]
    assert set(ended) == set(LeaseState) - {LeaseState.QUEUED, LeaseState.ACTIVE}
    assert all(LeaseState.QUEUED not in following for following in TRANSITIONS.values())
