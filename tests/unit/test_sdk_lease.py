"""Leases in use: renewed in time, through a broker's absence, and ended when dropped."""

import threading

import pytest

from accelpool import errors
from accelpool.lease import LeaseKeeper
from accelpool.records import LeaseRecord
from accelpool.rest import Answer

RECORD = LeaseRecord(id="L", state="active", ttl_s=60.0)


class FakeBroker:
    def __init__(self):
        self.now = 100.0
        self.requests = []
        self.answer = None
        self.asked = threading.Event()

    def clock(self):
        return self.now

    def request(self, method, path, **options):
        self.requests.append((self.now, method, options.get("json")))
        self.asked.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(body=self.answer or {"id": "L", "state": "active"}, retry_after_s=None)


class FakeConnection:
    def __init__(self):
        self.closed = threading.Event()
        self.abandoned = None

    def close(self):
        self.closed.set()

    def abandon(self, reason):
        self.abandoned = reason


@pytest.fixture
def broker():
    return FakeBroker()


@pytest.fixture
def connection():
    return FakeConnection()


@pytest.fixture
def keeper(broker):
    return LeaseKeeper(broker, clock=broker.clock)


@pytest.fixture
def lease(keeper, connection):
    return keeper.adopt(RECORD, connection)


def test_nothing_is_due_at_first(keeper, lease, broker):
    assert keeper.renew_due() == 10.0
    assert broker.requests == []


def test_a_short_lease_is_renewed_at_a_third_of_its_ttl(keeper, connection):
    keeper.adopt(LeaseRecord(id="L", state="active", ttl_s=6.0), connection)
    assert keeper.renew_due() == 2.0


NOTICE = {"why": "preempted", "reason": "it was preempted", "revoke_at": "2030-01-01T00:00:00Z"}


def told(notice):
    return {"id": "L", "state": "active", "notice": notice}


def renew(keeper, broker, answer):
    """Let a renewal be due, and wait until whoever is told has heard."""
    broker.now, broker.answer = broker.now + 10, answer
    next_s = keeper.renew_due()
    for thread in threading.enumerate():
        if thread.name == "accelpool-notice":
            thread.join(5)
    return next_s


def test_a_holder_is_told_once_that_its_lease_ends_soon_and_again_after_the_word_was_taken_back(
    keeper, lease, broker
):
    heard = []
    lease.on_notice = heard.append
    for notice in (NOTICE, NOTICE, None, NOTICE):
        renew(keeper, broker, told(notice))
    assert [notice.why for notice in heard] == ["preempted", "preempted"]


def test_without_anybody_to_tell_a_notice_is_logged(keeper, lease, broker, caplog):
    renew(keeper, broker, told(NOTICE))
    assert caplog.messages == ["lease L ends at 2030-01-01T00:00:00Z: it was preempted"]


def test_an_on_notice_that_fails_does_not_end_the_lease(keeper, lease, broker, caplog):
    lease.on_notice = lambda _: 1 / 0
    assert renew(keeper, broker, told(NOTICE)) == 10.0
    assert "on_notice failed for lease L" in caplog.text


def test_a_lease_is_renewed_every_ten_seconds_so_that_a_notice_is_heard(keeper, lease, broker):
    broker.now += 10
    assert keeper.renew_due() == 10.0
    assert broker.requests == [(110.0, "PATCH", {"ttl_s": 60.0})]


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnectError("refused"),
        errors.Unavailable("503"),
        errors.Timeout("slow"),
        errors.QuotaExceeded("429"),
        errors.TooManyRequests("429"),
    ],
)
def test_a_broker_that_is_away_is_asked_again_soon(keeper, lease, broker, error):
    broker.now, broker.answer = 120.0, error
    assert keeper.renew_due() == 2.0
    broker.now, broker.answer = 122.0, None
    assert keeper.renew_due() == 10.0
    assert lease.failure is None


def test_a_lease_that_could_not_be_renewed_until_15_s_past_its_expiry_has_expired(
    keeper, lease, broker, connection
):
    broker.answer = errors.ConnectError("refused")
    for _ in range(100):
        pause_s = keeper.renew_due()
        if lease.failure is not None:
            break
        broker.now += pause_s
    assert broker.now == 100 + 60 + 15
    assert isinstance(lease.failure, errors.LeaseExpired)
    assert connection.closed.is_set()
    assert lease.is_over


@pytest.mark.parametrize("error", [errors.LeaseExpired("e"), errors.LeaseRevoked("r"), errors.LeaseLost("l")])
def test_a_lease_that_has_ended_says_how_and_closes_its_session(keeper, lease, broker, connection, error):
    broker.now, broker.answer = 120.0, error
    keeper.renew_due()
    assert lease.failure is error
    assert connection.closed.is_set()
    assert [method for _, method, _ in broker.requests] == ["PATCH"]  # an ended lease is not given back


def test_a_lease_whose_token_is_refused_says_why_it_is_given_up(keeper, lease, broker, connection):
    broker.now, broker.answer = 120.0, errors.Unauthorized("token tok_1 has expired")
    keeper.renew_due()
    assert isinstance(lease.failure, errors.Unauthorized)
    assert str(lease.failure) == "lease L cannot be renewed any more and is given up: token tok_1 has expired"
    assert connection.closed.is_set()


def test_ending_closes_the_session_and_gives_the_lease_back_once(keeper, lease, broker, connection):
    keeper.end(lease)
    keeper.end(lease)
    assert connection.closed.is_set()
    assert [method for _, method, _ in broker.requests] == ["DELETE"]


def test_ending_does_not_mind_a_broker_that_is_away(keeper, lease, broker):
    broker.answer = errors.ConnectError("refused")
    keeper.end(lease)
    assert lease.is_over


def test_an_ended_leases_late_renewal_is_no_failure(keeper, lease, broker):
    lease.is_over = True
    broker.now, broker.answer = 120.0, errors.LeaseRevoked("given back")
    keeper.renew_due()
    assert lease.failure is None


def test_the_thread_ends_what_was_dropped(keeper, broker, connection):
    lease = keeper.keep(RECORD, connection)
    keeper.drop(lease)
    assert connection.closed.wait(10)
    assert broker.asked.wait(10)
    keeper.close()


def test_closing_ends_all_leases(keeper, lease, broker):
    keeper.close()
    assert lease.is_over
    assert [method for _, method, _ in broker.requests] == ["DELETE"]


def test_the_last_thing_of_a_process_is_to_end_its_leases(keeper, lease, broker, connection):
    keeper.end_all()
    assert connection.closed.is_set()
    assert [method for _, method, _ in broker.requests] == ["DELETE"]


def test_a_fork_leaves_the_leases_to_the_process_that_it_came_from(keeper, lease, broker, connection):
    keeper.disown()
    assert connection.abandoned is lease.failure
    assert isinstance(lease.failure, errors.SessionLost)
    broker.now += 1000
    assert keeper.renew_due() > 0
    keeper.end_all()
    keeper.end(lease)
    assert broker.requests == []


def test_a_fork_keeps_leases_of_its_own(keeper, lease, broker):
    keeper.disown()
    own = keeper.adopt(LeaseRecord(id="own", state="active", ttl_s=60.0), FakeConnection())
    keeper.end_all()
    assert own.is_over
    assert [method for _, method, _ in broker.requests] == ["DELETE"]
