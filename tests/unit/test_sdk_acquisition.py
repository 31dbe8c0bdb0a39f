"""Asking for a lease: one POST where a device is free, long-polls where none is, and no lease left behind."""

import pytest

from accelpool import errors
from accelpool.acquisition import Acquisition
from accelpool.device import Device, Platform
from accelpool.lease_request import LeaseRequest, client_name, memory_bytes, wait_seconds
from accelpool.rest import Answer


class FakeBroker:
    """Answers requests from a list: a lease's state, an Answer, or an exception; waiting takes its time."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def request(self, method, path, **options):
        self.requests.append((method, path, options))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Answer):
            return answer
        if answer == "queued":
            self.now += options.get("wait_s", 0.0)
        return lease(answer)

    @property
    def calls(self):
        return [(method, path) for method, path, _ in self.requests]


def lease(state, retry_after_s=None, **members):
    body = {"id": "L", "state": state, "reason": "all are taken", "position": 3, **members}
    return Answer(body=body, retry_after_s=retry_after_s)


def run(broker, **request):
    return Acquisition(rest=broker, request=LeaseRequest(**request)).run()


def test_a_free_device_takes_one_request():
    broker = FakeBroker("active")
    assert run(broker, kind="gpu", memory_bytes=5).id == "L"
    ((method, path, options),) = broker.requests
    assert (method, path, options["params"]) == ("POST", "/leases", {"wait_s": 25.0})
    assert options["json"] == {
        "kind": "gpu",
        "count": 1,
        "memory_bytes": 5,
        "ttl_s": 60.0,
        "queue_timeout_s": None,
        "ends_with_session": True,
        "device": None,
        "client": "",
    }
    assert len(options["headers"]["Idempotency-Key"]) >= 16


def test_a_queued_lease_is_waited_for_by_reading_it():
    broker = FakeBroker("queued", "queued", "active")
    assert run(broker).state == "active"
    assert broker.calls == [("POST", "/leases"), ("GET", "/leases/L"), ("GET", "/leases/L")]


def test_after_the_time_allowed_the_request_is_withdrawn():
    broker = FakeBroker("queued", "queued", "withdrawn")
    with pytest.raises(errors.LeaseTimeout, match=r"within 30 s, at position 3: all are taken"):
        run(broker, wait_s=30.0)
    assert [options.get("wait_s") for _, _, options in broker.requests] == [25.0, 5.0, None]
    assert broker.calls[-1] == ("DELETE", "/leases/L")


def test_not_waiting_is_one_request_and_its_withdrawal():
    broker = FakeBroker("queued", "withdrawn")
    with pytest.raises(errors.LeaseTimeout):
        run(broker, wait_s=0.0)
    assert broker.calls == [("POST", "/leases"), ("DELETE", "/leases/L")]
    assert broker.requests[0][2]["json"]["queue_timeout_s"] == 5.0


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("withdrawn", errors.LeaseTimeout),
        ("rejected", errors.Unsatisfiable),
        ("expired", errors.LeaseExpired),
        ("revoked", errors.LeaseRevoked),
        ("lost", errors.LeaseLost),
    ],
)
def test_a_lease_that_ends_while_it_is_waited_for_is_the_typed_error(state, error):
    with pytest.raises(error, match="all are taken"):
        run(FakeBroker("queued", state))


def test_ctrl_c_while_waiting_withdraws():
    broker = FakeBroker("queued", KeyboardInterrupt(), "withdrawn")
    with pytest.raises(KeyboardInterrupt):
        run(broker)
    assert broker.calls[-1] == ("DELETE", "/leases/L")


def test_ctrl_c_before_the_first_answer_finds_the_lease_by_its_key_and_withdraws():
    broker = FakeBroker(KeyboardInterrupt(), "active", "released")
    with pytest.raises(KeyboardInterrupt):
        run(broker)
    assert broker.calls == [("POST", "/leases"), ("POST", "/leases"), ("DELETE", "/leases/L")]
    keys = {
        options["headers"]["Idempotency-Key"] for method, _, options in broker.requests if method == "POST"
    }
    assert len(keys) == 1


def test_a_refusal_is_raised_as_it_is():
    broker = FakeBroker(errors.Unsatisfiable("no gpu"), errors.Unsatisfiable("no gpu"))
    with pytest.raises(errors.Unsatisfiable, match="no gpu"):
        run(broker)


def test_a_busy_broker_is_left_alone_as_long_as_it_asks():
    broker = FakeBroker(lease("queued", retry_after_s=4.0), "active")
    run(broker)
    assert broker.slept == [4.0]


def test_what_is_no_lease_is_no_broker():
    with pytest.raises(errors.RemoteProtocolError, match="malformed"):
        run(FakeBroker(Answer(body={"state": 5}, retry_after_s=None), "active", "released"))


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(None, None), (7, 7), ("2GiB", 2 << 30), ("1.5 MB", 1_500_000), ("512", 512), (" 3 KiB ", 3072)],
)
def test_memory_is_bytes_or_a_number_with_a_unit(memory, expected):
    assert memory_bytes(memory) == expected


@pytest.mark.parametrize(
    ("argument", "value", "told"),
    [
        ("kind", "GPU", r"kind is one of 'any', 'gpu', .*, not 'GPU'; 'gpu' is"),
        ("kind", 5, "kind is one of"),
        ("kind", [], "kind is one of"),
        ("count", 0, "count is a number of devices from 1 to 256, not 0"),
        ("count", 1.5, "count is"),
        ("ttl", -1, "ttl is seconds from 5 to 86400, not -1"),
        ("ttl", "60", "ttl is seconds"),
        ("ttl", None, "ttl is seconds"),
        ("wait", -1, r"wait is True .*, False .* or seconds from 0 on, not -1"),
        ("wait", float("nan"), "wait is"),
        ("memory", 0, "memory is bytes, at least 1"),
        ("memory", "12parsecs", r"memory is bytes, .* such as '2GiB', not '12parsecs'"),
        ("memory", "", "memory is bytes"),
        ("memory", "-1", "memory is bytes"),
        ("memory", "GiB", "memory is bytes"),
        ("memory", "9" * 500 + "GiB", "memory is bytes"),
        ("memory", 1.5, "memory is bytes"),
        ("device", "", "device is a device's id"),
    ],
)
def test_arguments_are_checked_before_anything_is_sent(argument, value, told):
    possible = {"kind": "any", "count": 1, "memory": None, "wait": True, "ttl": 60, "device": None}
    with pytest.raises(errors.Invalid, match=told) as caught:
        LeaseRequest.of(**{**possible, argument: value})
    assert caught.value.members == {"parameter": argument}


def test_a_device_in_place_of_its_id_is_refused_with_the_id():
    device = Device({}, Platform({}), ("n", "", "d"), pool_id="dev_1")
    with pytest.raises(errors.Invalid, match="that one's is 'dev_1'"):
        LeaseRequest.of("any", count=1, memory=None, wait=True, ttl=60, device=device)


def test_wait_is_for_ever_or_not_at_all_or_seconds():
    assert [wait_seconds(w) for w in (True, None, False, 0, 5, 2.5)] == [None, None, 0.0, 0.0, 5.0, 2.5]


def test_a_client_says_who_it_is():
    assert "@" in client_name()
