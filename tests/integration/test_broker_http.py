"""HTTP as such: tokens, problems, limits, the OpenAPI document, and a database that is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from accelpool_broker import openapi
from accelpool_broker.testing import BrokerInProcess
from accelpool_wire.errors import Unavailable
from accelpool_wire.logs import TextFormatter

ROOT = Path(__file__).parents[2]
PROBLEM = "application/problem+json"


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def kind_of(answer) -> tuple[int, str]:
    assert answer.mimetype == PROBLEM
    assert set(answer.json) >= {"type", "title", "status", "detail", "instance"}
    assert answer.json["status"] == answer.status_code
    return answer.status_code, answer.json["type"].removeprefix("https://accelpool.dev/problems/")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/docs", "/openapi.json"])
def test_these_need_no_token(broker: BrokerInProcess, path: str) -> None:
    assert broker.client.get(path).status_code == 200


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Bearer wrong", "Basic abc", "Bearer é"])
@pytest.mark.parametrize("path", ["/leases", "/devices", "/nodes", "/nodes/x", "/nowhere", "/kernels"])
def test_all_else_needs_one(broker: BrokerInProcess, path: str, header: str | None) -> None:
    answer = broker.client.get(path, headers={} if header is None else {"Authorization": header})
    assert kind_of(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("node", "GET", "/leases"),
        ("node", "POST", "/leases"),
        ("node", "GET", "/nodes/n1"),
        ("user", "PUT", "/nodes/n1"),
        ("user", "POST", "/nodes/n1/reconcile"),
    ],
)
def test_a_token_of_another_scope_is_refused(
    broker: BrokerInProcess, role: str, method: str, path: str
) -> None:
    assert kind_of(broker.call(method, path, role=role, json={})) == (403, "forbidden")


def test_a_token_is_kept_as_a_hash_only(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path / "state") as broker:
        tokens = broker.services.file_tokens
    content = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("broker.sqlite*"))
    assert len(content) > 0
    assert all(token.encode() not in content for token in tokens.values())


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("GET", "/nowhere", {}, (404, "not-found")),
        ("GET", "/leases/lse_x", {}, (404, "lease-not-found")),
        ("GET", "/leases/lse_x?wait_s=1", {}, (404, "lease-not-found")),
        ("PATCH", "/leases/lse_x", {"json": {"ttl_s": 9}}, (404, "lease-not-found")),
        ("DELETE", "/leases/lse_x", {}, (404, "lease-not-found")),
        ("GET", "/devices/dev_x", {}, (404, "not-found")),
        ("GET", "/nodes/x", {}, (404, "not-found")),
        ("GET", "/kernels/x", {}, (404, "not-found")),
        ("PUT", "/leases", {"json": {}}, (405, "method-not-allowed")),
        ("PUT", "/leases", {"data": "{", "content_type": "application/json"}, (405, "method-not-allowed")),
        ("POST", "/nowhere", {"data": b"x", "content_type": "image/png"}, (404, "not-found")),
        ("POST", "/leases", {"data": "{", "content_type": "application/json"}, (400, "invalid")),
        ("POST", "/leases", {"data": "{}", "content_type": "text/plain"}, (415, "unsupported-media-type")),
        ("POST", "/leases", {"json": []}, (422, "invalid")),
        ("POST", "/leases", {"data": "null", "content_type": "application/json"}, (422, "invalid")),
        ("POST", "/leases", {"data": '{"ttl_s": NaN}', "content_type": "application/json"}, (400, "invalid")),
        (
            "POST",
            "/leases",
            {"data": '{"client": "\\ud800"}', "content_type": "application/json"},
            (400, "invalid"),
        ),
        (
            "POST",
            "/leases",
            {"data": '{"count": ' + "9" * 5000 + "}", "content_type": "application/json"},
            (400, "invalid"),
        ),
        ("POST", "/leases", {"data": b"\xff\xfe\x00", "content_type": "application/json"}, (400, "invalid")),
        (
            "POST",
            "/leases",
            {"data": "[" * 100_000, "content_type": "application/json"},
            (400, "invalid"),
        ),
        ("GET", "/leases/%00", {}, (404, "lease-not-found")),
        ("POST", "/leases?wait_s=26", {"json": {}}, (422, "invalid")),
        ("POST", "/leases?wait_s=nan", {"json": {}}, (422, "invalid")),
        ("GET", "/leases?limit=0", {}, (422, "invalid")),
        ("GET", "/leases?limit=501", {}, (422, "invalid")),
        ("GET", "/leases?cursor=!", {}, (422, "invalid")),
        ("GET", "/leases?cursor=LTE", {}, (422, "invalid")),
        ("GET", "/devices?cursor=_w", {}, (422, "invalid")),
        ("GET", "/leases?state=gone", {}, (422, "invalid")),
        ("GET", "/devices?kind=tpu", {}, (422, "invalid")),
        ("GET", "/devices?free=perhaps", {}, (422, "invalid")),
    ],
)
def test_a_failure_is_a_problem(
    broker: BrokerInProcess, method: str, path: str, options: dict, expected: tuple[int, str]
) -> None:
    assert kind_of(broker.call(method, path, **options)) == expected


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/lease", "there is nothing at /lease; /docs has the addresses that there are"),
        ("GET", "/leases/lse_x/buffers//content", "there is nothing at /leases/lse_x/buffers//content"),
        ("PUT", "/leases", "PUT is not possible at /leases; GET, HEAD, OPTIONS, POST are"),
    ],
)
def test_an_address_that_is_wrong_is_told(broker: BrokerInProcess, method: str, path: str, told: str) -> None:
    assert broker.call(method, path).json["detail"].startswith(told)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("kind", "tpu"),
        ("kind", 5),
        ("count", 0),
        ("count", 257),
        ("count", 1.5),
        ("count", "2"),
        ("memory_bytes", 0),
        ("memory_bytes", 1 << 63),
        ("ttl_s", 4.9),
        ("ttl_s", 86401),
        ("ttl_s", None),
        ("ttl_s", "soon"),
        ("queue_timeout_s", -1),
        ("ends_with_session", "maybe"),
        ("ends_with_session", "yes"),
        ("preemptible", 0),
        ("exclusive", 1),
        ("device", ""),
        ("device", "x" * 321),
        ("client", "x" * 256),
        ("colour", "red"),
    ],
)
def test_a_malformed_lease_request_is_refused_by_name(
    broker: BrokerInProcess, member: str, value: object
) -> None:
    broker.register("n1", "gpu")
    answer = broker.call("POST", "/leases", json={member: value})
    assert kind_of(answer) == (422, "invalid")
    assert member in answer.json["errors"]["json"]
    assert member in answer.json["detail"]


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_a_length(broker: BrokerInProcess, key: str) -> None:
    answer = broker.call("POST", "/leases", json={}, headers={"Idempotency-Key": key})
    assert kind_of(answer) == (422, "invalid")


def test_a_body_over_the_limit_is_refused() -> None:
    with BrokerInProcess(max_json_bytes=100) as broker:
        answer = broker.call("POST", "/leases", json={"client": "x" * 200})
        assert kind_of(answer) == (413, "request-entity-too-large")


def test_a_bug_is_logged_and_told_without_its_traceback(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(type(broker.services.devices), "page", fail)
    monkeypatch.setattr(caplog.handler, "formatter", TextFormatter())
    with caplog.at_level(logging.ERROR):
        answer = broker.call("GET", "/devices")
    assert kind_of(answer) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.json["request_id"] in caplog.text
    assert "ZeroDivisionError: secret" in caplog.text


def test_while_the_database_is_away_the_answer_is_try_again(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def away(_: object) -> Iterator[None]:
        raise Unavailable("the broker's database does not answer: disk I/O error")
        yield

    store = type(broker.services.pool.store)
    monkeypatch.setattr(store, "read", away)
    monkeypatch.setattr(store, "write", away)
    for method, path in (("GET", "/readyz"), ("GET", "/health"), ("GET", "/leases"), ("POST", "/leases")):
        answer = broker.call(method, path, json={} if method == "POST" else None)
        assert kind_of(answer) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"


def test_the_committed_openapi_document_is_the_apps() -> None:
    committed = (ROOT / "openapi.yaml").read_text()
    assert committed == openapi.text(), "run `make openapi`"


@pytest.fixture(scope="module")
def document() -> Any:
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


def operations(document: Any) -> Iterator[Any]:
    for path in document["paths"].values():
        yield from path.values()


def test_the_openapi_document_is_valid(document: Any) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"bearer": []}]
    for path in ("/livez", "/readyz", "/health"):
        assert document["paths"][path]["get"]["security"] == []
    assert "accelpool credentials" in document["info"]["description"]


def test_what_can_be_null_says_so_as_openapi_3_1_does(document: Any) -> None:
    text = (ROOT / "openapi.yaml").read_text()
    assert "nullable" not in text
    assert document["components"]["schemas"]["LeaseIn"]["properties"]["device"]["type"] == ["string", "null"]
    schemas = [one["schema"] for op in operations(document) for one in op.get("parameters", ())]
    assert [schema for schema in schemas if "null" in schema["type"] or None in schema.get("enum", ())] == []


def test_every_failure_is_described_as_a_problem(document: Any) -> None:
    answers = document["components"]["responses"]
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                name = answer["$ref"].rpartition("/")[2]
                assert list(answers[name]["content"]) == [PROBLEM]
        assert {"503", "default"} <= set(operation["responses"])


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/leases", {"400", "401", "403", "409", "413", "415", "422"}),
        ("patch", "/leases/{id}", {"404", "409", "410"}),
        ("post", "/leases/{id}/launches", {"404", "409", "410", "422", "429", "507"}),
        ("put", "/leases/{id}/buffers/{buffer}/content", {"400", "404", "410", "413", "422", "507"}),
    ],
)
def test_calls_declare_how_they_fail(document: Any, method: str, path: str, statuses: set[str]) -> None:
    assert statuses <= set(document["paths"][path][method]["responses"])


def test_a_problem_may_have_members_that_are_not_described(document: Any) -> None:
    problem = document["components"]["schemas"]["Problem"]
    assert problem["additionalProperties"] is True
    assert {"errors", "routine", "code", "build_log"} <= set(problem["properties"]) - set(problem["required"])


def test_what_a_client_asks_for_is_described(document: Any) -> None:
    fields = document["components"]["schemas"]["LeaseIn"]["properties"]
    assert [name for name, field in fields.items() if "description" not in field] == []
    parameters = document["paths"]["/leases"]["post"]["parameters"]
    assert all("description" in parameter for parameter in parameters)


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/leases/lse_x/programs", {}, "json: give either the source or the name of a kernel"),
        ("/leases/lse_x/programs", [], "json: A JSON object was expected."),
        (
            "/leases/lse_x/launches",
            {"program": "p", "kernel": "k", "args": [3]},
            "json.args.0: A JSON object was expected.",
        ),
    ],
)
def test_a_detail_is_for_people(broker: BrokerInProcess, path: str, body: object, detail: str) -> None:
    answer = broker.call("POST", path, json=body)
    assert kind_of(answer) == (422, "invalid")
    assert answer.json["detail"].startswith(detail)


def test_an_unknown_kernel_is_told_of_the_call_that_named_it(broker: BrokerInProcess) -> None:
    answer = broker.call("POST", "/leases/lse_x/programs", json={"kernel": "nope"})
    assert kind_of(answer) == (404, "not-found")
    assert answer.json["instance"] == "/leases/lse_x/programs"


@pytest.mark.parametrize("path", ["/leases//programs", "/leases//lse_x"])
def test_an_empty_part_of_a_path_is_not_found(broker: BrokerInProcess, path: str) -> None:
    answer = broker.call("GET", path, base_url="http://localhost/")
    assert kind_of(answer) == (404, "not-found")


def test_the_kernel_library_is_listed_and_shown(broker: BrokerInProcess) -> None:
    names = [item["name"] for item in broker.json("GET", "/kernels")["items"]]
    assert "saxpy" in names
    shown = broker.json("GET", "/kernels/saxpy")
    assert "kernel void saxpy" in shown["code"].replace("__kernel", "kernel")
    assert shown["arguments"][0]["name"]
    assert shown["apis"] == ["opencl", "cuda"]


def test_a_kernel_is_shown_in_cuda_where_that_is_asked_for(broker: BrokerInProcess) -> None:
    shown = broker.json("GET", "/kernels/saxpy?api=cuda")
    assert 'extern "C" __global__ void saxpy' in shown["code"]
    assert kind_of(broker.call("GET", "/kernels/saxpy?api=vulkan")) == (422, "invalid")
