"""Reservations: made and left alone, found again, waited for, given up."""

from datetime import UTC, datetime

import pytest
from tests.unit.broker_rig import FakeBroker, lease

from accelpool import errors
from accelpool.broker import Broker

TIMES = {"starts_at": "2027-01-15T09:00:00.000Z", "ends_at": "2027-01-15T10:00:00.000Z"}


@pytest.fixture
def pool():
    fake = FakeBroker()
    fake.close = lambda: None
    with Broker("http://127.0.0.1:9", "token", rest=fake) as broker:
        yield broker, fake


def test_a_reservation_takes_one_request_and_says_when(pool):
    broker, fake = pool
    fake.answers = [lease("queued", **TIMES)]
    made = broker.reserve("gpu", starts_at=datetime(2027, 1, 15, 9, tzinfo=UTC), ends_at=1_800_007_200)
    assert (made.id, made.starts_at, made.ends_at) == (
        "L",
        datetime(2027, 1, 15, 9, tzinfo=UTC),
        datetime(2027, 1, 15, 10, tzinfo=UTC),
    )
    ((method, path, options),) = fake.requests
    assert (method, path, options["params"]) == ("POST", "/leases", {"wait_s": 0.0})
    assert "L" in repr(made)


def test_a_reservation_has_a_time(pool):
    with pytest.raises(errors.Invalid, match="starts_at is needed for a reservation"):
        pool[0].reserve("gpu")
    assert pool[1].requests == []


def test_one_that_has_no_room_says_what_is_in_the_way(pool):
    broker, fake = pool
    fake.answers = [errors.Conflict("no room for it", leases=["M"])]
    with pytest.raises(errors.Conflict) as caught:
        broker.reserve(starts_at=5, ends_at=6)
    assert caught.value.members["leases"] == ["M"]


def test_one_is_found_again_by_its_id_and_given_up(pool):
    broker, fake = pool
    fake.answers = [lease("queued", **TIMES), lease("withdrawn", **TIMES)]
    broker.reservation("L/1").withdraw()
    assert fake.calls == [("GET", "/leases/L%2F1"), ("DELETE", "/leases/L")]


def test_a_lease_without_a_time_is_none(pool):
    broker, fake = pool
    fake.answers = [lease("queued")]
    with pytest.raises(errors.Conflict, match="lease L is no reservation"):
        broker.reservation("L")


def test_who_cannot_wait_for_it_leaves_it_as_it_is(pool):
    broker, fake = pool
    fake.answers = [lease("queued", **TIMES), *[lease("queued", **TIMES)] * 2, lease("expired", **TIMES)]
    found = broker.reservation("L")
    with pytest.raises(errors.LeaseExpired):
        found.acquire()
    assert [method for method, _ in fake.calls] == ["GET"] * 4


def test_an_instant_that_is_none_is_no_brokers(pool):
    broker, fake = pool
    fake.answers = [lease("queued", starts_at="noon", ends_at="later")]
    with pytest.raises(errors.RemoteProtocolError, match="noon"):
        broker.reservation("L")
