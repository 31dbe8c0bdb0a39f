"""Accounts and tokens over REST: who may call, for what, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.models import Role, Scope
from accelpool_broker.permissions import NEEDS, Need
from accelpool_broker.services.caller import SCOPES
from accelpool_broker.services.credentials import READS_AT_ONCE_S, READS_PER_S
from accelpool_broker.testing import BrokerInProcess, FakeClock

from ..conftest import wait_until


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def join(broker: BrokerInProcess, name: str, role: str = "member", *tenants: str, **token: Any) -> str:
    """Make an account and return a token of it."""
    broker.json("POST", "/accounts", {"name": name, "role": role, "tenants": list(tenants)})
    return broker.json("POST", "/tokens", {"name": "first", "account": name, **token})["token"]


def status(broker: BrokerInProcess, method: str, path: str, role: str, body: Any = None) -> int:
    return broker.call(method, path, role=role, json=body).status_code


def test_the_table_of_permissions_names_every_endpoint_and_no_other(broker: BrokerInProcess) -> None:
    assert {rule.endpoint for rule in broker.app.url_map.iter_rules()} == set(NEEDS)
    open_ones = {endpoint for endpoint, need in NEEDS.items() if need is Need.NOTHING}
    assert open_ones == {
        "health.get_livez",
        "health.get_readyz",
        "health.get_health",
        "openapi.spec",
        "web.get_page",
        "web.get_file",
        "web.get_description",
        "web.get_description_file",
    }
    counted = {endpoint for endpoint, need in NEEDS.items() if need is Need.COUNTED}
    assert counted == {"login.get_login", "login.exchange_token"}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OPERATOR, Role.MEMBER])
def test_each_role_gets_past_the_guard_where_the_table_says_so_and_nowhere_else(
    broker: BrokerInProcess, role: Role
) -> None:
    token = join(broker, "somebody", role)
    for rule in broker.app.url_map.iter_rules():
        need = NEEDS[rule.endpoint]
        method = next(iter(rule.methods - {"HEAD", "OPTIONS"}))
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<path:{name}>", "x").replace(f"<{name}>", "x")
        answer = broker.call(method, path, role=token, json={} if method in ("POST", "PUT") else None)
        told = answer.get_data(as_text=True)
        is_refused = answer.status_code == 403 and "this needs the scope" in told
        assert is_refused == (isinstance(need, Scope) and need not in SCOPES[role]), (rule.endpoint, told)


def test_whoever_asks_is_told_who_he_is(broker: BrokerInProcess) -> None:
    token = join(broker, "mira", "member", "vision", "speech/asr")
    told = broker.json("GET", "/whoami", role=token)
    assert told == {
        "account": "mira",
        "role": "member",
        "tenants": ["vision", "speech/asr"],
        "token": told["token"],
        "scopes": ["compute", "leases", "leases:read", "nodes:read", "tenants:read", "tokens"],
    }
    assert broker.json("GET", "/whoami")["account"] == "admin"


@pytest.mark.parametrize(("kind", "prefix"), [("user", "apu_"), ("service", "aps_")])
def test_a_token_tells_the_kind_of_its_account_by_its_beginning(
    broker: BrokerInProcess, kind: str, prefix: str
) -> None:
    broker.json("POST", "/accounts", {"name": "a", "kind": kind})
    assert broker.json("POST", "/tokens", {"name": "t", "account": "a"})["token"].startswith(prefix)


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path) as broker:
        made = broker.json("POST", "/tokens", {"name": "laptop"})
        secret = made.pop("token")
        assert broker.json("GET", f"/tokens/{made['id']}") == made
        assert made in broker.json("GET", "/tokens")["items"]
        assert secret not in broker.call("GET", "/tokens").get_data(as_text=True)
    content = b"".join(file.read_bytes() for file in tmp_path.glob("broker.sqlite*"))
    assert secret.encode() not in content


def test_a_token_lets_in_until_it_expires(broker: BrokerInProcess) -> None:
    token = broker.json("POST", "/tokens", {"name": "t", "expires_at": "2027-01-15T08:01:00Z"})["token"]
    broker.clock.move(59)
    assert status(broker, "GET", "/leases", token) == 200
    broker.clock.move(1)
    answer = broker.call("GET", "/leases", role=token)
    assert answer.status_code == 401
    assert "has expired" in answer.json["detail"]


def test_a_token_lets_in_until_it_is_revoked(broker: BrokerInProcess) -> None:
    made = broker.json("POST", "/tokens", {"name": "t"})
    assert status(broker, "GET", "/leases", made["token"]) == 200
    revoked = broker.json("DELETE", f"/tokens/{made['id']}")
    assert revoked["revoked_at"] == "2027-01-15T08:00:00.000Z"
    assert status(broker, "GET", "/leases", made["token"]) == 401
    broker.clock.move(5)
    assert broker.json("DELETE", f"/tokens/{made['id']}") == revoked


def test_a_token_that_was_rotated_goes_on_for_the_overlap(broker: BrokerInProcess) -> None:
    old = broker.json(
        "POST", "/tokens", {"name": "ci", "scopes": ["leases:read"], "expires_at": "2027-01-15T09:00:00Z"}
    )
    broker.clock.move(600)
    new = broker.json("POST", f"/tokens/{old['id']}/rotate", {"overlap_s": 60})
    assert (new["name"], new["scopes"], new["expires_at"]) == (
        "ci", ["leases:read"], "2027-01-15T09:10:00.000Z"
    )  # fmt: skip
    assert broker.json("GET", f"/tokens/{old['id']}")["replaced_by"] == new["id"]
    broker.clock.move(59)
    assert [status(broker, "GET", "/leases", one["token"]) for one in (old, new)] == [200, 200]
    broker.clock.move(1)
    assert [status(broker, "GET", "/leases", one["token"]) for one in (old, new)] == [401, 200]
    again = broker.call("POST", f"/tokens/{old['id']}/rotate", json={})
    assert again.status_code == 409
    assert new["id"] in again.json["detail"]


def test_a_revoked_token_is_not_rotated(broker: BrokerInProcess) -> None:
    made = broker.json("POST", "/tokens", {"name": "t"})
    broker.json("DELETE", f"/tokens/{made['id']}")
    assert broker.call("POST", f"/tokens/{made['id']}/rotate", json={}).status_code == 409


def test_a_token_has_the_scopes_that_it_was_given_and_what_they_include(broker: BrokerInProcess) -> None:
    token = broker.json("POST", "/tokens", {"name": "t", "scopes": ["nodes"]})["token"]
    assert broker.json("GET", "/whoami", role=token)["scopes"] == ["nodes", "nodes:read"]
    assert status(broker, "GET", "/nodes", token) == 200
    refused = broker.call("GET", "/leases", role=token)
    assert refused.status_code == 403
    assert "needs the scope leases:read" in refused.json["detail"]


def test_a_token_gives_no_scopes_that_it_has_not_itself(broker: BrokerInProcess) -> None:
    whole = join(broker, "mira", "member", "vision")
    narrow = broker.json("POST", "/tokens", {"name": "n", "scopes": ["tokens", "leases:read"]}, role=whole)
    more = broker.call("POST", "/tokens", role=narrow["token"], json={"name": "m", "scopes": ["leases"]})
    assert more.status_code == 403
    same = broker.json("POST", "/tokens", {"name": "s"}, role=narrow["token"])
    assert same["scopes"] == ["leases:read", "tokens"]
    large = next(t for t in broker.json("GET", "/tokens", role=whole)["items"] if t["name"] == "first")
    assert status(broker, "POST", f"/tokens/{large['id']}/rotate", narrow["token"], {}) == 403


def test_no_account_gets_a_scope_that_its_role_has_not(broker: BrokerInProcess) -> None:
    broker.json("POST", "/accounts", {"name": "mira"})
    body = {"name": "t", "account": "mira", "scopes": ["accounts"]}
    assert broker.call("POST", "/tokens", json=body).status_code == 403


def test_another_accounts_tokens_are_not_there(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira"), join(broker, "noor")
    id = broker.json("GET", "/tokens", role=noor)["items"][0]["id"]
    calls = [("GET", f"/tokens/{id}"), ("DELETE", f"/tokens/{id}"), ("GET", "/tokens?account=noor")]
    assert [status(broker, *call, mira) for call in calls] == [404, 404, 404]
    assert status(broker, "POST", f"/tokens/{id}/rotate", mira, {}) == 404
    assert status(broker, "POST", "/tokens", mira, {"name": "t", "account": "noor"}) == 404
    assert status(broker, "GET", "/leases", noor) == 200
    assert broker.json("GET", f"/tokens/{id}")["account"] == "noor"  # admins see all


def test_a_disabled_account_is_let_in_no_more_and_its_leases_end(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    mira = join(broker, "mira", "member", "vision")
    held, queued = (broker.json("POST", "/leases", {}, role=mira)["id"] for _ in range(2))
    broker.json("PATCH", "/accounts/mira", {"disabled": True})
    answer = broker.call("GET", "/leases", role=mira)
    assert (answer.status_code, answer.json["detail"]) == (401, "account mira is disabled")
    states = [broker.json("GET", f"/leases/{id}") for id in (held, queued)]
    assert [(lease["state"], lease["reason"]) for lease in states] == [
        ("revoked", "account mira was disabled"),
        ("withdrawn", "account mira was disabled"),
    ]
    broker.json("PATCH", "/accounts/mira", {"disabled": False})
    assert status(broker, "GET", "/leases", mira) == 200


def test_another_role_holds_at_once(broker: BrokerInProcess) -> None:
    mira = join(broker, "mira", "member", "vision")
    assert status(broker, "PATCH", "/nodes/x", mira, {"cordoned": True}) == 403
    changed = broker.json("PATCH", "/accounts/mira", {"role": "operator"})
    assert (changed["role"], changed["tenants"]) == ("operator", [])
    assert status(broker, "PATCH", "/nodes/x", mira, {"cordoned": True}) == 404


def test_nobody_changes_his_own_account_so_that_an_admin_is_left(broker: BrokerInProcess) -> None:
    for change in ({"disabled": True}, {"role": "member"}):
        assert broker.call("PATCH", "/accounts/admin", json=change).status_code == 403


def test_a_new_token_in_the_file_is_the_way_back_in(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path) as broker:
        other = join(broker, "mira", "admin")
        broker.json("PATCH", "/accounts/admin", {"role": "member", "disabled": True}, role=other)
    with BrokerInProcess(tmp_path, broker.clock) as broker:
        assert status(broker, "GET", "/accounts", "user") == 401
    (tmp_path / "tokens.json").write_text('{"user": "new"}')
    with BrokerInProcess(tmp_path, broker.clock) as broker:
        assert status(broker, "GET", "/accounts", "user") == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/accounts", {"name": "admin"}, 409),
        ("POST", "/accounts", {"name": "a/b"}, 422),
        ("POST", "/accounts", {"name": "node:n1"}, 422),
        ("POST", "/accounts", {"name": "a\n"}, 422),
        ("POST", "/accounts", {"name": "a", "role": "node"}, 422),
        ("POST", "/accounts", {"name": "a", "kind": "node"}, 422),
        ("POST", "/accounts", {"name": "a", "role": "admin", "tenants": ["t"]}, 422),
        ("POST", "/accounts", {"name": "a", "tenants": ["t"] * 65}, 422),
        ("PATCH", "/accounts/nobody", {"disabled": True}, 404),
        ("GET", "/accounts/nobody", None, 404),
        ("POST", "/tokens", {"name": "t", "account": "nobody"}, 404),
        ("POST", "/tokens", {"name": "tokens.json"}, 422),
        ("POST", "/tokens", {"name": ""}, 422),
        ("POST", "/tokens", {"name": "t", "scopes": ["node"]}, 422),
        ("POST", "/tokens", {"name": "t", "scopes": ["everything"]}, 422),
        ("POST", "/tokens", {"name": "t", "scopes": []}, 422),
        ("POST", "/tokens", {"name": "t", "expires_at": "2027-01-15T08:00:00Z"}, 422),
        ("POST", "/tokens", {"name": "t", "expires_at": "2027-01-15T08:01:00"}, 422),
        ("GET", "/tokens/tok_x", None, 404),
        ("DELETE", "/tokens/tok_x", None, 404),
        ("POST", "/tokens/tok_x/rotate", {"overlap_s": -1}, 422),
    ],
)
def test_what_cannot_be_is_refused(
    broker: BrokerInProcess, method: str, path: str, body: Any, expected: int
) -> None:
    assert broker.call(method, path, json=body).status_code == expected


def test_an_account_has_so_many_tokens_and_no_more(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelpool_broker.services.tokens.MOST_PER_ACCOUNT", 3)
    mira = join(broker, "mira")
    for _ in range(2):
        id = broker.json("POST", "/tokens", {"name": "t"}, role=mira)["id"]
        broker.json("DELETE", f"/tokens/{id}", role=mira)
    assert status(broker, "POST", "/tokens", mira, {"name": "t"}) == 429
    broker.pass_time(8 * 86400)
    assert status(broker, "POST", "/tokens", mira, {"name": "t"}) == 201


def test_accounts_and_tokens_are_listed_page_by_page(broker: BrokerInProcess) -> None:
    for name in ("a", "b"):
        broker.json("POST", "/accounts", {"name": name})
    first = broker.json("GET", "/accounts?limit=2")
    rest = broker.json("GET", f"/accounts?limit=2&cursor={first['next_cursor']}")
    names = [account["name"] for account in (*first["items"], *rest["items"])]
    assert names[:3] == ["a", "admin", "b"]
    made = [broker.json("POST", "/tokens", {"name": name})["id"] for name in ("x", "y")]
    first = broker.json("GET", "/tokens?limit=2")
    rest = broker.json("GET", f"/tokens?limit=2&cursor={first['next_cursor']}")
    assert [token["id"] for token in first["items"]] == made[::-1]
    assert [token["name"] for token in rest["items"]] == ["tokens.json"]


def test_when_a_token_was_used_is_noted_once_in_a_while(broker: BrokerInProcess) -> None:
    made = broker.json("POST", "/tokens", {"name": "t"})

    def last_used() -> str | None:
        return broker.json("GET", f"/tokens/{made['id']}")["last_used_at"]

    broker.call("GET", "/leases", role=made["token"])
    assert last_used() is None
    broker.pass_time(1)
    assert last_used() == "2027-01-15T08:00:00.000Z"
    broker.call("GET", "/leases", role=made["token"])
    broker.pass_time(299)
    assert last_used() == "2027-01-15T08:00:00.000Z"
    broker.pass_time(1)
    assert last_used() == "2027-01-15T08:00:01.000Z"


def test_no_request_asks_the_database_who_sends_it(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = broker.services.pool.store
    for name in ("read", "write"):
        monkeypatch.setattr(store, name, lambda: pytest.fail("the database was asked"))
    assert broker.client.get("/kernels", headers={"Authorization": "Bearer nobody's"}).status_code == 401
    assert broker.json("GET", "/whoami")["account"] == "admin"


# ---- several brokers

Two = tuple[BrokerInProcess, BrokerInProcess]


@pytest.fixture
def brokers(postgres_url: str, tmp_path: Path) -> Iterator[Two]:
    clock = FakeClock()
    with (
        BrokerInProcess(tmp_path / "a", clock, database_url=postgres_url) as first,
        BrokerInProcess(tmp_path / "b", clock, database_url=postgres_url) as second,
    ):
        yield first, second


def test_what_one_broker_changes_holds_at_the_others_as_soon_as_they_hear_of_it(brokers: Two) -> None:
    first, second = brokers
    broker_token = join(first, "mira", "member", "vision")
    assert status(second, "GET", "/leases", broker_token) == 200  # at once
    made = first.json("POST", "/tokens", {"name": "t"}, role=broker_token)
    assert status(second, "GET", "/leases", made["token"]) == 200
    first.json("DELETE", f"/tokens/{made['id']}")
    wait_until(lambda: status(second, "GET", "/leases", made["token"]) == 401)
    second.json("PATCH", "/accounts/mira", {"disabled": True})
    wait_until(lambda: status(first, "GET", "/leases", broker_token) == 401)


def test_strangers_cannot_have_the_database_read_for_each_guess(
    brokers: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = brokers
    reads = []
    credentials = first.services.access.credentials
    read = credentials._read
    monkeypatch.setattr(credentials, "_read", lambda: (reads.append(1), read()))
    for number in range(200):
        assert status(first, "GET", "/leases", f"guess-{number}") == 401
    assert 0 < len(reads) <= READS_PER_S * READS_AT_ONCE_S
