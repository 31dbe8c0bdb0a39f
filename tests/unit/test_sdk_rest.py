"""HTTP to the broker: typed errors, bounded retries, pages."""

import json

import pytest
import requests

from accelpool import errors
from accelpool.rest import RestClient


class Adapter(requests.adapters.BaseAdapter):
    """Answers requests from a list; an exception in it is raised."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)
        self.requests = []

    def send(self, request, **options):
        self.requests.append((request, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = answer
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, request.url
        response.headers.update(headers)
        response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return response

    def close(self):
        pass


class Clock:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def refused():
    class NewConnectionError(Exception):
        pass

    reason = Exception("Max retries exceeded")
    reason.reason = NewConnectionError("refused")
    return requests.exceptions.ConnectionError(reason)


def broken():
    return requests.exceptions.ConnectionError(Exception("Connection reset by peer"))


def ok(body=None, **headers):
    return (200, {} if body is None else body, headers)


def problem(status, type, detail="why", headers=None, **members):
    uri = f"https://accelpool.dev/problems/{type}"
    body = {"type": uri, "title": "T", "status": status, "detail": detail, "instance": "/x", **members}
    return (status, body, headers or {})


def client(*answers):
    adapter, clock, http = Adapter(*answers), Clock(), requests.Session()
    http.mount("http://", adapter)
    rest = RestClient("http://pool/", "secret", http=http, sleep=clock.sleep, clock=clock)
    return rest, adapter, clock


def test_a_request_carries_the_token_and_the_query():
    rest, adapter, _ = client(ok({"a": 1}))
    answer = rest.request("GET", "/leases", params={"wait_s": 25}, wait_s=25)
    request, options = adapter.requests[0]
    assert answer.body == {"a": 1}
    assert request.url == "http://pool/leases?wait_s=25"
    assert request.headers["Authorization"] == "Bearer secret"
    assert options["timeout"] == (5.0, 40.0)


def test_a_call_has_one_id_over_all_its_attempts_and_another_call_another():
    rest, adapter, _ = client(broken(), ok(), ok())
    rest.request("GET", "/leases", retry_s=10)
    rest.request("GET", "/leases")
    first, again, other = (request.headers["X-Request-Id"] for request, _ in adapter.requests)
    assert first == again != other


def test_a_problem_has_the_id_of_its_request_if_that_is_one():
    rest, _, _ = client(
        problem(404, "not-found", request_id="req_1"), problem(404, "not-found", request_id="\x1b[2J")
    )
    for wanted in ("req_1", ""):
        with pytest.raises(errors.NotFound) as caught:
            rest.request("GET", "/nodes/n1")
        assert caught.value.request_id == wanted


@pytest.mark.parametrize(
    ("status", "type", "error"),
    [
        (401, "unauthorized", errors.Unauthorized),
        (403, "forbidden", errors.Forbidden),
        (404, "lease-not-found", errors.LeaseNotFound),
        (409, "conflict", errors.Conflict),
        (422, "unsatisfiable", errors.Unsatisfiable),
        (429, "quota-exceeded", errors.QuotaExceeded),
        (410, "lease-expired", errors.LeaseExpired),
        (410, "lease-revoked", errors.LeaseRevoked),
        (504, "lease-timeout", errors.LeaseTimeout),
        (503, "unavailable", errors.Unavailable),
    ],
)
def test_a_problem_is_the_typed_error_of_its_name(status, type, error):
    rest, _, _ = client(problem(status, type, devices={"d": "too small"}))
    with pytest.raises(error, match="why") as caught:
        rest.request("POST", "/leases")
    assert caught.value.members["devices"] == {"d": "too small"}
    assert caught.value.instance == "/x"
    assert caught.value.status == status


def test_a_token_that_is_refused_is_read_again_and_a_new_one_tried_once():
    rest, adapter, _ = client(
        problem(401, "unauthorized"), ok({"a": 1}), problem(401, "unauthorized", "ended")
    )
    rest.reread = lambda: "new"
    assert rest.request("PATCH", "/leases/L").body == {"a": 1}
    assert [request.headers["Authorization"] for request, _ in adapter.requests] == [
        "Bearer secret", "Bearer new"
    ]  # fmt: skip
    with pytest.raises(errors.Unauthorized, match="ended"):
        rest.request("PATCH", "/leases/L")
    assert len(adapter.requests) == 3


def test_a_source_that_has_a_new_token_each_time_is_asked_once_for_a_request():
    rest, adapter, _ = client(*[problem(401, "unauthorized", "ended")] * 3)
    tokens = iter(["second", "third"])
    rest.reread = lambda: next(tokens)
    with pytest.raises(errors.Unauthorized, match="ended"):
        rest.request("PATCH", "/leases/L")
    assert [request.headers["Authorization"] for request, _ in adapter.requests] == [
        "Bearer secret", "Bearer second"
    ]  # fmt: skip


def test_a_token_that_another_thread_read_again_meanwhile_is_tried_too():
    rest, adapter, _ = client(
        problem(401, "unauthorized"), ok({"b": 2}), problem(401, "unauthorized"), ok({"a": 1})
    )
    rest.reread, send = lambda: "new", adapter.send

    def send_after_another(request, **options):
        adapter.send = send
        assert rest.request("GET", "/devices").body == {"b": 2}  # as from another thread, by both tokens
        return send(request, **options)

    adapter.send = send_after_another
    assert rest.request("PATCH", "/leases/L").body == {"a": 1}


def test_an_unknown_problem_keeps_its_name_and_status():
    rest, _, _ = client(problem(418, "teapot"))
    with pytest.raises(errors.ProblemError) as caught:
        rest.request("GET", "/")
    assert caught.value.type.endswith("teapot")
    assert caught.value.status == 418


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000], ids=["html", "nested"])
def test_no_json_is_no_broker(body):
    rest, _, _ = client((200, body, {}))
    with pytest.raises(errors.RemoteProtocolError, match="is that a broker's URL"):
        rest.request("GET", "/devices")


def test_a_list_as_a_failure_is_no_broker():
    rest, _, _ = client((400, [], {}))
    with pytest.raises(errors.RemoteProtocolError):
        rest.request("GET", "/devices")


def test_nothing_is_tried_again_unless_asked_for():
    rest, adapter, _ = client(refused())
    with pytest.raises(errors.ConnectError, match="is the broker running"):
        rest.request("GET", "/")
    assert len(adapter.requests) == 1


def test_a_broker_that_is_away_is_asked_again_with_growing_pauses():
    rest, _, clock = client(refused(), broken(), (502, b"bad gateway", {}), ok())
    rest.request("GET", "/", retry_s=30)
    assert clock.slept == [0.2, 0.4, 0.8]


def test_retry_after_is_honoured():
    rest, _, clock = client(problem(503, "unavailable", headers={"Retry-After": "7"}), ok())
    rest.request("GET", "/", retry_s=30)
    assert clock.slept == [7.0]


def test_the_last_error_is_raised_when_the_time_is_over():
    rest, _, clock = client(*[broken() for _ in range(9)])
    with pytest.raises(errors.ReadError):
        rest.request("GET", "/", retry_s=3)
    assert sum(clock.slept) <= 3


def throttled(seconds):
    return problem(429, "too-many-requests", headers={"Retry-After": str(seconds)})


def test_what_was_one_too_many_was_not_done_and_is_sent_again_after_the_time_that_was_said():
    rest, adapter, clock = client(throttled(3), throttled(1), ok({"id": 1}))
    assert rest.request("POST", "/leases", json={"kind": "gpu"}).body == {"id": 1}
    assert clock.slept == [3.0, 1.0]
    assert {request.body for request, _ in adapter.requests} == {b'{"kind": "gpu"}'}


@pytest.mark.parametrize(("retry_s", "most_s"), [(0, 10), (30, 30)])
def test_who_is_always_one_too_many_is_told_so(retry_s, most_s):
    rest, _, clock = client(*[throttled(1)] * 99)
    with pytest.raises(errors.TooManyRequests):
        rest.request("GET", "/leases", retry_s=retry_s)
    assert most_s - 2 <= sum(clock.slept) <= most_s


def test_no_broker_makes_a_client_hammer_it_or_wait_for_long():
    rest, _, clock = client(throttled(0), throttled(1e9))
    with pytest.raises(errors.TooManyRequests):
        rest.request("GET", "/leases")
    assert clock.slept == [0.2]


def test_another_limit_is_an_error_at_once():
    rest, _, clock = client(problem(429, "quota-exceeded", headers={"Retry-After": "1"}))
    with pytest.raises(errors.QuotaExceeded):
        rest.request("POST", "/tokens", retry_s=30)
    assert clock.slept == []


def test_a_refusal_can_be_final():
    rest, adapter, _ = client(broken(), refused())
    with pytest.raises(errors.ConnectError):
        rest.request("POST", "/leases", retry_s=30, is_refusal_final=True)
    assert len(adapter.requests) == 2


def test_no_answer_in_time_is_a_timeout():
    rest, _, _ = client(requests.exceptions.ReadTimeout("slow"))
    with pytest.raises(errors.Timeout, match="did not answer GET /nodes"):
        rest.request("GET", "/nodes")


def test_a_bad_url_is_a_connect_error():
    rest = RestClient("gopher://pool", "t")
    with pytest.raises(errors.ConnectError, match="cannot be asked"):
        rest.request("GET", "/")


def test_an_answer_without_content_has_no_body():
    rest, _, _ = client((204, b"", {}))
    assert rest.request("DELETE", "/leases/1").body is None


def test_an_answer_says_when_to_ask_again():
    rest, _, _ = client(ok({}, **{"Retry-After": "2"}), ok({}, **{"Retry-After": "Mon, 1 Jan"}))
    assert rest.request("GET", "/").retry_after_s == 2.0
    assert rest.request("GET", "/").retry_after_s is None


def test_all_pages_of_a_list_are_fetched():
    rest, adapter, _ = client(
        ok({"items": [{"id": 1}], "next_cursor": "c"}), ok({"items": [{"id": 2}], "next_cursor": None})
    )
    assert rest.pages("/devices", {"kind": "gpu"}) == [{"id": 1}, {"id": 2}]
    assert adapter.requests[1][0].url == "http://pool/devices?kind=gpu&cursor=c"


def test_a_list_that_is_none_is_refused():
    rest, _, _ = client(ok({"things": []}))
    with pytest.raises(errors.RemoteProtocolError, match="no list"):
        rest.pages("/devices")
