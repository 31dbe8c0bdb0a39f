"""Asking for a lease: one POST where a device is free, long-polls where none is, and no lease left behind."""

from datetime import datetime, timedelta, timezone

import pytest
from tests.unit.broker_rig import FakeBroker, lease

from accelpool import acquire_options, errors
from accelpool.acquisition import Acquisition
from accelpool.demand import Demand, memory_of
from accelpool.device import Device, Platform
from accelpool.lease_request import LeaseRequest, client_name, wait_seconds
from accelpool.rest import Answer


def run(broker, **request):
    return Acquisition(rest=broker, request=LeaseRequest(**request)).run()


def test_a_free_device_takes_one_request():
    broker = FakeBroker("active")
    assert run(broker, demands=(Demand("gpu", memory=5),)).id == "L"
    ((method, path, options),) = broker.requests
    assert (method, path, options["params"]) == ("POST", "/leases", {"wait_s": 5.0})
    assert options["json"] == {
        "kind": "gpu",
        "count": 1,
        "memory_bytes": 5,
        "ttl_s": 60.0,
        "queue_timeout_s": None,
        "ends_with_session": True,
        "client": "",
    }
    assert len(options["headers"]["Idempotency-Key"]) >= 16


def test_a_queued_lease_is_waited_for_by_reading_it():
    broker = FakeBroker("queued", "queued", "active")
    assert run(broker).state == "active"
    assert broker.calls == [("POST", "/leases"), ("GET", "/leases/L"), ("GET", "/leases/L")]


def test_the_time_in_the_queue_is_known_once_the_lease_is_granted():
    acquisition = Acquisition(rest=FakeBroker("queued", "queued", "active"), request=LeaseRequest())
    acquisition.run()
    assert acquisition.waited_s == 30.0


def test_after_the_time_allowed_the_request_is_withdrawn():
    broker = FakeBroker("queued", "queued", "withdrawn")
    with pytest.raises(errors.LeaseTimeout, match=r"within 30 s, at position 3: all are taken"):
        run(broker, wait_s=30.0)
    assert [options.get("wait_s") for _, _, options in broker.requests] == [5.0, 25.0, None]
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


def test_who_wants_cuda_says_so_and_others_say_nothing():
    assert Demand(api="cuda").body() == {"kind": "any", "count": 1, "api": "cuda"}
    assert "api" not in Demand().body()


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (None, {}),
        (7, {"memory_bytes": 7}),
        ("2GiB", {"memory_bytes": 2 << 30}),
        ("1.5 MB", {"memory_bytes": 1_500_000}),
        ("512", {"memory_bytes": 512}),
        (" 3 KiB ", {"memory_bytes": 3072}),
        ("25%", {"memory_fraction": 0.25}),
        (0.5, {"memory_fraction": 0.5}),
    ],
)
def test_memory_is_bytes_or_a_number_with_a_unit_or_a_fraction(memory, expected):
    assert memory_of(memory) == expected


@pytest.mark.parametrize("compute", [0.25, "25%", "0.25", ".25", " 25.0 % ", "2.5e-1"])
def test_compute_is_a_fraction_or_its_percentage(compute):
    assert Demand(compute=compute).body()["compute"] == 0.25


@pytest.mark.parametrize(
    ("argument", "value", "told"),
    [
        ("kind", "GPU", r"kind is one of 'any', 'gpu', .*, not 'GPU'; 'gpu' is"),
        ("kind", 5, "kind is one of"),
        ("kind", [], "kind is 1 to 8 alternatives"),
        ("api", "hip", "api is one of '', 'opencl', 'cuda', not 'hip'"),
        ("count", 0, "count is a number of devices from 1 to 256, not 0"),
        ("count", 1.5, "count is"),
        ("ttl", -1, "ttl is seconds from 5 to 86400, not -1"),
        ("ttl", "60", "ttl is seconds"),
        ("ttl", None, "ttl is seconds"),
        ("wait", -1, r"wait is True .*, False .* or seconds from 0 on, not -1"),
        ("wait", float("nan"), "wait is"),
        ("memory", 0, "memory is bytes, at least 1"),
        ("memory", "12parsecs", r"memory is bytes, .* such as '2GiB'; .*, not '12parsecs'"),
        ("memory", "", "memory is bytes"),
        ("memory", "-1", "memory is bytes"),
        ("memory", "GiB", "memory is bytes"),
        ("memory", "9" * 500 + "GiB", "memory is bytes"),
        ("memory", 1.5, "memory is bytes"),
        ("device", "", "device is a device's id"),
        ("tolerates", "maintenance", "tolerates is a list of strings, not 'maintenance'"),
        ("devices", "dev_1", "devices is a list of devices' ids, .*, not 'dev_1'"),
        ("compute", 0, "compute is a fraction of a device's time, above 0 and up to 1, .*, not 0"),
        ("compute", 1.5, "compute is"),
        ("compute", "half", "compute is .*, or a string such as '25%', not 'half'"),
        ("compute", "125%", "compute is .*, not '125%'"),
        ("compute", "0%", "compute is .*, not '0%'"),
        ("compute", "2%5", "compute is .*, not '2%5'"),
        ("compute", "9" * 5000, "compute is"),
        ("placement", "far", "placement is one of 'near', 'same_node', 'spread', 'pack', not 'far'"),
        ("priority", 1001, "priority is a whole number from -1000 to 1000"),
        ("max_duration", 0, "max_duration is seconds from 1 to a year, or None"),
    ],
)
def test_arguments_are_checked_before_anything_is_sent(argument, value, told):
    options = {} if argument == "kind" else {argument: value}
    with pytest.raises(errors.Invalid, match=told) as caught:
        acquire_options.read(value if argument == "kind" else "any", options)
    assert caught.value.members == {"parameter": argument}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"starts_at": 5.0}, "ends_at is a datetime or seconds since the Unix epoch; .* together, not None"),
        ({"ends_at": 5.0}, "starts_at is a datetime"),
        ({"starts_at": "noon", "ends_at": 5.0}, "starts_at is a datetime .*, not 'noon'"),
        ({"starts_at": 5.0, "ends_at": 5.0}, "ends_at is after starts_at"),
        ({"starts_at": 5.0, "ends_at": 1e15}, "ends_at is a datetime"),
        ({"starts_at": 5.0, "ends_at": 6.0, "max_duration": 1}, "max_duration is None with starts_at"),
    ],
)
def test_times_are_checked_before_anything_is_sent(options, told):
    with pytest.raises(errors.Invalid, match=told):
        acquire_options.read("any", options)


def test_times_are_datetimes_or_seconds_and_are_told_in_utc():
    zone = timezone(timedelta(hours=1))
    request = acquire_options.read(
        "gpu", {"starts_at": datetime(2027, 1, 15, 10, tzinfo=zone), "ends_at": 1_800_004_500.5, "wait": 30}
    )
    body = request.body()
    assert (body["starts_at"], body["ends_at"]) == (
        "2027-01-15T09:00:00+00:00",
        "2027-01-15T09:15:00.500000+00:00",
    )
    assert body["queue_timeout_s"] is None


def test_the_time_allowed_for_a_reservation_begins_when_it_does():
    broker = FakeBroker(*["queued"] * 6, "withdrawn")
    request = LeaseRequest(starts_at=1100.0, ends_at=1200.0, wait_s=5.0)
    with pytest.raises(errors.LeaseTimeout, match="within 5 s of its start"):
        Acquisition(rest=broker, request=request, now=lambda: 1000.0).run()
    assert broker.now == 105.0


def test_a_device_in_place_of_its_id_is_refused_with_the_id():
    device = Device({}, Platform({}), ("n", "", "d"), pool_id="dev_1")
    with pytest.raises(errors.Invalid, match="that one's is 'dev_1'"):
        Demand(device=device)


def test_wait_is_for_ever_or_not_at_all_or_seconds():
    assert [wait_seconds(w) for w in (True, None, False, 0, 5, 2.5)] == [None, None, 0.0, 0.0, 5.0, 2.5]


def test_a_client_says_who_it_is():
    assert "@" in client_name()


def test_alternatives_are_told_in_their_order_with_what_was_given_alone():
    broker = FakeBroker("active")
    request = acquire_options.read(
        [Demand("gpu", memory="40GiB"), Demand("gpu", count=2, compute=0.5, where="true")],
        {"tenant": "t", "priority": 3, "preemptible": True, "max_duration": 600},
    )
    Acquisition(rest=broker, request=request).run()
    body = broker.requests[0][2]["json"]
    assert body["alternatives"] == [
        {"kind": "gpu", "count": 1, "memory_bytes": 40 << 30},
        {"kind": "gpu", "count": 2, "compute": 0.5, "where": "true"},
    ]
    assert [body[name] for name in ("tenant", "priority", "preemptible", "max_duration_s")] == [
        "t",
        3,
        True,
        600,
    ]


def test_options_of_a_demand_do_not_go_beside_demands():
    with pytest.raises(errors.Invalid, match="count is part of each Demand where there are some, not 2"):
        acquire_options.read([Demand("gpu")], {"count": 2})


def test_an_unknown_option_is_refused_as_python_does():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        acquire_options.read("any", {"colour": 1})


def test_who_waits_is_told_why_in_time_where_answers_come_early():
    class EarlyBroker(FakeBroker):
        def request(self, method, path, **options):
            answer = super().request(method, path, **options)
            self.now -= 0.1 * options.get("wait_s", 0.0)
            return answer

    broker, told = EarlyBroker("queued", "queued", "queued", "queued", "active"), []
    request = LeaseRequest(demands=(Demand("gpu"),))
    Acquisition(rest=broker, request=request, say=lambda line: told.append((broker.now, line))).run()
    ((told_at, line),) = told
    assert 5.0 <= told_at < 6.0
    assert line == "lease L waits at position 3: all are taken"


def test_who_waits_is_told_why_after_a_while_and_when_it_changes(caplog):
    broker = FakeBroker("queued", "queued", "queued", "active")
    run(broker)
    assert [record.message for record in caplog.records] == ["lease L waits at position 3: all are taken"]


# ---- a node without TLS ----------------------------------------------------------------------------------


def granted(host, certificate=""):
    endpoint = {"node": "n1", "host": host, "port": 1, "token": "t", "certificate_sha256": certificate}
    return lease("active", endpoints=[endpoint])


def ask(url, answer, **options):
    broker = FakeBroker(answer, "released")
    broker.url = url
    return broker, Acquisition(rest=broker, request=LeaseRequest(), **options)


@pytest.mark.parametrize("url", ["https://broker.example", "HTTPS://broker.example"])
def test_a_node_is_not_spoken_to_in_the_clear_where_its_broker_is_not(url):
    broker, acquisition = ask(url, granted("10.0.0.7"))
    with pytest.raises(
        errors.InsecureEndpoint, match=r"node n1 does no TLS.*10\.0\.0\.7.*ACCELPOOL_INSECURE"
    ):
        acquisition.run()
    assert broker.calls == [("POST", "/leases"), ("DELETE", "/leases/L")]


def test_nor_that_of_a_reservation_which_stays():
    broker, acquisition = ask("https://broker.example", granted("node.example"))
    acquisition.reserve()
    broker.answers.insert(0, granted("node.example"))
    with pytest.raises(errors.InsecureEndpoint):
        acquisition.join()
    assert broker.calls == [("POST", "/leases"), ("GET", "/leases/L")]


@pytest.mark.parametrize(
    ("url", "host", "certificate", "options"),
    [
        ("https://broker.example", "10.0.0.7", "ab" * 32, {}),
        ("https://broker.example", "127.0.0.1", "", {}),
        ("https://broker.example", "::1", "", {}),
        ("https://broker.example", "localhost", "", {}),
        ("http://broker.example", "10.0.0.7", "", {}),
        ("https://broker.example", "10.0.0.7", "", {"is_insecure": True}),
    ],
)
def test_others_are(url, host, certificate, options):
    _, acquisition = ask(url, granted(host, certificate), **options)
    assert acquisition.run().endpoints[0].host == host
