"""What a context has cost, and how notebooks show contexts, devices and leases."""

import socket

import pytest

from accelpool.context_stats import CallStats, ContextStats
from accelpool.records import LeaseRecord, ShareRecord
from accelpool.round_trip_watch import RoundTripWatch, finding
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


def spent(calls: int, waited_s: float) -> ContextStats:
    by_call = {"Finish": CallStats(round_trips=calls, waited_s=waited_s)}
    return ContextStats(round_trips=calls, waited_s=waited_s, by_call=by_call)


def test_a_program_that_lives_on_the_network_is_told_what_costs_it_most():
    by_call = {
        "Finish": CallStats(round_trips=90, waited_s=2.0),
        "Read": CallStats(round_trips=110, waited_s=2.0),
    }
    told = finding(ContextStats(round_trips=200, waited_s=4.0, by_call=by_call), 5.0, 0.02)
    assert told is not None
    assert told.startswith(
        "80% of the last 5.0 s went by on the way to the devices, in 200 round trips of 20.0 ms"
    )
    assert "110 of them for Read" in told


@pytest.mark.parametrize(
    ("stats", "lasted_s", "round_trip_s"),
    [(spent(100, 9.0), 10.0, 0.02), (spent(10_000, 2.0), 2.0, 0.0002), (spent(100, 2.0), 60.0, 0.02)],
    ids=["a node that computes", "a device near by", "a client that computes"],
)
def test_other_programs_are_told_nothing(stats: ContextStats, lasted_s: float, round_trip_s: float):
    assert finding(stats, lasted_s, round_trip_s) is None


def test_round_trips_that_took_no_second_together_are_not_looked_into():
    costs, measured = iter([spent(100, 0.4), spent(200, 0.8), spent(300, 1.2)]), []
    watch = RoundTripWatch(lambda: next(costs), lambda: measured.append(1))
    for _ in range(299):
        watch.count()
    assert measured == []
    watch.count()
    assert len(measured) == 5


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
