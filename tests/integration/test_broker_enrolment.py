"""Nodes that come for the first time: join tokens, tokens of their own, and who speaks for whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.testing import BrokerInProcess, registration

REPORT = {"boot_id": "boot-1", "sequence": 1}


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def join_token(broker: BrokerInProcess, node: str | None = None, **options: Any) -> dict[str, Any]:
    return broker.json("POST", "/join-tokens", {"node": node, **options})


def enrol(broker: BrokerInProcess, node: str, token: str, secret: str) -> Any:
    body = {"sha256": hashlib.sha256(secret.encode()).hexdigest()}
    return broker.call("POST", f"/nodes/{node}/enrol", role=token, json=body)


def enrolled(broker: BrokerInProcess, node: str, secret: str) -> str:
    assert enrol(broker, node, join_token(broker, node)["token"], secret).status_code == 200
    return secret


def put(broker: BrokerInProcess, node: str, token: str) -> int:
    return broker.call("PUT", f"/nodes/{node}", role=token, json=registration("gpu")).status_code


def reconcile(broker: BrokerInProcess, node: str, token: str) -> int:
    return broker.call("POST", f"/nodes/{node}/reconcile", role=token, json=REPORT).status_code


def test_a_node_gets_a_token_of_its_own_and_speaks_with_it(broker: BrokerInProcess) -> None:
    made = join_token(broker)
    assert made["token"].startswith("apj_")
    told = enrol(broker, "n1", made["token"], "secret-1").json
    assert told["account"] == "node:n1"
    assert [put(broker, "n1", "secret-1"), reconcile(broker, "n1", "secret-1")] == [200, 200]
    [listed] = broker.json("GET", "/join-tokens")["items"]
    assert (listed["used_by"], listed["used_at"]) == ("n1", "2027-01-15T08:00:00.000Z")
    assert "token" not in listed
    assert broker.json("GET", "/accounts/node:n1")["role"] == "node"


def test_a_node_speaks_for_itself_alone(broker: BrokerInProcess) -> None:
    first, second = enrolled(broker, "n1", "secret-1"), enrolled(broker, "n2", "secret-2")
    assert [put(broker, "n1", first), put(broker, "n2", second)] == [200, 200]
    answer = broker.call("PUT", "/nodes/n2", role=first, json=registration("gpu"))
    assert (answer.status_code, answer.json["detail"]) == (403, "account node:n1 does not speak for node n2")
    assert [reconcile(broker, "n2", first), put(broker, "n3", first)] == [403, 403]
    assert broker.json("GET", "/nodes/n2")["state"] == "ready"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/leases"),
        ("POST", "/leases"),
        ("GET", "/devices"),
        ("GET", "/nodes/n1"),
        ("PATCH", "/nodes/n1"),
        ("GET", "/tokens"),
        ("POST", "/join-tokens"),
        ("POST", "/nodes/n1/enrol"),
        ("GET", "/accounts"),
    ],
)
def test_a_node_does_nothing_else(broker: BrokerInProcess, method: str, path: str) -> None:
    token = enrolled(broker, "n1", "secret-1")
    assert broker.call(method, path, role=token, json=None if method == "GET" else {}).status_code == 403


def test_a_join_token_does_nothing_else(broker: BrokerInProcess) -> None:
    token = join_token(broker)["token"]
    for path in ("/leases", "/devices", "/nodes", "/tokens", "/join-tokens"):
        assert broker.call("GET", path, role=token).status_code == 403
    assert put(broker, "n1", token) == 403


def test_a_join_token_is_used_once(broker: BrokerInProcess) -> None:
    token = join_token(broker)["token"]
    assert enrol(broker, "n1", token, "secret-1").status_code == 200
    for node, secret in (("n2", "secret-2"), ("n1", "secret-2")):
        answer = enrol(broker, node, token, secret)
        assert answer.status_code == 403
        assert "was used, by node n1" in answer.json["detail"]
        assert put(broker, node, secret) == 401


def test_an_agent_that_missed_the_answer_asks_again(broker: BrokerInProcess) -> None:
    token = join_token(broker)["token"]
    answers = [enrol(broker, "n1", token, "secret-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json


def test_a_join_token_expires(broker: BrokerInProcess) -> None:
    token = join_token(broker, lifetime_s=60)["token"]
    broker.clock.move(60)
    assert enrol(broker, "n1", token, "secret-1").status_code == 401


def test_a_join_token_that_was_taken_back_lets_nobody_in(broker: BrokerInProcess) -> None:
    made = join_token(broker)
    assert broker.call("DELETE", f"/join-tokens/{made['id']}").status_code == 204
    assert enrol(broker, "n1", made["token"], "secret-1").status_code == 401
    assert broker.call("DELETE", f"/join-tokens/{made['id']}").status_code == 404


def test_a_join_token_for_one_node_is_for_no_other(broker: BrokerInProcess) -> None:
    token = join_token(broker, "n1")["token"]
    answer = enrol(broker, "n2", token, "secret-2")
    assert answer.status_code == 403
    assert "is for node n1, not n2" in answer.json["detail"]
    assert enrol(broker, "n1", token, "secret-1").status_code == 200


def test_the_name_of_a_node_that_is_there_takes_a_join_token_for_that_very_name(
    broker: BrokerInProcess,
) -> None:
    old = enrolled(broker, "n1", "secret-1")
    put(broker, "n1", old)
    answer = enrol(broker, "n1", join_token(broker)["token"], "thief")
    assert answer.status_code == 403
    assert "n1 is there already" in answer.json["detail"]
    assert put(broker, "n1", old) == 200
    new = enrolled(broker, "n1", "secret-2")
    assert [put(broker, "n1", new), put(broker, "n1", old)] == [200, 401]


def test_a_disabled_node_does_not_come_back_by_enrolling(broker: BrokerInProcess) -> None:
    token = enrolled(broker, "n1", "secret-1")
    broker.json("PATCH", "/accounts/node:n1", {"disabled": True})
    assert put(broker, "n1", token) == 401
    assert enrol(broker, "n1", join_token(broker, "n1")["token"], "secret-2").status_code == 403


def test_a_secret_that_is_known_is_nobodys_new_one(broker: BrokerInProcess) -> None:
    enrolled(broker, "n1", "secret-1")
    assert enrol(broker, "n2", join_token(broker)["token"], "secret-1").status_code == 409
    admin = broker.services.file_tokens["user"]
    assert enrol(broker, "n2", join_token(broker)["token"], admin).status_code == 409


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nodes/-x/enrol", {"sha256": "a" * 64}),
        ("/nodes/n1/enrol", {"sha256": "A" * 64}),
        ("/nodes/n1/enrol", {"sha256": "a" * 64 + "\n"}),
        ("/nodes/n1/enrol", {"sha256": ""}),
        ("/nodes/n1/enrol", {}),
    ],
)
def test_a_malformed_enrolment_is_refused_and_the_join_token_stays_good(
    broker: BrokerInProcess, path: str, body: Any
) -> None:
    token = join_token(broker)["token"]
    assert broker.call("POST", path, role=token, json=body).status_code == 422
    assert enrol(broker, "n1", token, "secret-1").status_code == 200


@pytest.mark.parametrize("body", [{"node": "-x"}, {"node": "a\n"}, {"lifetime_s": 0}, {"lifetime_s": 1e9}])
def test_a_malformed_join_token_is_refused(broker: BrokerInProcess, body: Any) -> None:
    assert broker.call("POST", "/join-tokens", json=body).status_code == 422


def test_operators_make_join_tokens_and_members_do_not(broker: BrokerInProcess) -> None:
    for role, expected in (("operator", 201), ("member", 403)):
        broker.json("POST", "/accounts", {"name": role, "role": role})
        token = broker.json("POST", "/tokens", {"name": "t", "account": role})["token"]
        assert broker.call("POST", "/join-tokens", role=token, json={}).status_code == expected


def test_after_an_upgrade_the_nodes_token_speaks_for_all_that_are_not_enrolled(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text(json.dumps({"user": "admins", "node": "of-all-nodes"}))
    with BrokerInProcess(tmp_path) as broker:
        assert [put(broker, node, "of-all-nodes") for node in ("n1", "n2")] == [200, 200]
        own = enrolled(broker, "n1", "secret-1")
        assert [put(broker, node, "of-all-nodes") for node in ("n1", "n2")] == [403, 200]
        assert put(broker, "n1", own) == 200
        assert broker.json("GET", "/whoami")["account"] == "admin"
    (tmp_path / "tokens.json").write_text(json.dumps({"user": "admins"}))
    with BrokerInProcess(tmp_path) as broker:
        assert put(broker, "n2", "of-all-nodes") == 401
        assert put(broker, "n1", own) == 200
