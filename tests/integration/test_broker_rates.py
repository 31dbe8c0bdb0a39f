"""Requests per second and token, at a broker as it is run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from accelpool.rest import RestClient
from accelpool_broker.__main__ import main
from accelpool_broker.testing import BrokerInProcess

from .test_broker_process import Broker


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    """A broker that answers ten requests of a token at once, and one per second after that."""
    with BrokerInProcess(requests_per_s=1.0, node_requests_per_s=50.0) as running:
        yield running


def until_refused(broker: BrokerInProcess, role: str = "user") -> Any:
    for _ in range(50):
        answer = broker.call("GET", "/whoami", role=role)
        if answer.status_code != 200:
            return answer
    raise AssertionError("it was never refused")


def test_one_too_many_is_told_when_to_come_again(broker: BrokerInProcess) -> None:
    answer = until_refused(broker)
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert answer.json["type"] == "https://accelpool.dev/problems/too-many-requests"
    assert 0 < answer.json["retry_after_s"] <= 1
    assert answer.headers["Retry-After"] == "1"


def test_another_token_of_the_same_account_is_served_and_so_are_nodes(broker: BrokerInProcess) -> None:
    other = broker.json("POST", "/tokens", {"name": "other"})["token"]
    broker.register()
    until_refused(broker)
    assert broker.json("GET", "/whoami", role=other)["account"] == "admin"
    for sequence in range(30):
        broker.report(sequence=sequence)


def test_nothing_of_it_is_done(broker: BrokerInProcess) -> None:
    until_refused(broker)
    assert broker.call("POST", "/tokens", json={"name": "late"}).status_code == 429
    tokens = broker.services.tokens.page(broker.admin, account=None, before=None, limit=9)
    assert [seen.token.name for seen in tokens] == ["tokens.json"]


def test_what_needs_no_token_is_not_counted(broker: BrokerInProcess) -> None:
    until_refused(broker)
    assert broker.client.get("/health").status_code == 200


def test_a_real_broker_slows_a_client_down_that_does_not_notice_otherwise(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "state", 0, "--requests-per-s", "2", has_node=False)
    try:
        rest = RestClient(broker.url, broker.tokens["user"])
        began_at = time.monotonic()
        clients = [threading.Thread(target=_ask, args=(rest, 8)) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
        assert time.monotonic() - began_at > 5  # 32 requests: 20 at once, the others at 2 per second
        bare = {"Authorization": f"Bearer {broker.tokens['user']}"}
        codes = {requests.get(f"{broker.url}/whoami", headers=bare, timeout=9).status_code for _ in range(30)}
        assert 429 in codes
    finally:
        broker.stop()


def _ask(rest: RestClient, count: int) -> None:
    for _ in range(count):
        rest.request("GET", "/whoami")


@pytest.mark.parametrize("rate", ["-1", "inf", "nan", "many"])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, capsys: Any, rate: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--state-dir", str(tmp_path), "--requests-per-s", rate])
    assert ended.value.code == 2
    assert f"--requests-per-s: it is a number, 0 or more, not {rate}" in capsys.readouterr().err
