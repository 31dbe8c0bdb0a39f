"""`accelpool events` at a pool, and at a broker that breaks connections, as networks do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import accelpool

from .cli_rig import Cli, checked

NOTHING = dict.fromkeys(("tenant", "account", "node", "device", "until"))


def event(number: int) -> dict:
    told = {"kind": "lease.lost", "lease": "lse_1", "reason": "gone"}
    return {**NOTHING, "number": number, "at": "2027-01-15T08:00:00.000Z", **told}


class Broker(BaseHTTPRequestHandler):
    """Has three events in all, and ends each stream after two."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Last-Event-ID")))  # type: ignore[attr-defined]
        if "text/event-stream" in self.headers["Accept"]:
            last = int(self.headers["Last-Event-ID"])
            frames = [f"id: {n}\ndata: {json.dumps(event(n))}\n\n" for n in (1, 2, 3) if n > last]
            self.answer("text/event-stream", "".join(frames[:2]) + "id: 9\ndata: cut o")
        else:
            page = {"items": [event(3), event(2), event(1)], "next_cursor": None}
            self.answer("application/json", json.dumps(page))

    def answer(self, kind: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def broker() -> Iterator[ThreadingHTTPServer]:
    with serving() as server:
        yield server


@contextmanager
def serving() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broker) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def variables(broker: ThreadingHTTPServer) -> dict[str, str]:
    return {"ACCELPOOL_URL": f"http://127.0.0.1:{broker.server_address[1]}", "ACCELPOOL_TOKEN": "t"}


def test_what_happened_is_told_the_newest_last(cli: Cli, broker) -> None:
    told = cli.json("events", **variables(broker))["events"]
    assert [one["number"] for one in told] == [1, 2, 3]
    text = cli.call("events", "--kind", "lease", "--lease", "lse_1", **variables(broker)).stdout
    assert text.splitlines()[0].split() == ["WHEN", "WHAT", "LEASE", "NODE", "DEVICE", "BY", "WHY"]
    assert text.count("lease.lost") == 3
    assert broker.asked[-1][0] == "/events?lease=lse_1&kind=lease&limit=100"


def test_who_follows_gets_each_event_once_though_the_connection_breaks(cli: Cli, broker) -> None:
    with cli.running("events", "--follow", "--json", "--after", "0", **variables(broker)) as running:
        told = [json.loads(running.line()) for _ in range(3)]
        assert [one["number"] for one in told] == [1, 2, 3]
        assert running.end()[0] == 130
    assert [last for _, last in broker.asked[:2]] == ["0", "2"]
    for each in told:
        checked(each, "event")


def test_who_follows_from_now_on_is_not_told_of_before(cli: Cli, broker, wait_until) -> None:
    with cli.running("events", "-f", **variables(broker)) as running:
        wait_until(lambda: len(broker.asked) >= 2)
        code, errors = running.end()
        assert code == 130
        assert errors.endswith("accelpool: interrupted\n")
    assert broker.asked[1][1] == "3"


def test_a_pool_tells_what_becomes_of_a_lease(cli: Cli, null_pool) -> None:
    pointed = {"ACCELPOOL_URL": null_pool.url, "ACCELPOOL_TOKEN": null_pool.token}
    with accelpool.connect(null_pool.url, null_pool.token) as broker, broker.acquire() as context:
        id = context.lease.id
    told: list[dict] = []
    with cli.running("events", "-f", "--json", "--lease", id, "--after", "0", **pointed) as running:
        while not told or told[-1]["kind"] != "lease.released":
            told.append(json.loads(running.line()))
        running.end()
    kinds = [one["kind"] for one in told]
    assert kinds == ["lease.queued", "lease.active", "lease.released"]
    for each in told:
        checked(each, "event")
    history = cli.json("lease", "show", id, pool=null_pool)["events"]
    assert [one["kind"] for one in history] == kinds
    assert cli.json("events", "--lease", id, pool=null_pool)["events"] == history
    text = cli.call("lease", "show", id, pool=null_pool).stdout
    assert "lease.released" in text.partition("History\n")[2]


def test_what_happened_to_a_node_is_told(cli: Cli, null_pool) -> None:
    cli.json("node", "cordon", "node-1", pool=null_pool)
    cli.json("node", "uncordon", "node-1", pool=null_pool)
    told = cli.json("events", "--node", "node-1", "--limit", "2", pool=null_pool)["events"]
    assert [one["kind"] for one in told] == ["node.cordoned", "node.uncordoned"]


def test_a_kind_that_is_none_is_refused_with_those_that_are(cli: Cli, null_pool) -> None:
    done = cli.call("events", "--kind", "leese", pool=null_pool)
    assert done.exit_code == 1
    assert "lease.lost" in done.stderr
