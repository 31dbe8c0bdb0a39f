"""Who follows the pool learns nothing of leases that he may not see, nor of nodes without being let."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from accelpool_broker.testing import BrokerInProcess

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as broker:
        broker.register("n1", "gpu")
        yield broker


def member(broker: BrokerInProcess, tenants: list[str], *scopes: str) -> str:
    broker.json("POST", "/accounts", {"name": "mira", "role": "member", "tenants": tenants})
    scoped = {"scopes": list(scopes)} if scopes else {}
    return broker.json("POST", "/tokens", {"name": "t", "account": "mira", **scoped})["token"]


def seen(broker: BrokerInProcess, token: str, query: str = "") -> list[tuple[str, str | None]]:
    """What a token sees by pages; it has to be the same as it is told live."""
    listed = broker.json("GET", f"/events?after=0{query}", role=token)["items"]
    answer = broker.call("GET", f"/events?after=0{query}", role=token, headers=STREAM)
    frames = answer.iter_encoded()
    followed = []
    while len(followed) < len(listed):
        lines = next(frames).decode().splitlines()
        followed += [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    answer.close()
    assert followed == listed
    return [(event["kind"], event["tenant"]) for event in listed]


def test_a_member_is_told_of_its_tenants_leases_alone(broker: BrokerInProcess) -> None:
    for tenant in ("vision", "vision/edges", "vision2", "speech"):
        broker.lease(tenant=tenant)
    told = seen(broker, member(broker, ["vision"]), "&kind=lease.queued")
    assert told == [("lease.queued", "vision"), ("lease.queued", "vision/edges")]


def test_the_history_of_anothers_lease_is_empty(broker: BrokerInProcess) -> None:
    lease = broker.lease(tenant="speech")["id"]
    assert seen(broker, member(broker, ["vision"]), f"&lease={lease}") == []


def test_a_member_without_tenants_is_told_of_no_lease(broker: BrokerInProcess) -> None:
    broker.lease(tenant="vision")
    assert {kind for kind, _ in seen(broker, member(broker, []))} == {"node.ready", "device.well"}


@pytest.mark.parametrize(("scope", "found"), [("leases:read", "lease"), ("nodes:read", "node")])
def test_a_token_is_told_what_its_scopes_are_for(broker: BrokerInProcess, scope: str, found: str) -> None:
    broker.lease(tenant="vision")
    kinds = {kind.partition(".")[0] for kind, _ in seen(broker, member(broker, ["vision"], scope))}
    assert kinds == ({"lease"} if found == "lease" else {"node", "device"})


@pytest.mark.parametrize("headers", [{}, STREAM])
def test_a_token_for_neither_leases_nor_nodes_is_refused(
    broker: BrokerInProcess, headers: dict[str, str]
) -> None:
    token = member(broker, ["vision"], "tenants:read")
    assert broker.call("GET", "/events", role=token, headers=headers).status_code == 403
    assert broker.call("GET", "/events", role="nobody", headers=headers).status_code == 401
    assert broker.services.pool.followers.count() == 0


def test_who_loses_a_tenant_is_told_no_more_of_it(broker: BrokerInProcess) -> None:
    token = member(broker, ["vision", "speech"])
    answer = broker.call("GET", "/events?kind=lease.queued", role=token, headers=STREAM)
    frames = answer.iter_encoded()
    next(frames)
    broker.json("PATCH", "/accounts/mira", {"tenants": ["speech"]})
    broker.lease(tenant="vision")
    broker.lease(tenant="speech")
    told = next(frame for frame in frames if b"data: " in frame)
    assert b'"tenant": "speech"' in told
    answer.close()


def test_one_who_follows_as_often_as_he_can_leaves_room_for_others(broker: BrokerInProcess) -> None:
    greedy = member(broker, ["vision"])
    held = []
    while (answer := broker.call("GET", "/events", role=greedy, headers=STREAM)).status_code == 200:
        held.append(answer)
    assert answer.status_code == 503
    assert "mira" in answer.get_json()["detail"]
    other = broker.call("GET", "/events", headers=STREAM)
    assert other.status_code == 200
    for each in (*held, other):
        each.close()
    assert broker.services.pool.followers.count() == 0
