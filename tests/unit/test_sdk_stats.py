"""What a context has cost, and how notebooks show contexts, devices and leases."""

import socket

import pytest

from accelpool.context_stats import CallStats, ContextStats, advice
from accelpool.records import LeaseRecord, ShareRecord
from accelpool.testing import FakeConnection, fake_context, fake_spanning_context
from accelpool_wire.channel import shortest_round_trip_s
from accelpool_wire.inbox import Waits


def test_what_a_context_has_cost_is_told_by_call():
    fake = FakeConnection()
    ctx = fake_context(fake)
    fake.stats.by_call["Finish"] = Waits(2, 0.5)
    fake.stats.round_trips, fake.stats.waited_s, fake.stats.bytes_sent = 2, 0.5, 100
    before = ctx.stats
    fake.stats.by_call["Finish"] = Waits(3, 0.75)
    fake.stats.by_call["Read"] = Waits(1, 2.0)
    fake.stats.round_trips, fake.stats.waited_s, fake.stats.bytes_sent = 4, 2.75, 150
    now = ctx.stats
    assert (before.round_trips, now.round_trips, now.by_call["Finish"].round_trips) == (2, 4, 3)
    between = now - before
    assert (between.round_trips, between.waited_s, between.bytes_sent) == (2, 2.25, 50)
    assert between.rows() == [("Read", 1, 2.0), ("Finish", 1, 0.25)]
    assert (now - now).by_call == {}


def test_a_context_over_nodes_has_cost_what_all_its_nodes_have():
    fakes = [FakeConnection(), FakeConnection()]
    ctx = fake_spanning_context(fakes)
    for fake in fakes:
        fake.stats.by_call["Finish"] = Waits(2, 0.5)
    assert ctx.stats.rows() == [("Finish", 4, 1.0)]


def test_a_program_that_lives_on_the_network_is_told_so_at_its_end(caplog):
    fake = FakeConnection()
    ctx = fake_context(fake)
    fake.stats.by_call.update({"Finish": Waits(900, 90.0), "Read": Waits(1100, 11.0)})
    fake.stats.round_trips, fake.stats.waited_s, fake.stats.network_s = 2000, 101.0, 100.0
    ctx.release()
    (line,) = caplog.messages
    assert line.startswith(
        "lease lse_fake: of 0.0 s at least 100.0 s went by on the network, in 2,000 round trips"
    )
    assert "1,100 of them for Read" in line


@pytest.mark.parametrize(
    ("round_trips", "network_s"), [(999, 9.0), (5000, 4.9)], ids=["few round trips", "a node that computes"]
)
def test_other_programs_are_told_nothing(round_trips: int, network_s: float):
    by_call = {"Finish": CallStats(round_trips=round_trips, waited_s=9.0)}
    stats = ContextStats(round_trips=round_trips, waited_s=9.0, network_s=network_s, by_call=by_call)
    assert advice(stats, 10.0) is None


def test_the_system_knows_how_long_the_network_takes():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as here,
    ):
        assert 0 <= shortest_round_trip_s(here) < 1
    assert shortest_round_trip_s(here) == 0.0
    for end in socket.socketpair():
        assert shortest_round_trip_s(end) == 0.0
        end.close()


def test_a_notebook_shows_a_context_without_talking():
    fake = FakeConnection()
    ctx = fake_context(fake)
    shown = ctx._repr_html_()
    assert "Context under lease lse_fake, open" in shown
    assert "<td>Fake device</td><td>fake-node-0</td>" in shown
    assert f"{4 << 30:,} bytes" in shown
    assert "Fake device" in ctx.devices[0]._repr_html_()
    assert "round trips" in ctx.stats._repr_html_()
    ctx.release()
    assert "closed" in ctx._repr_html_()
    assert fake.asked == []


def test_a_notebook_shows_a_lease_and_nothing_in_it_is_markup():
    share = ShareRecord(device="dev_1", name="<script>", node="n1", memory_bytes=1 << 20, compute=0.5)
    shown = LeaseRecord(id="lse_1", state="active", shares=[share])._repr_html_()
    assert "Lease lse_1, active" in shown
    assert "<td>&lt;script&gt;</td><td>n1</td><td>1,048,576 bytes</td><td>50%</td>" in shown


def test_shown_stats_say_what_took_longest_first():
    fake = FakeConnection()
    fake.stats.by_call.update({"Sync": Waits(9, 0.1), "Finish": Waits(1, 0.2)})
    shown = fake_context(fake).stats._repr_html_()
    assert shown.index("Finish") < shown.index("Sync") < shown.index("<td>all<")
