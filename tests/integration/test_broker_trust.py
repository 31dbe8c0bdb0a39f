"""Trust rules: which are refused, who makes them, what is told and kept of the exchange by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.services import trust
from accelpool_broker.testing import BrokerInProcess, FakeClock

from ..issuer_rig import AUDIENCE, CLIENT, Issuer, running
from .trust_rig import of_people, rule, running_broker, told, trade

GITHUB = "https://token.actions.githubusercontent.com"


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with running_broker() as running:
        yield running


@pytest.fixture(scope="module")
def unchanged() -> Iterator[BrokerInProcess]:
    """A broker of which nothing is changed."""
    with running_broker() as running:
        yield running


@pytest.fixture
def issuer(broker: BrokerInProcess) -> Iterator[Issuer]:
    with running(now=broker.clock.now()) as found:
        yield found


# ---- rules


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"name": "tokens.json"}, "for the token of that file"),
        ({"issuer": "http://issuer.example"}, "https"),
        ({"issuer": "https://a@issuer.example"}, "user"),
        ({"claims": {}}, "have to claim"),
        ({"claims": {"ref": "**"}}, "have to claim"),
        ({"account": None}, "one service account"),
        ({"role": "member"}, "one service account"),
        ({"tenants": ["vision"]}, "for people"),
        ({"client_id": "x"}, "for people"),
        ({"audience": None}, "meant for"),
        ({"account": "admin"}, "kind service"),
        ({"scopes": ["accounts"]}, "not the scope"),
        ({"account": None, "role": "operator", "tenants": ["vision"]}, "tenants are for members"),
        ({"issuer": GITHUB, "claims": {"ref": "refs/heads/main"}}, "signs for anybody"),
        ({"issuer": GITHUB + "/", "claims": {"ref": "refs/heads/main"}}, "signs for anybody"),
        ({"issuer": GITHUB, "claims": {"repository": "acme*"}}, "signs for anybody"),
        ({"issuer": GITHUB, "claims": {"repository_owner": "acme-*"}}, "signs for anybody"),
        ({"issuer": GITHUB, "claims": {"sub": "*/solver"}}, "signs for anybody"),
        ({"issuer": "https://gitlab.com", "claims": {"ref_protected": "true"}}, "signs for anybody"),
        ({"lifetime_s": 86401}, "lifetime_s"),
        ({"lifetime_s": 1}, "lifetime_s"),
        ({"claims": {"repository": ""}}, "claims"),
        ({"claims": {"repository": 1}}, "claims"),
        ({"claims": {f"c{number}": "x" for number in range(17)}}, "claims"),
        ({"login_scope": "a  b"}, "login_scope"),
    ],
)
def test_a_rule_that_contradicts_itself_or_lets_strangers_in_is_refused(
    unchanged: BrokerInProcess, members: dict[str, Any], why: str
) -> None:
    usual = {"name": "r", "issuer": "https://issuer.example", "audience": AUDIENCE, "account": "ci"}
    usual |= {"claims": {"a": "b"}}
    answer = unchanged.call("POST", "/trust-rules", json={**usual, **members})
    assert told(answer) == (422, "invalid")
    assert why in answer.json["detail"]
    assert unchanged.json("GET", "/trust-rules")["items"] == []


@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "acme/*"},
        {"repository_owner": "acme"},
        {"sub": "repo:acme/solver:*"},
        {"repository_id": "42", "ref": "*"},
    ],
)
def test_a_rule_for_github_names_an_owner(broker: BrokerInProcess, claims: dict[str, str]) -> None:
    wanted = {"name": "r", "issuer": GITHUB, "audience": AUDIENCE, "account": "ci", "claims": claims}
    assert broker.json("POST", "/trust-rules", wanted)["claims"] == claims


def test_there_is_an_end_to_rules(
    broker: BrokerInProcess, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "MOST_RULES", 3)
    for _ in range(3):
        rule(broker, issuer)
    answer = broker.call(
        "POST", "/trust-rules", json={"name": "r", "issuer": issuer.url, "role": "member", "audience": "a"}
    )
    assert told(answer) == (429, "quota-exceeded")
    first = broker.json("GET", "/trust-rules?limit=2")
    assert [len(first["items"]), first["next_cursor"] is None] == [2, False]
    assert len(broker.json("GET", f"/trust-rules?cursor={first['next_cursor']}")["items"]) == 1


def test_rules_are_for_admins(broker: BrokerInProcess) -> None:
    broker.json("POST", "/accounts", {"name": "op", "role": "operator"})
    operator = broker.json("POST", "/tokens", {"name": "t", "account": "op"})["token"]
    for method, path in [("GET", ""), ("POST", ""), ("GET", "/x"), ("DELETE", "/x")]:
        assert broker.call(method, f"/trust-rules{path}", role=operator, json={}).status_code == 403


def test_the_audit_log_tells_of_rules_of_who_came_by_them_and_who_was_refused(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    made = rule(broker, issuer)
    token = trade(broker, issuer.token()).json
    trade(broker, issuer.token(repository="evil/solver"))
    trade(broker, "nonsense")
    broker.call("DELETE", f"/trust-rules/{made['id']}")
    entries = broker.json("GET", "/audit")["items"]
    seen = [(entry["action"], entry["account"], entry["object"], entry["outcome"]) for entry in entries]
    path = f"/trust-rules/{made['id']}"
    assert ("post_trust_rule", "admin", path, "done") in seen
    assert ("exchange_token", "ci", path, "done") in seen
    assert ("delete_trust_rule", "admin", path, "done") in seen
    assert ("exchange_token", "", "/token-exchange", "forbidden") in seen
    assert ("exchange_token", "", "/token-exchange", "unauthorized") in seen
    assert token["id"] in {entry["token"] for entry in entries}
    assert token["access_token"] not in str(entries)


def test_what_is_refused_does_not_keep_others_from_changing_the_pool(
    broker: BrokerInProcess, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(broker, issuer)
    used = issuer.token()
    assert trade(broker, used).status_code == 200
    monkeypatch.setattr(broker.services.pool, "change", None)  # what takes the lock that all changes take
    assert told(trade(broker, used)) == (401, "unauthorized")
    assert told(trade(broker, issuer.token(repository="evil/solver"))) == (403, "forbidden")


# ---- what is kept


def test_neither_id_tokens_nor_what_they_are_exchanged_for_are_kept(tmp_path: Path, caplog: Any) -> None:
    with BrokerInProcess(tmp_path) as broker, running(now=broker.clock.now()) as issuer:
        broker.json("POST", "/accounts", {"name": "ci", "kind": "service"})
        rule(broker, issuer)
        given = issuer.token()
        made = trade(broker, given).json["access_token"]
    content = b"".join(file.read_bytes() for file in tmp_path.glob("broker.sqlite*"))
    for secret in (made, given, given.rpartition(".")[2]):
        assert secret.encode() not in content
        assert secret not in caplog.text


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_token_is_good_once_at_all_brokers_and_after_a_restart(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    clock = FakeClock()
    with (
        BrokerInProcess(tmp_path / "a", clock, database_url=url) as first,
        running(now=clock.now()) as issuer,
    ):
        first.json("POST", "/accounts", {"name": "ci", "kind": "service"})
        rule(first, issuer)
        given, person = issuer.token(), issuer.token(aud=CLIENT, sub="u")
        of_people(first, issuer)
        made = trade(first, given).json
        named = trade(first, person).json["account"]
        if database == "sqlite":
            first.services.close()
        with BrokerInProcess(tmp_path / ("a" if url is None else "b"), clock, database_url=url) as second:
            assert told(trade(second, given)) == (401, "unauthorized")
            assert second.json("GET", "/whoami", role=made["access_token"])["account"] == "ci"
            assert trade(second, issuer.token(aud=CLIENT, sub="u")).json["account"] == named
