"""What the broker is told and how its answers are taken."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import msgspec
import pytest

from accelpool_node import control
from accelpool_node.agent import broker_link
from accelpool_node.agent.broker import refusal
from accelpool_node.agent.broker_link import BrokerLink, Freshness
from accelpool_node.agent.contract import Address, LoadedImage, Registered, Registration, Work
from accelpool_node.agent.outcomes import Outcome, Session, conclude
from accelpool_node.agent.reports import Reporter
from accelpool_node.gpus import Readings
from accelpool_wire.errors import (
    Conflict,
    ConnectError,
    Forbidden,
    Invalid,
    LeaseRevoked,
    NotFound,
    Unauthorized,
    Unavailable,
)

IMAGE = LoadedImage(sha256="0" * 64, since=1.5)
REGISTRATION = Registration(address=Address(host="h", port=1), version="0", boot_id="b", devices=[])


def outcome(id="S1"):
    return Outcome(id=id, lease="L", cause="crashed", problem="session-lost", detail="why")


def session(**members):
    worker = SimpleNamespace(pid=12, ending="was killed by signal 9 (SIGKILL)")
    admission = SimpleNamespace(claims=SimpleNamespace(lease="L"), devices=("x/a",))
    times = {"started_at": 1.5, "opened_at": 0.0, "heard_at": 0.0}
    return Session(id="S1", admission=admission, worker=worker, **times, **members)


@pytest.mark.parametrize(
    ("members", "cause", "problem", "detail"),
    [
        ({}, "crashed", "session-lost", "worker 12 of session S1 was killed by signal 9 (SIGKILL)"),
        (
            {"verdict": "silence", "told": LeaseRevoked("x")},
            "hung",
            "session-lost",
            "worker 12 of session S1 was killed: silence",
        ),
        ({"told": LeaseRevoked("lease L ended")}, "ended", "lease-revoked", "lease L ended"),
        (
            {"last_word": control.Ended(control.Cause.GOODBYE)},
            "goodbye",
            "session-lost",
            "session S1 ended (goodbye)",
        ),
        (
            {"last_word": control.Ended(control.Cause.DISCONNECTED, "reset")},
            "disconnected",
            "session-lost",
            "session S1 ended (disconnected: reset)",
        ),
    ],
)
def test_how_a_session_ended_follows_from_what_is_known(members, cause, problem, detail):
    ended = conclude(session(**members))
    assert (ended.cause, ended.problem, ended.detail) == (cause, problem, detail)


def test_a_report_says_what_runs_and_repeats_what_ended_until_it_is_heard():
    reporter = Reporter("boot")
    reporter.add(outcome())
    first = reporter.report(
        [session()], {"x/a": ""}, {"x/a": IMAGE}, {"L": 2.5}, seen_revision=None, wait_s=0.0
    )
    assert first.loaded_images == {"x/a": IMAGE}
    assert first.busy_s == {"L": 2.5}
    assert [(one.id, one.lease, one.devices) for one in first.sessions] == [("S1", "L", ["x/a"])]
    assert [one.id for one in first.ended] == ["S1"]
    reporter.add(outcome("S2"))
    reporter.acknowledge(first)
    assert first.readings is msgspec.UNSET
    told = {"x/a": Readings(power_w=70.5)}
    second = reporter.report([], {}, {}, {}, seen_revision=3, wait_s=5.0, readings=told)
    assert msgspec.to_builtins(second)["readings"] == {"x/a": {"power_w": 70.5}}
    assert [one.id for one in second.ended] == ["S2"]
    assert second.sequence > first.sequence
    assert (second.seen_revision, second.wait_s) == (3, 5.0)


@pytest.mark.parametrize(
    ("revision", "asked_at", "is_used"),
    [(8, 1.0, True), (6, 1.0, False), (7, 1.0, True), (6, 3.0, True)],
)
def test_an_overtaken_answer_is_dropped(revision, asked_at, is_used):
    freshness = Freshness()
    assert freshness.take(7, asked_at=0.0, answered_at=2.0)
    assert freshness.take(revision, asked_at=asked_at, answered_at=4.0) is is_used
    assert freshness.revision == (revision if is_used else 7)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b"", Unauthorized),
        (403, b"{}", Forbidden),
        (404, b"not json", NotFound),
        (409, b'{"type":"https://accelpool.dev/problems/conflict","detail":"again"}', Conflict),
        (422, b'{"type":"x","detail":"again"}', Invalid),
        (500, b"", Unavailable),
        (503, b'{"detail":"again"}', Unavailable),
    ],
)
def test_answers_that_are_no_success_become_typed_errors(status, body, error):
    raised = refusal(status, body)
    assert type(raised) is error
    assert str(status) in raised.detail


class FakeBroker:
    """Answers with what is in `script`: errors are raised, revisions answered; then it stops the link."""

    def __init__(self, *script):
        self.script = list(script)
        self.registrations = 0
        self.reports = []

    def register(self, registration):
        self.registrations += 1
        return Registered(public_key="k", heartbeat_s=1.0)

    def reconcile(self, report):
        self.reports.append(report)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return Work(revision=step, leases=[])


@pytest.fixture
def make_link(monkeypatch):
    monkeypatch.setattr(broker_link, "FIRST_PAUSE_S", 0.001)

    def make(broker):
        reporter = Reporter("b")
        works = []
        link = BrokerLink(
            lambda: broker,
            registration=lambda: REGISTRATION,
            report=lambda seen, wait_s: reporter.report([], {}, {}, {}, seen_revision=seen, wait_s=wait_s),
            on_registered=lambda registered: None,
            on_heard=reporter.acknowledge,
            on_work=lambda work, asked_at: works.append(work.revision),
        )
        return link, works

    return make


def test_before_the_broker_has_answered_it_is_waited_for_since_the_agents_start(make_link):
    began_at = time.time()
    link, _ = make_link(None)
    assert began_at <= link.heard_at <= time.time()


def test_the_link_persists_while_the_broker_is_away(make_link):
    broker = FakeBroker(ConnectError("away"), Unavailable("503"), 4)

    async def scenario():
        link, works = make_link(broker)
        await link.start()
        return works

    assert asyncio.run(scenario()) == [4]
    assert broker.registrations == 1


@pytest.mark.parametrize("forgotten", [Conflict("who?"), NotFound("who?")])
def test_a_node_that_the_broker_forgot_registers_again(make_link, forgotten):
    broker = FakeBroker(7, forgotten, 2)

    async def scenario():
        link, works = make_link(broker)
        await link.start()
        await link._persist(lambda: link._exchange(broker, 0.0))
        return works

    assert asyncio.run(scenario()) == [7, 2]
    assert broker.registrations == 2
    assert [report.seen_revision for report in broker.reports] == [None, 7, None]


def test_a_broker_that_refuses_the_node_for_good_ends_the_start(make_link):
    broker = FakeBroker()
    broker.register = lambda registration: (_ for _ in ()).throw(Unauthorized("no"))

    async def scenario():
        link, _ = make_link(broker)
        await link.start()

    with pytest.raises(Unauthorized):
        asyncio.run(scenario())


def test_asking_waits_for_a_question_that_was_asked_since(make_link):
    broker = FakeBroker(1, 2)

    async def scenario():
        link, works = make_link(broker)
        await link.start()
        asking = asyncio.create_task(link.ask(10.0))
        await asyncio.sleep(0)
        assert not asking.done()  # what was heard before does not count
        reporting = asyncio.create_task(link._report_changes())
        await asking
        reporting.cancel()
        return works

    assert asyncio.run(scenario()) == [1, 2]


def test_asking_a_broker_that_does_not_answer_ends(make_link):
    async def scenario():
        link, _ = make_link(FakeBroker(1))
        await link.start()
        await link.ask(0.01)

    with pytest.raises(Unavailable, match=r"0\.01 s"):
        asyncio.run(scenario())
