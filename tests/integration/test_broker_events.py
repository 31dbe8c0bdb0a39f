"""GET /events: what happened in the pool, by pages and as it happens, and who sees what of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.testing import BrokerInProcess

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(params=["memory", "postgresql"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerInProcess]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with BrokerInProcess(None if url is None else tmp_path, database_url=url) as broker:
        yield broker


def events(broker: BrokerInProcess, query: str = "", role: str = "user") -> list[dict[str, Any]]:
    return broker.json("GET", f"/events?{query}", role=role)["items"]


def kinds(broker: BrokerInProcess, query: str = "", role: str = "user") -> list[str]:
    """What happened, oldest first."""
    return [event["kind"] for event in events(broker, f"after=0&{query}", role)]


def member(broker: BrokerInProcess, name: str, *tenants: str, **token: Any) -> str:
    broker.json("POST", "/accounts", {"name": name, "role": "member", "tenants": list(tenants)})
    return broker.json("POST", "/tokens", {"name": "first", "account": name, **token})["token"]


def test_a_leases_history_is_its_events(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(tenant="vision")["id"]
    broker.json("PATCH", f"/leases/{lease}", {"compute": 0.5})
    broker.json("PATCH", f"/leases/{lease}", {"ttl_s": 60})
    broker.json("DELETE", f"/leases/{lease}")
    told = events(broker, f"lease={lease}&after=0")
    assert [event["kind"] for event in told] == [
        "lease.queued", "lease.active", "lease.resized", "lease.released"
    ]  # fmt: skip
    numbers = [event["number"] for event in told]
    assert numbers == sorted(numbers)
    assert told[-1] == {
        "number": numbers[-1],
        "at": "2027-01-15T08:00:00.000Z",
        "kind": "lease.released",
        "lease": lease,
        "tenant": "vision",
        "account": "admin",
        "node": None,
        "device": None,
        "reason": "its client gave it back",
        "until": None,
    }


def test_each_end_of_a_lease_is_an_event_with_its_reason(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.lease(ttl_s=30)
    waiting = broker.lease(kind="gpu", ttl_s=3600)["id"]
    broker.json("DELETE", f"/leases/{waiting}")
    for _ in range(3):
        broker.pass_time(12)
        broker.report(sequence=int(broker.clock.now()))
    lost = broker.lease(ttl_s=3600)["id"]
    broker.pass_time(16)
    assert kinds(broker, "kind=lease") == [
        "lease.queued", "lease.active", "lease.queued", "lease.withdrawn", "lease.expired",
        "lease.queued", "lease.active", "lease.lost",
    ]  # fmt: skip
    assert events(broker, f"lease={lost}")[0]["reason"] == "the agent of node n1 stopped answering"


def test_a_lease_that_is_told_that_it_ends_is_an_event_and_so_is_that_it_need_not(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(ttl_s=3600)["id"]
    broker.json("PATCH", "/nodes/n1", {"drain_within_s": 60})
    [notice] = events(broker, f"lease={lease}&kind=lease.notice")
    assert notice["until"] == "2027-01-15T08:01:00.000Z"
    assert "drained" in notice["reason"]
    broker.json("PATCH", "/nodes/n1", {"cordoned": False})
    assert kinds(broker, f"lease={lease}")[-2:] == ["lease.notice", "lease.notice_withdrawn"]
    assert kinds(broker, "node=n1")[-2:] == ["node.draining", "node.uncordoned"]


def test_nodes_and_devices_come_fail_and_go(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu", "cpu")
    broker.report(sequence=0, device_faults={"gpu-0": "the probe failed"})
    broker.report(sequence=1, device_faults={"gpu-0": ""})
    broker.json("PATCH", "/nodes/n1", {"cordoned": True})
    broker.json("PATCH", "/nodes/n1", {"cordoned": False})
    broker.pass_time(16)
    broker.report(sequence=2)
    broker.register("n1", "gpu", boot_id="boot-2")
    broker.report(sequence=0, boot_id="boot-2", leaving=True)
    told = [(event["kind"], event["reason"]) for event in events(broker, "after=0&node=n1")]
    assert told == [
        ("node.ready", ""),
        ("device.well", ""),
        ("device.well", ""),
        ("device.faulty", "the probe failed"),
        ("device.well", ""),
        ("node.cordoned", ""),
        ("node.uncordoned", ""),
        ("node.lost", "its agent stopped answering"),
        ("node.ready", ""),
        ("device.gone", ""),
        ("node.lost", "its agent was stopped"),
    ]
    [faulty] = events(broker, "kind=device.faulty")
    assert (faulty["node"], faulty["lease"]) == ("n1", None)
    assert faulty["device"].startswith("dev_")


def test_what_changes_nothing_and_what_fails_is_no_event(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease()["id"]
    before = kinds(broker)
    broker.report(sequence=1)
    broker.json("GET", f"/leases/{lease}")
    broker.register("n1", "gpu")
    assert broker.call("POST", "/leases", json={"kind": "accelerator"}).status_code == 422
    assert kinds(broker) == before


def test_pages_come_newest_first_or_after_a_number_oldest_first(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.json("DELETE", f"/leases/{broker.lease()['id']}")
    newest_first, after = [], []
    for query, pages in (("", newest_first), ("&after=0", after)):
        cursor = ""
        while True:
            page = broker.json("GET", f"/events?limit=2{query}{cursor}")
            pages += [event["kind"] for event in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
    assert after == ["node.ready", "device.well", "lease.queued", "lease.active", "lease.released"]
    assert newest_first == after[::-1]


def test_kinds_are_filtered_by_name_or_by_their_beginning(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.lease()
    assert kinds(broker, "kind=lease.active,node") == ["node.ready", "lease.active"]
    refused = broker.call("GET", "/events?kind=lease.stolen")
    assert refused.status_code == 422
    assert "lease.stolen" in refused.get_json()["detail"]


def test_old_events_go_and_who_asks_for_what_came_after_one_of_them_is_told() -> None:
    with BrokerInProcess(keep_events_s=100.0) as broker:
        broker.register("n1", "gpu")
        first = events(broker)[-1]["number"]
        broker.clock.move(90)
        broker.report(sequence=1)
        broker.lease(ttl_s=3600)
        broker.pass_time(14)
        assert kinds(broker) == ["lease.queued", "lease.active"]
        for headers in ({}, STREAM):
            answer = broker.call("GET", f"/events?after={first}", headers=headers)
            assert (answer.status_code, answer.get_json()["type"].rpartition("/")[2]) == (410, "events-gone")


def test_no_more_events_are_kept_than_there_may_be_and_numbers_are_not_given_again() -> None:
    with BrokerInProcess(keep_most_events=3, keep_events_s=500.0) as broker:
        broker.register("n1", "gpu", "cpu")
        broker.json("DELETE", f"/leases/{broker.lease()['id']}")
        broker.pass_time(16)
        broker.pass_time(61)
        kept = events(broker)
        assert len(kept) == 3
        broker.pass_time(1000)
        broker.pass_time(1000)
        (newest,) = events(broker)  # so that who asks for what came after others is told, then as well
        assert newest == kept[0]
        assert broker.call("GET", f"/events?after={kept[1]['number'] - 1}").status_code == 410
        broker.register("n2", "gpu")
        assert events(broker)[0]["number"] > kept[0]["number"] > kept[-1]["number"]


class Stream:
    """A stream of events in process: what came, frame by frame."""

    def __init__(self, broker: BrokerInProcess, query: str = "", role: str = "user", **headers: str) -> None:
        self.answer = broker.call("GET", f"/events?{query}", role=role, headers=STREAM | headers)
        assert self.answer.status_code == 200, self.answer.get_json()
        assert self.answer.mimetype == "text/event-stream"
        self._frames = self.answer.iter_encoded()

    def __iter__(self) -> Iterator[dict[str, str]]:
        return self

    def __next__(self) -> dict[str, str]:
        lines = next(self._frames).decode().rstrip("\n").split("\n")
        return dict(line.split(": ", 1) for line in lines)

    def event(self) -> dict[str, Any]:
        """The next event."""
        frame = next(frame for frame in self if "data" in frame)
        event = json.loads(frame["data"])
        assert int(frame["id"]) == event["number"]
        return event

    def close(self) -> None:
        self.answer.close()


def test_a_stream_tells_what_happens_as_it_happens(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    stream = Stream(broker)
    assert next(stream) == {"": "nothing new", "id": str(events(broker)[0]["number"])}
    lease = broker.lease()["id"]
    assert [stream.event()["kind"] for _ in range(2)] == ["lease.queued", "lease.active"]
    broker.json("DELETE", f"/leases/{lease}")
    assert stream.event()["reason"] == "its client gave it back"
    stream.close()


def test_a_stream_goes_on_where_it_was_broken_off(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    stream = Stream(broker, "after=0&kind=lease")
    lease = broker.lease()["id"]
    first = stream.event()
    stream.close()
    broker.json("DELETE", f"/leases/{lease}")
    resumed = Stream(broker, "after=0&kind=lease", **{"Last-Event-ID": str(first["number"])})
    assert [resumed.event()["kind"] for _ in range(2)] == ["lease.active", "lease.released"]
    resumed.close()


def test_more_streams_than_there_may_be_are_refused_and_one_that_ends_makes_room() -> None:
    with BrokerInProcess(max_followers=1) as broker:
        stream = Stream(broker)
        refused = broker.call("GET", "/events", headers=STREAM)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        stream.close()
        Stream(broker).close()


def test_streams_end_when_the_broker_stops(broker: BrokerInProcess) -> None:
    stream = Stream(broker)
    next(stream)
    broker.services.stop_waiting()
    assert list(stream) == []
    stream.close()


def test_a_stream_ends_when_its_token_is_revoked(broker: BrokerInProcess) -> None:
    mira = member(broker, "mira", "vision")
    stream = Stream(broker, role=mira)
    next(stream)
    broker.json("PATCH", "/accounts/mira", {"disabled": True})
    assert [frame for frame in stream if "data" in frame] == []
    stream.close()


def test_a_stream_ends_when_its_token_has_expired() -> None:
    with BrokerInProcess() as broker:
        mira = member(broker, "mira", "vision", expires_at="2027-01-15T09:00:00Z")
        stream = Stream(broker, role=mira)
        next(stream)
        broker.clock.move(3601)
        broker.register("n1", "gpu")
        assert list(stream) == []
        stream.close()


@pytest.mark.parametrize("last", ["none", "-1", "9" * 30, "9" * 5000, "1.5"])
def test_what_is_no_number_is_refused_as_the_last_event(last: str) -> None:
    with BrokerInProcess() as broker:
        answer = broker.call("GET", "/events", headers={**STREAM, "Last-Event-ID": last})
        assert answer.status_code == 422


def test_a_head_request_holds_no_stream() -> None:
    with BrokerInProcess(max_followers=1) as broker:
        assert broker.call("HEAD", "/events", headers=STREAM).status_code == 200
        assert broker.services.pool.followers.count() == 0
