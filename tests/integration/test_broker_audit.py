"""The audit log: what was done is in it with who did it; refusals are, without filling the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.services.audit import MOST_DIFFERENT
from accelpool_broker.testing import BrokerInProcess
from accelpool_wire.errors import Unavailable


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def entries(broker: BrokerInProcess, query: str = "") -> list[dict[str, Any]]:
    return broker.json("GET", f"/audit?{query}")["items"]


def told(broker: BrokerInProcess, query: str = "") -> list[tuple[str, str, str, str]]:
    return [
        (entry["account"], entry["action"], entry["object"], entry["outcome"])
        for entry in entries(broker, query)
    ]


def join(broker: BrokerInProcess, name: str, *tenants: str, role: str = "member") -> str:
    broker.json("POST", "/accounts", {"name": name, "role": role, "tenants": list(tenants)})
    return broker.json("POST", "/tokens", {"name": "first", "account": name})["token"]


def test_an_entry_says_who_did_what_to_what_from_where_and_when(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    mira = join(broker, "mira", "vision")
    broker.clock.move(5)
    lease = broker.json("POST", "/leases", {}, role=mira)
    token = broker.json("GET", "/whoami", role=mira)["token"]
    assert entries(broker)[0] == {
        "at": "2027-01-15T08:00:05.000Z",
        "account": "mira",
        "token": token,
        "address": "127.0.0.1",
        "action": "post_lease",
        "object": f"/leases/{lease['id']}",
        "outcome": "done",
        "count": 1,
    }


def test_all_that_changes_something_is_in_it(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    mira = join(broker, "mira", "vision")
    lease = f"/leases/{broker.json('POST', '/leases', {}, role=mira)['id']}"
    broker.json("PATCH", lease, {"compute": 0.5}, role=mira)
    broker.json("DELETE", lease)
    broker.json("PATCH", "/nodes/n1", {"cordoned": True})
    broker.json("PUT", "/tenants/vision", {})
    broker.call("DELETE", "/tenants/vision")
    made = broker.json("POST", "/tokens", {"name": "t"})
    token = f"/tokens/{made['id']}"
    new = broker.json("POST", f"{token}/rotate", {})["id"]
    broker.json("DELETE", token)
    joining = f"/join-tokens/{broker.json('POST', '/join-tokens', {})['id']}"
    broker.call("DELETE", joining)
    broker.json("PATCH", "/accounts/mira", {"disabled": True})
    assert told(broker)[::-1][-12:] == [
        ("mira", "post_lease", lease, "done"),
        ("mira", "patch_lease", lease, "done"),
        ("admin", "delete_lease", lease, "done"),
        ("admin", "patch_node", "/nodes/n1", "done"),
        ("admin", "put_tenant", "/tenants/vision", "done"),
        ("admin", "delete_tenant", "/tenants/vision", "done"),
        ("admin", "post_token", token, "done"),
        ("admin", "rotate_token", token, "done"),
        ("admin", "delete_token", token, "done"),
        ("admin", "post_join_token", joining, "done"),
        ("admin", "delete_join_token", joining, "done"),
        ("admin", "patch_account", "/accounts/mira", "done"),
    ]
    assert new != made["id"]
    first = told(broker)[::-1]
    assert ("node:n1", "put_node", "/nodes/n1", "done") in first
    assert next(entry for entry in first if entry[1] == "enrol_node")[0].startswith("join:jtk_")


def test_what_changes_nothing_is_not_in_it(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = f"/leases/{broker.lease()['id']}"
    broker.json("DELETE", lease)
    before = told(broker)
    for call in (("GET", lease), ("DELETE", lease), ("GET", "/devices"), ("GET", "/leases")):
        broker.json(*call)
    broker.report(sequence=1)
    assert broker.call("POST", "/leases", json={"kind": "accelerator"}).status_code == 422
    assert told(broker) == before


def test_renewals_are_not_in_it(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = f"/leases/{broker.lease()['id']}"
    before = told(broker)
    broker.json("PATCH", lease, {"ttl_s": 60})
    assert told(broker) == before


def test_a_change_that_fails_leaves_no_entry(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.register("n1", "gpu")
    before = told(broker)

    def fail(*_: object) -> None:
        raise Unavailable("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr("accelpool_broker.queries.transaction.Transaction.bump_revisions", fail)
        assert broker.call("POST", "/leases", json={}).status_code == 503
    assert told(broker) == before


def test_who_is_refused_is_in_it_with_his_account_if_he_has_one(broker: BrokerInProcess) -> None:
    mira = join(broker, "mira", "vision")
    broker.call("GET", "/accounts", role=mira)
    broker.call("GET", "/leases", role="a-guess")
    broker.call("PUT", "/nodes/n1", role="a-guess", json={})
    broker.call("POST", "/leases", role=mira, json={"tenant": "speech"})
    assert told(broker, "action=list_leases") == [("", "list_leases", "/leases", "unauthorized")]
    assert told(broker, "account=mira") == [
        ("mira", "post_lease", "/leases", "forbidden"),
        ("mira", "list_accounts", "/accounts", "forbidden"),
    ]


def test_refusals_that_are_alike_are_counted_and_written_once_a_minute(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path) as broker:
        broker.register("n1", "gpu")

        def kept() -> list[int]:
            with broker.services.pool.store.read() as tx:
                return [entry.count for entry in tx.audit() if entry.outcome != "done"]

        for _ in range(1000):
            broker.call("GET", "/leases", role="a-guess")
        broker.pass_time(59)
        assert kept() == []
        broker.pass_time(1)
        assert kept() == [1000]
        broker.call("GET", "/leases", role="a-guess")
    with BrokerInProcess(tmp_path, broker.clock) as again:
        assert [entry["count"] for entry in entries(again) if entry["outcome"] != "done"] == [1, 1000]


def test_what_was_refused_is_in_its_place_by_time_over_pages_too(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.call("GET", "/leases", role="a-guess")
    for _ in range(2):
        broker.clock.move(5)
        broker.lease()
    whole = broker.json("GET", "/audit?limit=500")["items"]
    assert [entry["action"] for entry in whole][:3] == ["post_lease", "post_lease", "list_leases"]
    assert [entry["at"] for entry in whole] == sorted((entry["at"] for entry in whole), reverse=True)
    paged, cursor = [], ""
    for _ in whole:
        page = broker.json("GET", f"/audit?limit=1{cursor}")
        paged += page["items"]
        cursor = f"&cursor={page['next_cursor']}"
    assert (paged, cursor) == (whole, "&cursor=None")


def test_nobody_fills_the_database_with_refusals(broker: BrokerInProcess) -> None:
    for number in range(500):
        broker.call("GET", f"/leases/lse_{number}", role=f"guess-{number}")
    found = [entry for entry in entries(broker) if entry["outcome"] == "unauthorized"]
    assert len(found) == MOST_DIFFERENT + 1
    assert sum(entry["count"] for entry in found) == 500
    assert found[0]["object"] == "..."


@pytest.mark.parametrize("path", ["/leases/%00", "/leases/%ff%fe", "/leases/%0a", "/" + "x" * 2000])
def test_a_path_that_no_database_would_take_is_written_too(broker: BrokerInProcess, path: str) -> None:
    broker.call("GET", path, role="a-guess")
    [entry] = [entry for entry in entries(broker) if entry["outcome"] == "unauthorized"]
    assert entry["object"].isprintable()
    assert len(entry["object"]) <= 255


def test_it_is_asked_by_account_object_action_time_and_page(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    start = len(entries(broker))
    ids = []
    for _ in range(3):
        ids.append(broker.lease()["id"])
        broker.clock.move(10)
    assert told(broker, f"object=/leases/{ids[1]}") == [("admin", "post_lease", f"/leases/{ids[1]}", "done")]
    assert len(entries(broker, "action=post_lease&account=admin")) == 3
    assert entries(broker, "account=nobody") == []
    between = "since=2027-01-15T08:00:10Z&until=2027-01-15T08:00:20Z"
    assert [entry["object"] for entry in entries(broker, between)] == [f"/leases/{ids[1]}"]
    first = broker.json("GET", "/audit?limit=2")
    rest = broker.json("GET", f"/audit?limit=500&cursor={first['next_cursor']}")
    assert [entry["object"] for entry in first["items"]] == [f"/leases/{id}" for id in ids[:0:-1]]
    assert len(rest["items"]) == start + 1
    assert broker.call("GET", "/audit?since=yesterday").status_code == 422


def test_it_goes_by_age(broker: BrokerInProcess) -> None:
    broker.json("POST", "/accounts", {"name": "old"})
    broker.pass_time(89 * 86400)
    broker.json("POST", "/accounts", {"name": "new"})
    assert [entry[2] for entry in told(broker)] == ["/accounts/new", "/accounts/old"]
    broker.pass_time(86400 + 1)
    assert [entry[2] for entry in told(broker)] == ["/accounts/new"]


def test_operators_read_it_and_members_do_not(broker: BrokerInProcess) -> None:
    for role, expected in (("operator", 200), ("member", 403)):
        token = join(broker, role, role=role)
        assert broker.call("GET", "/audit", role=token).status_code == expected
    assert {broker.call(method, "/audit").status_code for method in ("DELETE", "PUT", "POST", "PATCH")} == {
        405
    }


def test_no_secret_is_in_it(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    made = [broker.json("POST", "/tokens", {"name": "t"})]
    made.append(broker.json("POST", f"/tokens/{made[0]['id']}/rotate", {}))
    made.append(broker.json("POST", "/join-tokens", {}))
    lease = broker.lease()
    broker.call("GET", "/leases", role="a-guess-that-may-be-a-token-of-another-pool")
    text = broker.call("GET", "/audit?limit=500").get_data(as_text=True)
    secrets = [one["token"] for one in made] + [lease["endpoints"][0]["token"]]
    secrets += [broker.services.file_tokens["user"], broker.node_token("/nodes/n1"), "a-guess"]
    assert [secret for secret in secrets if secret in text] == []
