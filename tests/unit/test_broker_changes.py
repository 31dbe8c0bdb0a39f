"""Changes of the pool's state: committed together, undone alone, and nobody left waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from accelpool_broker.models import Tenant
from accelpool_broker.services import changes
from accelpool_broker.services.changes import Change
from accelpool_broker.services.charges import new_tenant
from accelpool_broker.services.picture import Picture
from accelpool_broker.services.pool import Pool
from accelpool_broker.testing import BrokerInProcess
from accelpool_broker.turns import Turns
from accelpool_wire.errors import Conflict, Unavailable

from ..conftest import wait_until


@pytest.fixture
def pool() -> Iterator[Pool]:
    with BrokerInProcess() as broker:
        yield broker.services.pool


def add(name: str) -> Callable[[Change], None]:
    return lambda change: change.tx.add(new_tenant(name, change.now))


def refuse(change: Change) -> None:
    change.tx.add(new_tenant("refused", change.now))
    change.tx.flush()
    raise Conflict("no")


def all_at_once(pool: Pool, works: list[Callable[[Change], None]]) -> list[BaseException | None]:
    """Make changes in a thread each, all of which want to before the first ends; return their errors."""
    errors: list[BaseException | None] = [None] * len(works)
    turns = pool._changes._turns

    def make(number: int, wait: bool) -> None:
        try:
            with pool.change() as change:
                if wait:
                    wait_until(lambda: len(turns._line) == len(works) - 1)
                works[number](change)
        except BaseException as error:
            errors[number] = error

    first = threading.Thread(target=make, args=(0, True))
    first.start()
    wait_until(lambda: turns._is_taken)
    others = [threading.Thread(target=make, args=(number, False)) for number in range(1, len(works))]
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join(20)
        assert not thread.is_alive()
    return errors


def tenants(pool: Pool) -> set[str]:
    with pool.store.read() as tx:
        return {tenant.name for tenant in tx.tenants()}


def writes(pool: Pool) -> int:
    with pool.store.read() as tx:
        return tx.writes()


def test_changes_at_once_are_one_transaction(pool: Pool) -> None:
    before = writes(pool)
    assert all_at_once(pool, [add("a"), add("b"), add("c")]) == [None] * 3
    assert tenants(pool) == {"a", "b", "c"}
    assert writes(pool) == before + 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_change_that_fails_is_undone_alone(pool: Pool, place: int) -> None:
    works = [add("a"), add("b"), add("c")]
    works[place] = refuse
    errors = all_at_once(pool, works)
    assert [error is None for error in errors] == [number != place for number in range(3)]
    assert isinstance(errors[place], Conflict)
    assert tenants(pool) == {name for number, name in enumerate("abc") if number != place}


def test_nothing_is_remembered_of_a_change_that_was_undone(pool: Pool) -> None:
    all_at_once(pool, [add("a"), refuse, add("b")])
    with pool.store.read() as tx:
        assert pool.picture(tx) == Picture.load(tx, pool.settings.lost_after_s)
        assert set(pool.picture(tx).tenants) == {"a", "b"}


def test_who_changed_a_lease_can_read_it_though_a_later_change_of_it_was_undone() -> None:
    with BrokerInProcess() as broker:
        broker.register("n1", "gpu:a")
        id = broker.json("POST", "/leases", {"kind": "gpu"})["id"]
        pool, kept = broker.services.pool, []

        def prolong(change: Change) -> None:
            lease = change.tx.lease(id)
            assert lease is not None
            lease.ttl_s = 99.0
            kept.append(lease)

        def refuse_to_shrink(change: Change) -> None:
            lease = change.tx.lease(id)
            assert lease is not None
            lease.ttl_s, lease.shares[0].compute_ppm, lease.shares[0].device.fault = 1.0, 1, "broken"
            change.tx.flush()
            raise Conflict("no")

        all_at_once(pool, [prolong, refuse_to_shrink, add("a")])
        [lease] = kept
        [share] = lease.shares
        assert (lease.ttl_s, share.compute_ppm, share.device.fault) == (99.0, 1_000_000, "")
        assert share.device.node.name == "n1"


def test_what_the_database_refuses_is_a_conflict_and_undone_alone(pool: Pool) -> None:
    def twice(change: Change) -> None:
        change.tx.add(Tenant(name="a", created_at=0.0))
        change.tx.flush()

    errors = all_at_once(pool, [add("a"), twice, add("b")])
    assert (errors[0], errors[2]) == (None, None)
    assert isinstance(errors[1], Conflict)
    assert tenants(pool) == {"a", "b"}


def test_without_its_database_nothing_is_changed_and_all_are_told(pool: Pool) -> None:
    def lose(change: Change) -> None:
        raise Unavailable("gone")

    errors = all_at_once(pool, [add("a"), add("b"), lose])
    assert [type(error) for error in errors].count(Unavailable) >= 1
    assert tenants(pool) == {name for name, error in zip("ab", errors, strict=False) if error is None}
    with pool.change() as change:
        add("after")(change)
    assert "after" in tenants(pool)


def test_if_the_commit_fails_all_are_told(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    write = pool.store.write

    @contextmanager
    def fail() -> Iterator[object]:
        with write() as tx:
            yield tx
            raise Unavailable("gone")

    monkeypatch.setattr(pool.store, "write", fail)
    errors = all_at_once(pool, [add("a"), add("b")])
    assert [type(error) for error in errors] == [Unavailable] * 2
    monkeypatch.undo()
    assert tenants(pool) == set()


def test_who_waits_for_one_that_gave_up_goes_on_by_himself(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "HANDOVER_S", 0.01)
    monkeypatch.setattr(Turns, "is_wanted", True)  # by somebody who gives up just then
    with pool.change() as change:
        add("a")(change)
    assert tenants(pool) == {"a"}


def test_who_waited_while_the_database_was_away_does_not_try_as_long_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    @contextmanager
    def fail() -> Iterator[object]:
        tries.append(0)
        wait_until(lambda: len(pool._changes._turns._line) == 3)
        raise Unavailable("gone")
        yield

    monkeypatch.setattr(pool.store, "write", fail)
    errors: list[BaseException] = []

    def make() -> None:
        try:
            with pool.change():
                pass
        except Unavailable as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [str(error) for error in errors] == ["gone"] * 4
    assert len(tries) == 1


def test_a_turn_is_not_waited_for_for_ever(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "TURN_S", 0.01)
    assert pool._changes._turns.take(0)
    with pytest.raises(Unavailable, match="others wait"), pool.change():
        pass
    pool._changes._turns.give()
    with pool.change() as change:
        add("a")(change)
    assert tenants(pool) == {"a"}


def test_what_others_gave_back_in_the_same_transaction_can_be_had() -> None:
    with BrokerInProcess() as broker:
        broker.register("n1", "gpu:a")
        large, small = (broker.json("POST", "/leases", {"compute": part}) for part in (0.75, 0.25))
        leases = broker.services.leases
        turns = broker.services.pool._changes._turns

        def shrink() -> None:
            leases.change(large["id"], broker.admin, compute_ppm=250_000)

        def grow() -> None:
            leases.change(small["id"], broker.admin, compute_ppm=700_000)

        assert turns.take(0)
        threads = [threading.Thread(target=work) for work in (shrink, grow)]
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(lambda number=number: len(turns._line) == number + 1)
        turns.give()
        for thread in threads:
            thread.join(20)
        assert broker.json("GET", f"/leases/{small['id']}")["shares"][0]["compute"] == 0.7


def test_a_change_that_fails_ends_the_transaction_of_those_before(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "HANDOVER_S", 20.0)
    before = writes(pool)
    all_at_once(pool, [add("a"), refuse, add("b")])
    assert writes(pool) == before + 2


def test_a_lease_has_ended_whatever_its_end_brings_about() -> None:
    with BrokerInProcess() as broker:
        broker.register("n1", "gpu:a")
        id = broker.json("POST", "/leases", {})["id"]
        heard: list[str] = []

        def fail(lease: str) -> None:
            raise RuntimeError("can't start new thread")

        broker.services.pool.on_end[:0] = [fail]
        broker.services.pool.on_end.append(heard.append)
        assert broker.json("DELETE", f"/leases/{id}")["state"] == "released"
        assert heard == [id]
