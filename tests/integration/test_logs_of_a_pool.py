"""What broker and agent log, as processes: requests by their ids, sessions by theirs, and nothing forged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

import accelpool as cl
from accelpool.errors import LeaseNotFound

from ..conftest import Daemon, Pool, wait_until
from .cli_rig import Cli


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool that logs JSON."""
    pool = Pool(folder=tmp_path_factory.mktemp("logs"), backend="null:1", log_format="json")
    pool.start()
    yield pool
    pool.stop()


@pytest.fixture
def broker(pool: Pool) -> cl.Broker:
    return cl.Broker(pool.url, pool.token)


def ask(pool: Pool, method: str, path: str, id: str = "", body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {pool.token}"} | ({"X-Request-Id": id} if id else {})
    return requests.request(method, pool.url + path, json=body, headers=headers, timeout=60)


def lines(daemon: Daemon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in daemon.log.read_text().splitlines()]


def about(pool: Pool, id: str) -> list[dict[str, Any]]:
    """Return the lines of the broker's log that a request has caused."""
    return [line for line in lines(pool.broker) if line.get("request_id") == id]


def test_a_request_is_found_by_the_id_that_it_was_given(pool: Pool) -> None:
    answer = ask(pool, "DELETE", "/leases/lea_none", id="ci-4711.a_b")
    assert answer.status_code == 404
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"] == "ci-4711.a_b"
    [told] = about(pool, "ci-4711.a_b")
    assert told.pop("duration_ms") > 0
    assert re.fullmatch(r"20..-..-..T..:..:..\....Z", told.pop("at"))
    assert re.fullmatch(
        r"DELETE /leases/\{id\} 404 in [0-9.]+ ms, lease lea_none, account \w+", told.pop("message")
    )
    assert told == {
        "level": "info",
        "logger": "accelpool_broker.request_log",
        "request_id": "ci-4711.a_b",
        "account": "admin",
        "lease": "lea_none",
        "method": "DELETE",
        "route": "/leases/{id}",
        "status": 404,
    }


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "{}"])
def test_a_request_without_a_proper_id_is_given_one(pool: Pool, given: str) -> None:
    answer = ask(pool, "GET", "/leases/lea_none", id=given)
    made = answer.headers["X-Request-Id"]
    assert made.startswith("req_")
    assert made == answer.json()["request_id"]
    assert [line["status"] for line in about(pool, made)] == [404]


def test_what_changes_the_pool_is_told_and_what_is_read_or_renewed_is_not(pool: Pool) -> None:
    lease = ask(pool, "POST", "/leases?wait_s=20", id="ask-1", body={"ttl_s": 60})
    path = lease.headers["Location"]
    for method, body in (("GET", None), ("PATCH", {"ttl_s": 60})):
        assert ask(pool, method, path, id="quiet-1", body=body).status_code == 200
    ask(pool, "DELETE", path, id="end-1")
    [asked], [ended] = about(pool, "ask-1"), about(pool, "end-1")
    assert asked["lease"] == ended["lease"] == path.rpartition("/")[2]
    assert asked["status"] == 201
    assert about(pool, "quiet-1") == []


def test_a_name_that_a_client_chooses_forges_no_line(pool: Pool) -> None:
    name = 'x\n{"at": "2026-01-01T00:00:00.000Z", "message": "forged"}\n'
    answer = ask(pool, "GET", f"/leases/{quote(name, safe='')}", id="forger")
    assert answer.status_code == 404
    assert [line["lease"] for line in about(pool, "forger")] == [name]
    assert not any(line["message"] == "forged" for line in lines(pool.broker))


def test_an_error_of_the_sdk_has_the_id(pool: Pool) -> None:
    with cl.Broker(pool.url, pool.token) as broker, pytest.raises(LeaseNotFound) as caught:
        broker.reservation("lea_none")
    assert [line["status"] for line in about(pool, caught.value.request_id)] == [404]


def test_the_command_line_ends_an_error_with_the_id(pool: Pool, cli: Cli) -> None:
    done = cli.call("release", "lea_none", "--json", pool=pool)
    told = re.search(r"\(request (req_\S+)\)$", done.stderr.strip())
    assert told, done.stderr
    assert json.loads(done.stdout)["error"]["request_id"] == told[1]
    assert len(about(pool, told[1])) == 1


def test_the_agents_lines_name_node_session_and_lease(pool: Pool) -> None:
    with cl.Broker(pool.url, pool.token) as broker, broker.acquire(wait=20) as context:
        cl.CommandQueue(context).finish()
    wait_until(lambda: [line for line in lines(pool.agent) if "is over" in line["message"]])
    begun, over = [line for line in lines(pool.agent) if "session" in line]
    assert {line["node"] for line in lines(pool.agent)} == {"node-1"}
    assert begun["session"] == over["session"]
    assert begun["lease"] == over["lease"]
    assert begun["lease"] in {line.get("lease") for line in lines(pool.broker)}


def test_text_has_the_id_at_the_end_of_each_line(tmp_path: Path) -> None:
    pool = Pool(folder=tmp_path, backend="null:1", nodes=0)
    pool.start()
    try:
        ask(pool, "DELETE", "/leases/lea\x1bnone%0Aforged", id="ci-1")
    finally:
        pool.stop()
    [line] = [line for line in pool.broker.log.read_text().splitlines() if "404" in line]
    assert line.endswith(" [ci-1]")
    assert "lease lea\\x1bnone\\nforged" in line
