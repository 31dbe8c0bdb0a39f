"""A whole agent as a process, with null devices, against a broker that says what the test wants."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from accelpool_wire.messages import (
    Goodbye,
    Hello,
    SessionQuery,
    Welcome,
)

from .agent_rig import LIMIT_S, PREFIX, FakeBroker, Node, ask, frame, read, wait_for_exit, worker_of


@pytest.fixture(scope="module")
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def node(broker, tmp_path_factory):
    with Node(broker, tmp_path_factory.mktemp("agent") / "state") as node:
        yield node


def test_a_node_registers_its_devices_and_says_that_it_is_ready(broker, node):
    registration = broker.registrations[-1]
    assert registration["address"] == {"host": "127.0.0.1", "port": node.ready["port"]}
    assert node.ready["devices"] == 4
    first = registration["devices"][0]
    assert (first["name"], first["environment"], first["fault"]) == ("null/null-0", "null", "")
    assert first["capacity"] == {"memory_bytes": 1 << 30, "compute_units": 1}


def test_a_session_opens_is_reported_and_ends_at_goodbye(broker, node):
    with node.session(broker.token("L1", "0", "1")) as (stream, welcome):
        assert [device.name for device in welcome.devices] == ["null-0", "null-1"]
        report = broker.wait_for_report(lambda report: report["sessions"])
        (session,) = report["sessions"]
        assert (session["id"], session["lease"]) == (welcome.session, "L1")
        assert session["devices"] == ["null/null-0", "null/null-1"]
        stream.sendall(frame(Goodbye()))
        assert broker.wait_for_end(welcome.session)["cause"] == "goodbye"


def test_the_next_worker_is_warm_before_it_is_needed(broker, node):
    token = broker.token("L2", "0")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(node.session(token))
        assert len(node.children()) >= 3
        broker.wait_for_report(lambda report: len(report["sessions"]) == 3)


def test_a_lease_that_the_broker_denies_has_its_session_ended(broker, node):
    with node.connect() as stream:
        answer = ask(stream, Hello([1], [], broker.token("L3", "1", is_granted=False)))
        if isinstance(answer, Welcome):  # else the end overtook it
            answer = read(stream)
        assert answer.problem == "lease-revoked"
    broker.wait_for_report(
        lambda report: ("L3", "ended") in [(s["lease"], s["cause"]) for s in report["ended"]]
    )


def test_the_end_of_a_lease_ends_its_sessions_and_its_tokens(broker, node):
    token = broker.token("L4", "0")
    with node.session(token) as (stream, welcome):
        broker.wait_for_report(lambda report: welcome.session in [one["id"] for one in report["sessions"]])
        broker.end("L4")
        assert read(stream).problem == "lease-revoked"
    assert node.refusal(Hello([1], [], token)).problem == "lease-revoked"
    assert node.refusal(SessionQuery(token, welcome.session)).problem == "lease-revoked"


def test_tokens_that_do_not_hold_are_refused(broker, node):
    stranger = FakeBroker()
    stranger.server.server_close()
    broker.token("L6", "3")
    refused = {
        "unauthorized": stranger.token("L5", "0"),
        "forbidden": broker.token("L5", "0", node="elsewhere", is_granted=False),
        "lease-expired": broker.token("L5", "0", expires_at=time.time() - 1, is_granted=False),
        "unavailable": broker.token("L5", "9", is_granted=False),
    }
    for problem, token in refused.items():
        assert node.refusal(Hello([1], [], token)).problem == problem
    with node.session(broker.token("L7", "3")):
        stale = node.refusal(Hello([1], [], broker.token("L8", "3", epoch=1, is_granted=False)))
        assert stale.problem == "stale-epoch"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        PREFIX.pack(0, 0),
        PREFIX.pack(1 << 31, 0),
        PREFIX.pack(10, 1 << 40) + bytes(1000),
        PREFIX.pack(4, 0) + b"\xff\xff\xff\xff" + bytes(50_000),
        frame(Goodbye()),
        frame(Hello([2], [], "t")),
    ],
    ids=["http", "empty", "oversized", "payload", "nonsense", "goodbye", "version"],
)
def test_a_wrong_first_frame_is_refused_in_words(node, garbage):
    with node.connect() as stream:
        stream.sendall(garbage)
        assert read(stream).problem == "invalid"


def test_broken_and_slow_clients_disturb_nobody(broker, node):
    token = broker.token("L9", "2")
    with contextlib.ExitStack() as stack:
        for _ in range(140):
            slow = stack.enter_context(node.connect())
            slow.sendall(b"\x10")
        with node.connect() as cut:
            cut.sendall(frame(Hello([1], [], token))[:-3])
        with node.session(token) as (_, welcome):
            assert welcome.version == 1


def test_what_follows_hello_reaches_the_worker(broker, node):
    with node.connect() as stream:
        stream.sendall(frame(Hello([1], [], broker.token("L10", "2"))) + frame(Goodbye()))
        session = read(stream).session
        assert broker.wait_for_end(session)["cause"] == "goodbye"


def test_a_killed_worker_is_its_own_sessions_end_only(broker, node):
    token = broker.token("L11", "0")
    with node.session(token) as (stream, welcome), node.session(token) as (_, other):
        assert "still running" in node.refusal(SessionQuery(token, other.session)).detail
        pid = worker_of(node, welcome.session)
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""
        lost = node.refusal(SessionQuery(token, welcome.session))
        assert lost.problem == "session-lost"
        assert lost.detail == f"worker {pid} of session {welcome.session} was killed by signal 9 (SIGKILL)"
        assert broker.wait_for_end(welcome.session)["cause"] == "crashed"
        assert node.refusal(SessionQuery(token, "ses_unknown")).problem == "not-found"
        foreign = broker.token("L12", "1")
        assert node.refusal(SessionQuery(foreign, welcome.session)).problem == "not-found"
        with node.session(token):
            pass


def test_sessions_go_on_while_the_broker_is_away(broker, node):
    token = broker.token("L13", "0")
    with node.session(token) as (_, welcome):
        with broker.changed:
            broker.failures += [503, 500, 503]
            broker.revision += 1
            broker.changed.notify_all()
            since = len(broker.reports)
        broker.wait_for_report(
            lambda report: welcome.session in [one["id"] for one in report["sessions"]], since
        )
        assert not broker.failures


def test_a_broker_that_forgot_the_node_gets_its_registration_again(broker, node):
    with broker.changed:
        before = len(broker.registrations)
        broker.failures.append(409)
        broker.revision += 1
        broker.changed.notify_all()
        assert broker.changed.wait_for(lambda: len(broker.registrations) > before, LIMIT_S)
    assert broker.registrations[-1]["boot_id"] == broker.registrations[before - 1]["boot_id"]


def test_a_second_agent_in_the_same_directory_refuses_to_start(broker, node):
    command = [*node.process.args]
    second = subprocess.run(
        command,
        env={**os.environ, "ACCELPOOL_NODE_TOKEN": "t"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert second.returncode == 1
    assert f"another agent (process {node.process.pid})" in second.stderr


def test_a_terminated_agent_ends_its_sessions_and_leaves_no_process(broker, tmp_path):
    with (
        Node(broker, tmp_path / "state") as node,
        node.session(broker.token("L14", "0")) as (stream, welcome),
    ):
        children = node.children()
        node.process.terminate()
        ending = read(stream)
        assert (ending.problem, ending.detail) == ("unavailable", "the node is shutting down")
        assert node.process.wait(LIMIT_S) == 0
        assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
        assert broker.wait_for_end(welcome.session)["cause"] == "ended"
        last = broker.wait_for_report(lambda report: report.get("leaving", False))
        assert set(last["device_faults"].values()) == {""}
        assert list((tmp_path / "state" / "children").iterdir()) == []


def test_a_killed_agent_takes_its_workers_along_and_its_successor_starts(broker, tmp_path):
    with Node(broker, tmp_path / "state") as node, node.session(broker.token("L15", "0")) as (stream, _):
        children = node.children()
        assert children
        node.process.kill()
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""
        wait_for_exit(children)
    with Node(broker, tmp_path / "state") as successor:
        assert successor.ready["devices"] == 4


def test_an_environment_whose_driver_is_gone_is_a_faulty_device(tmp_path):
    file = tmp_path / "config" / "accelpool" / "environments.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[[environment]]\nname = 'gone'\nicd = '/nowhere/libgone.so'\n")
    found = subprocess.run(
        [sys.executable, "-m", "accelpool_node", "--discover", "--state-dir", str(tmp_path / "state")],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    faults = {device["name"]: device["fault"] for device in json.loads(found.stdout)["devices"]}
    assert faults["gone/unknown"].startswith("/nowhere/libgone.so shows no device")


def test_an_environments_file_that_cannot_be_used_stops_the_agent(tmp_path):
    file = tmp_path / "e.toml"
    file.write_text("[[environment]]\nname = 'x'\nicd = 'relative.so'\n")
    options = ["--environments", str(file), "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(
        [sys.executable, "-m", "accelpool_node", "--discover", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1
    assert f"{file}: x: icd is an absolute path" in done.stderr
