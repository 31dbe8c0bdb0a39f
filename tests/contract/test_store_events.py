"""Events in every store: who may see which, in order, and without reading those of all others."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from accelpool_broker.queries import events as event_queries
from accelpool_broker.store import Store
from accelpool_broker.store.sqlite import SqliteStore

MANY, TENANTS = 3000, ("a", "a/x", "a/x/y", "ab", "A/x", "b", "b/a")


def row(tenant: str | None, kind: str = "lease.active", node: str | None = None) -> dict[str, Any]:
    named = {
        "lease": "l" if tenant else None,
        "tenant": tenant,
        "account": "me" if tenant else None,
        "node": node,
    }
    return {"at": 0.0, "kind": kind, "device": None, "reason": "", "until": None, **named}


def filled(store: Store) -> list[tuple[int, str | None, str]]:
    """Add events of several tenants and of nodes; return number, tenant and kind of each."""
    choose = random.Random(1)
    rows = [
        row(tenant, choose.choice(["lease.active", "lease.lost"]))
        if tenant
        else row(None, "node.ready", "n1")
        for tenant in (choose.choice((*TENANTS, None)) for _ in range(400))
    ]
    with store.write() as tx:
        tx.add_events(rows)
    with store.read() as tx:
        found = tx.events(of_leases=True, of_nodes=True, after=0)
    return [(each.number, each.tenant, each.kind) for each in found]


def is_seen(tenant: str | None, of_leases: bool, of_nodes: bool, within: list[str]) -> bool:
    if tenant is None:
        return of_nodes
    return of_leases and any(tenant == each or tenant.startswith(f"{each}/") for each in within)


@pytest.mark.parametrize("most_apart", [100, 1])
def test_who_sees_some_tenants_sees_these_and_no_others_in_order(
    store: Store, monkeypatch: pytest.MonkeyPatch, most_apart: int
) -> None:
    monkeypatch.setattr(event_queries, "MOST_APART", most_apart)
    monkeypatch.setattr(event_queries, "FEW", 5)
    told = filled(store)
    for within in (["a"], ["a/x", "b"], ["a", "a/x"], ["c"], []):
        for of_leases, of_nodes in ((True, True), (True, False), (False, True)):
            seen = [each for each in told if is_seen(each[1], of_leases, of_nodes, within)]
            check_pages(store, seen, of_leases=of_leases, of_nodes=of_nodes, within=within)


def check_pages(store: Store, seen: list[tuple[int, str | None, str]], **of: Any) -> None:
    def asked(**more: Any) -> list[int]:
        with store.read() as tx:
            return [each.number for each in tx.events(**of, **more)]

    newest_first = [number for number, _, _ in reversed(seen)]
    middle = 200
    assert asked() == newest_first
    assert asked(limit=7) == newest_first[:7]
    assert asked(before=middle, limit=7) == [number for number in newest_first if number < middle][:7]
    assert asked(after=0, limit=7) == newest_first[::-1][:7]
    assert asked(after=middle) == [number for number in reversed(newest_first) if number > middle]
    lost = [number for number, _, kind in reversed(seen) if kind == "lease.lost"]
    assert asked(kinds=["lease.lost"], limit=9) == lost[:9]


@contextmanager
def steps(store: SqliteStore) -> Iterator[list[int]]:
    """Count what SQLite does, in hundreds of its virtual machine's steps."""
    done = [0]

    def count() -> None:
        done[0] += 1

    def attend(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_progress_handler(count, 100)

    event.listen(store._engine, "checkout", attend)
    try:
        yield done
    finally:
        event.remove(store._engine, "checkout", attend)


@pytest.mark.parametrize("more", [{}, {"after": 0}, {"kinds": ["lease.lost"]}], ids=str)
def test_a_tenants_few_events_are_found_without_reading_all_others(
    tmp_path: Path, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queries, "FEW", 100)
    with closing(SqliteStore(tmp_path / "broker.sqlite")) as store:
        with store.write() as tx:
            tx.add_events([row("few/deep", "lease.lost") for _ in range(3)])
            tx.add_events([row(f"t{number % 20}") for number in range(MANY)])
        with steps(store) as done, store.read() as tx:
            found = tx.events(of_leases=True, of_nodes=True, within=["few"], limit=100, **more)
        assert [each.tenant for each in found] == ["few/deep"] * 3
        assert done[0] * 100 < MANY
