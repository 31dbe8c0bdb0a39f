"""Requests whose ends can be read in two ways, and heads that no honest client sends: nothing gets through.

A smuggled request hides in another one's body: it must not be carried out, however lengths are told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .raw_http import JSON, LAST, RawHttp
from .sessions import tenant

HEALTH = b"GET /health HTTP/1.1\r\nHost: pool\r\nConnection: close\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture
def http(null_pool: Any) -> RawHttp:
    return RawHttp(null_pool)


@pytest.fixture
def leases(null_pool: Any) -> Iterator[Any]:
    """Tells which clients have asked for leases; they are withdrawn at the end."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {null_pool.token}"

    def items() -> list[dict]:
        return session.get(null_pool.url + "/leases?limit=500", timeout=60).json()["items"]

    with session:
        yield lambda: {lease["client"] for lease in items()}
        for lease in items():
            if lease["client"].startswith("hidden"):
                session.delete(null_pool.url + f"/leases/{lease['id']}", timeout=60)


def lease_request(http: RawHttp, client: str) -> bytes:
    body = json.dumps({"client": client, "queue_timeout_s": 0}).encode()
    return http.request("POST /leases HTTP/1.1", JSON, f"Content-Length: {len(body)}", body=body)


# ---- two lengths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_length_first", [True, False])
def test_of_a_length_and_chunks_the_chunks_count_or_neither(
    http: RawHttp, leases: Any, is_length_first: bool
) -> None:
    hidden = lease_request(http, "hidden-1")
    headers = [f"Content-Length: {len(hidden) + 5}", CHUNKED]
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    content = http.request(
        "PATCH /leases/none HTTP/1.1", JSON, *(headers if is_length_first else headers[::-1]), body=body
    )
    answers = http.talk(content + HEALTH)
    assert answers[0].status in (400, 411)
    assert len(answers) <= 2
    assert "hidden-1" not in leases()


def test_what_follows_the_last_chunk_is_no_part_of_the_length(http: RawHttp, leases: Any) -> None:
    hidden = lease_request(http, "hidden-2")
    content = http.request(
        "POST /leases HTTP/1.1", JSON, f"Content-Length: {5 + len(hidden)}", CHUNKED, body=b"0\r\n\r\n"
    )
    answers = http.talk(content + hidden.replace(b"Bearer", b"Basic") + HEALTH)
    assert answers[0].status in (400, 411)
    assert not [answer for answer in answers if answer.status == 201]
    assert "hidden-2" not in leases()


def test_a_form_needs_its_length_too_though_it_needs_no_token(http: RawHttp, leases: Any) -> None:
    hidden = lease_request(http, "hidden-form")
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    form = "Content-Type: application/x-www-form-urlencoded"
    content = http.request("POST /token-exchange HTTP/1.1", form, CHUNKED, body=body, is_known=False)
    answers = http.talk(content + HEALTH)
    assert answers[0].status == 411
    assert not [answer for answer in answers if answer.status == 201]
    assert "hidden-form" not in leases()


@pytest.mark.parametrize(
    "lengths",
    [
        ("2", "60"),
        ("60", "2"),
        ("2, 60",),
        ("+2",),
        ("-2",),
        ("0x2",),
        ("2 0",),
        ("",),
        ("two",),
        ("18446744073709551616",),
        ("99999999999999999999999999",),
    ],
    ids=str,
)
def test_lengths_that_are_none_or_differ_are_refused(http: RawHttp, lengths: tuple[str, ...]) -> None:
    headers = [f"Content-Length: {length}" for length in lengths]
    content = http.request("POST /leases HTTP/1.1", JSON, *headers, body=b"{}")
    (answer,) = http.talk(content + HEALTH)
    assert answer.status == 400


@pytest.mark.parametrize(
    "coding", ["identity, chunked, identity", "xchunked", "chunked, gzip", "\x0bchunked", '"chunked"', "gzip"]
)
def test_codings_that_do_not_end_in_chunks_are_refused(http: RawHttp, coding: str) -> None:
    hidden = b"0\r\n\r\n"
    content = http.request("POST /leases HTTP/1.1", JSON, f"Transfer-Encoding: {coding}", body=hidden)
    answers = http.talk(content + HEALTH)
    assert [answer.status for answer in answers] in ([400], [501])


@pytest.mark.parametrize(
    "chunk",
    [
        b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2;" + b"x" * 200_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2;\x00\n{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2\r\n{}x\r\n0\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    ],
    ids=["overflow", "negative", "prefixed", "extension", "control", "bare-lf", "too-long", "trailers"],
)
def test_chunks_that_are_none_make_no_lease(http: RawHttp, chunk: bytes) -> None:
    content = http.request("POST /leases HTTP/1.1", JSON, CHUNKED, body=chunk)
    answers = http.talk(content + HEALTH)
    assert not [answer for answer in answers if answer.status < 400]


def test_json_in_chunks_is_asked_for_its_length(http: RawHttp) -> None:
    content = http.request("POST /leases HTTP/1.1", JSON, CHUNKED, body=b"2\r\n{}\r\n0\r\n\r\n")
    assert [answer.status for answer in http.talk(content + HEALTH)][:1] == [411]


def test_a_short_chunk_extension_is_ignored(null_pool: Any, http: RawHttp) -> None:
    with tenant(null_pool, "chunks") as one:
        buffer = one.call("POST", "/buffers", json={"size_bytes": 16}).json()["id"]
        line = f"PUT /leases/{one.lease['id']}/buffers/{buffer}/content HTTP/1.1"
        answer = http.say(line, CHUNKED, body=b'2;name="a value"\r\n[]\r\n0\r\n\r\n')
    assert json.loads(answer.body)["written_bytes"] == 2


def test_a_body_that_ends_early_makes_no_lease(http: RawHttp, leases: Any) -> None:
    body = b'{"client": "hidden-3"}'
    with http.connect() as stream:
        stream.sendall(http.request("POST /leases HTTP/1.1", JSON, "Content-Length: 99", body=body))
        stream.shutdown(1)
        content = stream.recv(65536)
    assert content.startswith(b"HTTP/1.1 400 ")
    assert "hidden-3" not in leases()


def test_a_get_with_a_body_does_not_make_it_the_next_request(http: RawHttp, leases: Any) -> None:
    hidden = lease_request(http, "hidden-4")
    content = http.request("GET /health HTTP/1.1", f"Content-Length: {len(hidden)}", body=hidden)
    answers = http.talk(content + HEALTH)
    assert 201 not in [answer.status for answer in answers]
    assert "hidden-4" not in leases()


# ---- heads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "Bad Name: x",
        "Bad : x",
        ": x",
        "X: a\x00b",
        " folded: x",
        "X: a\r\n folded",
        "X: a\rInjected: b",
    ],
    ids=repr,
)
def test_heads_that_are_none_are_refused(http: RawHttp, header: str) -> None:
    answers = http.talk(http.request("GET /leases HTTP/1.1", header) + HEALTH)
    assert [answer.status for answer in answers] == [400]


@pytest.mark.parametrize("size", [1 << 20, 64 << 20])
def test_a_head_without_end_is_cut_off(http: RawHttp, size: int) -> None:
    content = http.request("GET /health HTTP/1.1", "X: " + "x" * size)
    assert [answer.status for answer in http.talk(content)] in ([431], [400], [])


def test_a_head_of_too_many_lines_is_cut_off(http: RawHttp) -> None:
    content = http.request("GET /health HTTP/1.1", *[f"X-{n}: x" for n in range(20_000)])
    assert [answer.status for answer in http.talk(content)] in ([431], [400], [])


@pytest.mark.parametrize("order", [1, -1])
def test_two_tokens_are_no_token(http: RawHttp, order: int) -> None:
    headers = [http.authorization, "Authorization: Bearer wrong"][::order]
    assert http.say("GET /leases HTTP/1.1", *headers, is_known=False).status == 401


@pytest.mark.parametrize(
    "name", ["authorization_", "Authorization ", "X-Authorization", "HTTP_AUTHORIZATION"]
)
def test_a_token_under_another_name_is_none(http: RawHttp, name: str) -> None:
    header = http.authorization.replace("Authorization", name)
    assert http.say("GET /leases HTTP/1.1", header, is_known=False).status in (400, 401)


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-User: admin",
        "X-Original-URL: /health",
        "X-Rewrite-URL: /health",
        "Remote-User: admin",
        "X-HTTP-Method-Override: GET",
        "Script-Name: /health",
        "Path-Info: /health",
        "X-Forwarded-Prefix: /health",
    ],
)
def test_headers_that_proxies_believe_open_nothing(http: RawHttp, header: str) -> None:
    assert http.say("GET /leases HTTP/1.1", header, is_known=False).status == 401


@pytest.mark.parametrize(
    "target",
    [
        "http://pool/leases",
        "http://other.example/leases",
        "http://pool/health/../leases",
        "/health/../leases",
        "/health/%2e%2e/leases",
        "/./leases",
        "//leases",
        "/health;/../leases",
        "/health%00/leases",
        "/%6ceases",
        "/health?/leases",
        "/HEALTH/../leases",
        "/docs/../leases",
        "/openapi.json/../leases",
        "\\leases",
        "/leases/",
        "/leases#/health",
    ],
)
def test_however_a_path_is_written_it_needs_its_token(http: RawHttp, target: str) -> None:
    answers = http.talk(http.request(f"GET {target} HTTP/1.1", LAST, is_known=False))
    for answer in answers:
        assert answer.status in (400, 401, 404) or answer.body.startswith(b'{"status":"ok"'), answer
        assert b"items" not in answer.body


@pytest.mark.parametrize(
    "line",
    [
        "OPTIONS * HTTP/1.1",
        "CONNECT other.example:80 HTTP/1.1",
        "TRACE /leases HTTP/1.1",
        "GET /leases HTTP/0.9",
        "GET /leases",
        "GET  /leases HTTP/1.1",
        "GET /leases HTTP/3.0",
        "get /leases HTTP/1.1",
        "GET /lea ses HTTP/1.1",
        "PRI * HTTP/2.0",
        "\x16\x03\x01\x02\x00\x01\x00",
        "G\x00T /leases HTTP/1.1",
        "A" * 5000 + " /leases HTTP/1.1",
    ],
)
def test_other_first_lines_are_refused(http: RawHttp, line: str) -> None:
    with http.connect() as stream:
        stream.sendall(http.request(line, LAST, is_known=False))
        stream.shutdown(1)
        content = b""
        while part := stream.recv(65536):
            content += part
    assert b"items" not in content
    assert b" 200 " not in content.partition(b"\r\n")[0]
