"""What an account may not see is not there; what it may see it may not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accelpool_broker.testing import BrokerInProcess

BODIES: dict[str, Any] = {"PATCH": {"ttl_s": 60}, "POST": {"size_bytes": 4}}
ALL_OF_A_LEASE = [
    ("GET", ""),
    ("GET", "?wait_s=0"),
    ("PATCH", ""),
    ("DELETE", ""),
    ("GET", "/explanation"),
    ("GET", "/programs"),
    ("GET", "/buffers"),
    ("POST", "/buffers"),
    ("GET", "/buffers/buf_1/content"),
    ("GET", "/launches/lau_1"),
]


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        running.register("n1", "gpu:g0", "gpu:g1")
        yield running


def join(broker: BrokerInProcess, name: str, *tenants: str, role: str = "member") -> str:
    broker.json("POST", "/accounts", {"name": name, "role": role, "tenants": list(tenants)})
    return broker.json("POST", "/tokens", {"name": "first", "account": name})["token"]


def ask(broker: BrokerInProcess, token: str, **body: Any) -> dict[str, Any]:
    return broker.json("POST", "/leases", body, role=token)


def problem(broker: BrokerInProcess, method: str, path: str, token: str) -> tuple[int, str]:
    answer = broker.call(method, path, role=token, json=BODIES.get(method))
    return answer.status_code, answer.json["type"].rpartition("/")[2]


@pytest.mark.parametrize(("method", "rest"), ALL_OF_A_LEASE)
def test_another_tenants_lease_is_not_there_whatever_is_asked_of_it(
    broker: BrokerInProcess, method: str, rest: str
) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "speech", "vision2", "vis")
    lease = ask(broker, mira)
    told = problem(broker, method, f"/leases/{lease['id']}{rest}", noor)
    assert told == problem(broker, method, f"/leases/lse_nothing{rest}", noor) == (404, "lease-not-found")
    assert broker.json("GET", f"/leases/{lease['id']}", role=mira)["state"] == "active"


def test_tenants_whose_names_differ_in_case_see_nothing_of_each_other(broker: BrokerInProcess) -> None:
    admin, mira = broker.services.file_tokens["user"], join(broker, "mira", "vision")
    broker.json("PUT", "/tenants/Vision/edges", {})
    ask(broker, admin, tenant="Vision/edges")
    for path in ("/leases", "/events?kind=lease", "/tenants", "/devices"):
        assert "Vision" not in broker.call("GET", path, role=mira).get_data(as_text=True)


def test_a_list_has_the_leases_of_ones_tenants_and_of_those_below(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "vision/edges", "a_b")
    above, below = ask(broker, mira)["id"], ask(broker, noor)["id"]
    odd = broker.json("POST", "/leases", {"tenant": "axb/c"})["id"]

    def listed(token: str) -> list[str]:
        return [lease["id"] for lease in broker.json("GET", "/leases", role=token)["items"]]

    assert listed(mira) == [below, above]
    assert listed(noor) == [below]
    assert listed("user") == [odd, below, above]


@pytest.mark.parametrize(("method", "rest"), [case for case in ALL_OF_A_LEASE if case[0] != "GET"])
def test_a_colleagues_lease_can_be_seen_and_not_changed(
    broker: BrokerInProcess, method: str, rest: str
) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "vision")
    lease = ask(broker, mira)
    seen = broker.json("GET", f"/leases/{lease['id']}", role=noor)
    assert (seen["state"], seen["account"]) == ("active", "mira")
    assert problem(broker, method, f"/leases/{lease['id']}{rest}", noor) == (403, "forbidden")


def test_tokens_that_open_devices_are_shown_to_those_who_may_use_them(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "vision")
    operator = join(broker, "olga", role="operator")
    look = broker.json("POST", "/tokens", {"name": "l", "scopes": ["leases"]}, role=mira)["token"]
    lease = ask(broker, mira)

    def endpoints(token: str) -> int:
        [listed] = broker.json("GET", "/leases", role=token)["items"]
        shown = broker.json("GET", f"/leases/{lease['id']}", role=token)
        assert listed["endpoints"] == shown["endpoints"]
        return len(shown["endpoints"])

    assert [endpoints(token) for token in (mira, "user")] == [1, 1]
    assert [endpoints(token) for token in (noor, operator, look)] == [0, 0, 0]


def test_an_operator_sees_and_revokes_all_and_uses_none(broker: BrokerInProcess) -> None:
    mira, olga = join(broker, "mira", "vision"), join(broker, "olga", role="operator")
    held, other = ask(broker, mira), ask(broker, mira)
    queued = ask(broker, mira)
    assert problem(broker, "POST", f"/leases/{held['id']}/buffers", olga) == (403, "forbidden")
    ended = broker.json("DELETE", f"/leases/{held['id']}", role=olga)
    assert (ended["state"], ended["reason"]) == ("revoked", "account olga revoked it")
    assert broker.json("PATCH", f"/leases/{other['id']}", {"ttl_s": 9}, role=olga)["ttl_s"] == 9
    assert broker.json("GET", f"/leases/{queued['id']}", role=mira)["state"] == "active"
    refused = broker.call("POST", "/leases", role=olga, json={})
    assert (refused.status_code, refused.json["type"].rpartition("/")[2]) == (403, "forbidden")


def test_who_gives_his_own_lease_back_has_released_it(broker: BrokerInProcess) -> None:
    lease = ask(broker, join(broker, "mira", "vision"))
    mira = broker.json("POST", "/tokens", {"name": "second", "account": "mira"})["token"]
    ended = broker.json("DELETE", f"/leases/{lease['id']}", role=mira)
    assert (ended["state"], ended["reason"]) == ("released", "its client gave it back")


@pytest.mark.parametrize(
    ("tenants", "wanted", "got"),
    [
        (["vision", "speech"], None, "vision"),
        (["vision", "speech"], "speech", "speech"),
        (["vision"], "vision/edges/fine", "vision/edges/fine"),
        (["vision"], "default", "it has vision"),
        (["vision", "speech"], "visionary", "it has vision, speech"),
        (["vision/edges"], "vision", "it has vision/edges"),
        ([], None, "it has none; `accelpool account change mira --tenant TENANT` of an admin gives it one"),
    ],
)
def test_a_member_asks_in_the_name_of_its_tenants_alone(
    broker: BrokerInProcess, tenants: list[str], wanted: str | None, got: str
) -> None:
    mira = join(broker, "mira", *tenants)
    answer = broker.call("POST", "/leases", role=mira, json={"tenant": wanted})
    if got.startswith("it has"):
        told = f"account mira may not ask for devices for tenant {wanted or 'default'}: {got}"
        assert (answer.status_code, answer.json["detail"]) == (403, told)
    else:
        assert answer.json["tenant"] == got


def test_an_idempotency_key_is_its_accounts_own(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "vision")
    key = {"headers": {"Idempotency-Key": "k"}, "json": {}}
    first, again = (broker.call("POST", "/leases", role=mira, **key).json["id"] for _ in range(2))
    others = broker.call("POST", "/leases", role=noor, **key).json
    assert first == again
    assert (others["id"] != first, others["account"]) == (True, "noor")


def test_only_its_own_account_keeps_a_queued_lease_alive(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "vision")
    for _ in range(2):
        ask(broker, noor, ttl_s=3600)
    queued = ask(broker, mira, ttl_s=60)
    for sequence in range(1, 6):
        broker.pass_time(10)
        broker.report(sequence=sequence)
        broker.json("GET", f"/leases/{queued['id']}", role=noor)
        assert broker.json("GET", f"/leases/{queued['id']}")["state"] == "queued"
    broker.pass_time(10)
    assert broker.json("GET", f"/leases/{queued['id']}", role=noor)["state"] == "expired"


def test_devices_name_those_leases_that_may_be_seen(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "speech")
    lease = ask(broker, mira)["id"]
    device = broker.json("GET", f"/leases/{lease}")["shares"][0]["device"]

    def shown(token: str) -> tuple[str, list[str]]:
        body = broker.json("GET", f"/devices/{device}", role=token)
        assert body in broker.json("GET", "/devices", role=token)["items"]
        return body["state"], body["leases"]

    assert [shown(token) for token in (mira, "user")] == [("leased", [lease])] * 2
    assert shown(noor) == ("leased", [])


def test_an_explanation_names_those_leases_that_may_be_seen(broker: BrokerInProcess) -> None:
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "speech")
    held = [ask(broker, mira)["id"] for _ in range(2)]
    queued = ask(broker, noor)["id"]

    def named(token: str) -> set[str]:
        told = broker.json("GET", f"/leases/{queued}/explanation", role=token)
        return {lease for device in told["devices"] for lease in device["leases"]}

    assert named("user") == set(held)
    assert named(noor) == set()


def test_a_member_sees_its_tenants_and_those_below_them(broker: BrokerInProcess) -> None:
    mira = join(broker, "mira", "vision")
    for name in ("vision", "vision/edges", "speech", "vision2"):
        broker.json("PUT", f"/tenants/{name}", {})
    listed = [tenant["name"] for tenant in broker.json("GET", "/tenants", role=mira)["items"]]
    assert listed == ["vision", "vision/edges"]
    assert broker.call("GET", "/tenants/speech", role=mira).status_code == 404
    assert broker.call("PUT", "/tenants/vision", role=mira, json={}).status_code == 403
