"""The broker as a process: started, ready, stopped, killed and started again."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from accelpool_broker.testing import registration

from ..conftest import enrol, wait_until
from ..sockets import lasting_port

Start = Callable[..., "Broker"]


class Broker:
    """A broker process and the calls that a test makes of it; `ca` vouches for it, if it does TLS."""

    def __init__(
        self, state_dir: Path, port: int = 0, *options: str, ca: str = "", has_node: bool = True
    ) -> None:
        args = [sys.executable, "-m", "accelpool_broker", "--port", str(port), "--state-dir", str(state_dir)]
        args += options
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = json.loads(line)["ready"] if line else ""
        self.port = int(self.url.rpartition(":")[2]) if line else 0
        file = state_dir / "tokens.json"
        self.tokens = json.loads(file.read_text()) if line else {}
        if line and has_node:
            self.tokens["node"] = "apn_of-n1"
            enrol(self.url, self.tokens["user"], "n1", self.tokens["node"], ca)

    def call(self, method: str, path: str, body: Any = None, role: str = "user", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=60, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def register(self, boot_id: str = "boot-1") -> None:
        self.call("PUT", "/nodes/n1", registration("gpu", boot_id=boot_id), role="node")

    def report(self, sequence: int, **members: Any) -> Any:
        body = {"boot_id": "boot-1", "sequence": sequence, **members}
        return self.call("POST", "/nodes/n1/reconcile", body, role="node")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End the process; return its exit code and what it logged."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Broker] = []

    def begin(port: int = 0) -> Broker:
        started.append(Broker(tmp_path / "state", port))
        return started[-1]

    yield begin
    for broker in started:
        if broker.process.poll() is None:
            broker.stop(signal.SIGKILL)


def test_it_starts_keeps_its_secrets_private_and_stops_in_order(start: Start, tmp_path: Path) -> None:
    broker = start()
    assert requests.get(f"{broker.url}/health", timeout=60).json()["status"] == "ok"
    state = tmp_path / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in state.iterdir()} == {0o600}
    children = Path(f"/proc/{broker.process.pid}/task/{broker.process.pid}/children").read_text()
    code, log = broker.stop()
    assert (code, children) == (0, "")
    assert "Traceback" not in log
    assert "Warning" not in log


def test_an_interrupt_stops_it_too_and_waiting_clients_are_answered(start: Start) -> None:
    broker = start()
    broker.register()
    broker.call("POST", "/leases", {})
    answers: list[dict] = []
    waiter = threading.Thread(
        target=lambda: answers.append(broker.call("POST", "/leases?wait_s=25", {"client": "waiting"}))
    )
    waiter.start()
    wait_until(lambda: len(broker.call("GET", "/leases")["items"]) == 2)
    started = time.monotonic()
    code, _ = broker.stop(signal.SIGINT)
    waiter.join(60)
    assert code == 0
    assert time.monotonic() - started < 20  # nobody waits to the end
    assert [answer["state"] for answer in answers] == ["queued"]


def test_a_taken_port_is_told_and_nothing_is_left(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = start(taken.getsockname()[1])
        code, log = broker.stop()
    assert code == 2
    assert log.splitlines()[-1].endswith("Address already in use")
    assert not (tmp_path / "state").exists()


def test_two_brokers_cannot_share_a_port(start: Start) -> None:
    first = start()
    second = start(first.port)
    assert second.stop()[0] == 2


def test_a_broken_state_directory_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "tokens.json").write_text("{")
    code, log = start().stop()
    assert code == 2
    assert "tokens.json" in log.splitlines()[-1]


def test_after_a_kill_leases_renewals_releases_and_the_queue_go_on(start: Start) -> None:
    broker = start(lasting_port())
    broker.register()
    held = broker.call("POST", "/leases", {"ttl_s": 60})
    queued = broker.call("POST", "/leases", {})
    revision = broker.report(1)["revision"]
    broker.stop(signal.SIGKILL)

    again = start(broker.port)
    assert again.tokens == broker.tokens
    told = again.report(2, seen_revision=revision)
    assert [lease["id"] for lease in told["leases"]] == [held["id"]]
    found = again.call("GET", f"/leases/{held['id']}")
    assert (found["state"], found["shares"]) == ("active", held["shares"])
    assert again.call("PATCH", f"/leases/{held['id']}", {"ttl_s": 90})["state"] == "active"
    assert again.call("GET", f"/leases/{queued['id']}")["position"] == 1
    assert again.call("DELETE", f"/leases/{held['id']}")["state"] == "released"
    granted = again.call("GET", f"/leases/{queued['id']}?wait_s=25")
    assert granted["state"] == "active"
    assert granted["shares"][0]["epoch"] == held["shares"][0]["epoch"] + 1


def test_an_agent_is_woken_over_http(start: Start) -> None:
    broker = start()
    broker.register()
    revision = broker.report(1)["revision"]
    told: list[dict] = []
    agent = threading.Thread(target=lambda: told.append(broker.report(2, seen_revision=revision, wait_s=10)))
    agent.start()
    time.sleep(0.2)  # whether it waits already or not, the answer is the same
    started = time.monotonic()
    lease = broker.call("POST", "/leases", {})
    agent.join(60)
    assert time.monotonic() - started < 9  # nor here
    assert [item["id"] for item in told[0]["leases"]] == [lease["id"]]


def test_the_timer_ends_a_lease_that_nobody_renews(start: Start) -> None:
    broker = start()
    broker.register()
    lease = broker.call("POST", "/leases", {"ttl_s": 5})
    second = broker.call("POST", "/leases?wait_s=25", {"ttl_s": 5})
    assert second["state"] == "active"
    assert broker.call("GET", f"/leases/{lease['id']}")["state"] == "expired"


def test_the_openapi_document_is_printed() -> None:
    args = [sys.executable, "-m", "accelpool_broker.openapi"]
    printed = subprocess.run(args, capture_output=True, text=True, check=True)
    assert printed.stdout == (Path(__file__).parents[2] / "openapi.yaml").read_text()


def test_a_second_broker_with_the_same_state_directory_is_refused(start: Start, tmp_path: Path) -> None:
    first = start()
    second = Broker(tmp_path / "state")
    code, log = second.stop()
    assert code == 2
    assert f"a broker runs with {tmp_path / 'state'} already, process {first.process.pid}" in log


def follow(broker: Broker) -> tuple[requests.Response, Iterator[bytes]]:
    """Follow the broker's events; the first line has come, and those that follow are returned."""
    headers = {"Authorization": f"Bearer {broker.tokens['user']}", "Accept": "text/event-stream"}
    answer = requests.get(broker.url + "/events", headers=headers, stream=True, timeout=60)
    assert answer.status_code == 200, answer.text
    lines = answer.iter_lines()
    assert next(lines) == b": nothing new"
    return answer, lines


def followers(broker: Broker) -> float:
    headers = {"Authorization": f"Bearer {broker.tokens['user']}"}
    metrics = requests.get(broker.url + "/metrics", headers=headers, timeout=60).text
    return float(next(line for line in metrics.splitlines() if "followers" in line).rpartition(" ")[2])


def test_events_are_streamed_and_who_goes_leaves_room(start: Start) -> None:
    broker = start()
    answer, lines = follow(broker)
    broker.register()
    event = next(line for line in lines if line.startswith(b"data: "))
    assert json.loads(event[6:])["kind"] == "node.ready"
    assert followers(broker) == 1
    answer.close()

    def is_noticed() -> bool:  # when something is to be sent
        broker.call("DELETE", f"/leases/{broker.call('POST', '/leases', {})['id']}")
        return followers(broker) == 0

    wait_until(is_noticed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_broker_that_stops_or_hands_over_waits_for_no_stream(start: Start, number: int) -> None:
    broker = start()
    _, lines = follow(broker)
    if number == signal.SIGHUP:
        broker.process.send_signal(number)
    else:
        assert broker.stop(number)[0] == 0
    assert [line for line in lines if line.startswith(b"data")] == []
    if number == signal.SIGHUP:
        follow(broker)[0].close()
        assert broker.stop()[0] == 0
