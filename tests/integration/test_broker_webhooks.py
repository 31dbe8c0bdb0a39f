"""/webhooks: what a receiver is sent, when it is tried again, of whose leases, and where nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.testing import BrokerInProcess, FakeClock

from ..conftest import wait_until
from .webhook_rig import Receiver

OPEN = {"webhook_allow_http": True, "webhook_allow_private": True}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess(**OPEN) as broker:
        broker.register("n1", "gpu", "cpu")
        yield broker


def add(broker: BrokerInProcess, receiver: Receiver, role: str = "user", **more: Any) -> dict[str, Any]:
    return broker.json("POST", "/webhooks", {"url": receiver.url, **more}, role=role)


def lease(broker: BrokerInProcess, **wanted: Any) -> str:
    """Take a lease and give it back: three events."""
    id = broker.lease(**wanted)["id"]
    broker.json("DELETE", f"/leases/{id}")
    return str(id)


def deliver(broker: BrokerInProcess) -> None:
    broker.services.webhook_delivery.deliver()


def member(broker: BrokerInProcess, name: str, *tenants: str) -> str:
    broker.json("POST", "/accounts", {"name": name, "role": "member", "tenants": list(tenants)})
    return str(broker.json("POST", "/tokens", {"name": "first", "account": name})["token"])


def shown(broker: BrokerInProcess, hook: dict[str, Any]) -> dict[str, Any]:
    return broker.json("GET", f"/webhooks/{hook['id']}")


def test_events_come_in_order_once_and_signed(broker: BrokerInProcess, receiver: Receiver) -> None:
    lease(broker)
    hook = add(broker, receiver)
    id = lease(broker)
    deliver(broker)
    deliver(broker)
    assert receiver.kinds() == ["lease.queued", "lease.active", "lease.released"]
    assert all(message.is_signed_with(hook["secret"]) for message in receiver.messages)
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 3
    told = broker.json("GET", f"/events?lease={id}&after=0")["items"]
    assert [message.json["data"] for message in receiver.messages] == told


def test_the_secret_is_shown_once(broker: BrokerInProcess, receiver: Receiver) -> None:
    hook = add(broker, receiver)
    assert hook["secret"].startswith("whsec_")
    assert "secret" not in shown(broker, hook)
    assert "secret" not in broker.json("GET", "/webhooks")["items"][0]


def test_one_that_fails_is_tried_again_from_where_it_failed(
    broker: BrokerInProcess, receiver: Receiver
) -> None:
    hook = add(broker, receiver, kind="lease.active,lease.released")
    lease(broker)
    receiver.statuses = [204, 500]
    deliver(broker)
    assert (shown(broker, hook)["last_status"], shown(broker, hook)["reason"]) == (500, "it answered 500")
    deliver(broker)
    assert len(receiver.messages) == 2  # not yet
    broker.clock.move(5)
    deliver(broker)
    assert receiver.kinds() == ["lease.active", "lease.released", "lease.released"]
    first, again = receiver.messages[1:]
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert shown(broker, hook)["failing_since"] is None


def test_one_that_fails_for_days_is_disabled_until_it_is_enabled(
    broker: BrokerInProcess, receiver: Receiver
) -> None:
    hook = add(broker, receiver, kind="lease.active")
    lease(broker)
    receiver.statuses = [500, 500]
    deliver(broker)
    broker.clock.move(3 * 24 * 3600)
    deliver(broker)
    assert (shown(broker, hook)["state"], shown(broker, hook)["last_status"]) == ("disabled", 500)
    broker.json("PATCH", f"/webhooks/{hook['id']}", {"state": "active"})
    deliver(broker)
    assert receiver.kinds() == ["lease.active"] * 3


def test_one_that_says_it_is_gone_is_disabled_at_once(broker: BrokerInProcess, receiver: Receiver) -> None:
    hook = add(broker, receiver)
    lease(broker)
    receiver.statuses = [410]
    deliver(broker)
    assert shown(broker, hook)["state"] == "disabled"


def test_a_member_is_told_of_its_tenants_leases_and_knows_its_own_webhooks(
    broker: BrokerInProcess, receiver: Receiver
) -> None:
    own = member(broker, "ann", "vision")
    hook = add(broker, receiver, own)
    others = add(broker, receiver, kind="lease.active", tenant="speech")
    lease(broker, tenant="speech")
    seen = lease(broker, tenant="vision/sub")
    deliver(broker)
    of_ann = [m.json["data"]["lease"] for m in receiver.messages if m.is_signed_with(hook["secret"])]
    assert of_ann == [seen] * 3
    assert [each["id"] for each in broker.json("GET", "/webhooks", role=own)["items"]] == [hook["id"]]
    assert broker.call("DELETE", f"/webhooks/{others['id']}", role=own).status_code == 404
    body = {"url": receiver.url, "tenant": "speech"}
    assert broker.call("POST", "/webhooks", role=own, json=body).status_code == 403


def test_an_account_that_loses_a_tenant_is_told_of_it_no_more(
    broker: BrokerInProcess, receiver: Receiver
) -> None:
    add(broker, receiver, member(broker, "ann", "vision"))
    broker.json("PATCH", "/accounts/ann", {"tenants": ["speech"]})
    lease(broker, tenant="vision")
    deliver(broker)
    assert receiver.messages == []


def test_a_redirect_is_not_followed(broker: BrokerInProcess, receiver: Receiver) -> None:
    hook = add(broker, receiver)
    lease(broker)
    with Receiver() as other:
        receiver.statuses, receiver.location = [307], other.url
        deliver(broker)
        assert other.messages == []
    assert shown(broker, hook)["reason"] == "it answered 307"


def test_what_was_not_told_before_a_restart_is_told_after_it(tmp_path: Path, receiver: Receiver) -> None:
    clock = FakeClock()
    with BrokerInProcess(tmp_path, clock, **OPEN) as broker:
        broker.register("n1", "gpu")
        add(broker, receiver)
        lease(broker)
    with BrokerInProcess(tmp_path, clock, **OPEN) as broker:
        deliver(broker)
    assert receiver.kinds() == ["lease.queued", "lease.active", "lease.released"]


def test_the_thread_sends_what_happens(broker: BrokerInProcess, receiver: Receiver) -> None:
    add(broker, receiver)
    with broker.services.webhook_delivery:
        lease(broker)
        wait_until(lambda: len(receiver.messages) == 3)


def test_of_two_brokers_one_sends(postgres_url: str, tmp_path: Path, receiver: Receiver) -> None:
    clock = FakeClock()
    with (
        BrokerInProcess(tmp_path / "a", clock, database_url=postgres_url, **OPEN) as first,
        BrokerInProcess(tmp_path / "b", clock, database_url=postgres_url, **OPEN) as second,
    ):
        first.register("n1", "gpu")
        add(first, receiver, kind="lease.active")
        lease(first)
        deliver(first)
        lease(second)
        deliver(second)
        assert receiver.kinds() == ["lease.active"]
        clock.move(61)
        deliver(second)
        assert receiver.kinds() == ["lease.active"] * 2


def test_after_a_crash_between_sending_and_noting_another_broker_sends_it_again_with_the_same_id(
    postgres_url: str, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise MemoryError

    clock = FakeClock()
    with (
        BrokerInProcess(tmp_path / "a", clock, database_url=postgres_url, **OPEN) as first,
        BrokerInProcess(tmp_path / "b", clock, database_url=postgres_url, **OPEN) as second,
    ):
        first.register("n1", "gpu")
        add(first, receiver, kind="lease.active")
        lease(first)
        monkeypatch.setattr(first.services.webhook_delivery, "_note", crash)
        with pytest.raises(MemoryError):
            deliver(first)
        clock.move(59)
        deliver(second)
        assert len(receiver.messages) == 1  # the claim of the first holds
        clock.move(2)
        deliver(second)
        assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1
        assert receiver.kinds() == ["lease.active"] * 2


def test_the_secret_is_neither_logged_nor_in_the_audit_log_nor_in_the_events(
    broker: BrokerInProcess, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    hook = add(broker, receiver)
    lease(broker)
    receiver.statuses = [204, 500]
    deliver(broker)
    broker.json("PATCH", f"/webhooks/{hook['id']}", {"state": "disabled"})
    broker.call("DELETE", f"/webhooks/{hook['id']}")
    told = [broker.call("GET", path).get_data(as_text=True) for path in ("/audit", "/events?after=0")]
    secret = hook["secret"].removeprefix("whsec_")
    assert hook["id"] in told[0]
    assert not [text for text in (caplog.text, *told) if secret in text]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:word@example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[fec0::1]/",
        "https://[2002:7f00:1::]/",
        "https://[ff02::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https:///nobody",
        "https://example.com:0/",
        "https://example.com/a b",
    ],
)
def test_nothing_is_sent_to(url: str) -> None:
    with BrokerInProcess() as broker:
        assert broker.call("POST", "/webhooks", json={"url": url}).status_code == 422


def test_a_name_that_leads_to_loopback_is_not_connected_to(receiver: Receiver) -> None:
    with BrokerInProcess(webhook_allow_http=True) as broker:
        broker.register("n1", "gpu")
        hook = broker.json("POST", "/webhooks", {"url": f"http://localhost:{receiver.port}/"})
        lease(broker)
        deliver(broker)
        assert "private" in shown(broker, hook)["reason"]
    assert receiver.messages == []


def test_who_has_many_webhooks_takes_no_round_for_himself(
    broker: BrokerInProcess, receiver: Receiver
) -> None:
    greedy = member(broker, "mira", "vision")
    with Receiver() as many:
        for _ in range(5):
            add(broker, many, role=greedy)
        add(broker, receiver)
        lease(broker, tenant="vision")
        rounds = []
        while not rounds or len(many.messages) > rounds[-1]:
            rounds.append(len(many.messages))
            deliver(broker)
        assert rounds == [0, 6, 12, 15]
    assert len(receiver.messages) == 3


def test_an_account_has_so_many_and_no_more(broker: BrokerInProcess, receiver: Receiver) -> None:
    for _ in range(16):
        add(broker, receiver)
    assert broker.call("POST", "/webhooks", json={"url": receiver.url}).status_code in (403, 409, 429)


def test_only_kinds_of_leases_are_told(broker: BrokerInProcess, receiver: Receiver) -> None:
    body = {"url": receiver.url, "kind": "node"}
    assert broker.call("POST", "/webhooks", json=body).status_code == 422
