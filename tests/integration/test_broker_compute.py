"""Compute over REST: a whole pool of processes, its null devices, and OpenCL where there is any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import requests

from .rest_client import Client, leased

MIB = 1 << 20
TWICE = "__kernel void twice(__global float *a, float by) { a[get_global_id(0)] *= by; }"
SLOW = """
__kernel void slow(__global float *out, int rounds) {
    float x = get_global_id(0);
    for (int i = 0; i < rounds; ++i) x = x * 1.0000001f + 1.0f;
    out[get_global_id(0)] = x;
}
"""


@pytest.fixture
def null(null_pool: Any) -> Iterator[Client]:
    yield from leased(null_pool)


@pytest.fixture
def opencl(opencl_pool: Any) -> Iterator[Client]:
    yield from leased(opencl_pool)


def problem(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_a_buffer_keeps_what_is_written_at_any_offset(null: Client) -> None:
    buffer = null.make("/buffers", {"size_bytes": 16})["id"]
    null.at("PUT", f"/buffers/{buffer}/content", data=bytes(range(16)))
    written = null.at("PUT", f"/buffers/{buffer}/content?offset=4", data=b"abcd").json()
    assert written == {"id": buffer, "size_bytes": 16, "written_bytes": 4}
    assert null.content(buffer) == bytes(range(4)) + b"abcd" + bytes(range(8, 16))
    assert null.content(buffer, "?offset=3&size=3") == b"\x03ab"
    assert null.content(buffer, "?offset=16") == b""


def test_large_contents_are_streamed_both_ways_with_and_without_a_length(null: Client) -> None:
    content = np.random.default_rng(1).bytes(9 * MIB + 5)
    buffer = null.buffer(content)
    assert null.content(buffer) == content
    pieces = (content[place : place + MIB] for place in range(0, len(content), MIB))
    again = null.make("/buffers", {"size_bytes": len(content)})["id"]
    assert null.at("PUT", f"/buffers/{again}/content", data=pieces).json()["written_bytes"] == len(content)
    assert null.content(again) == content


def test_things_are_listed_shown_and_deleted(null: Client) -> None:
    buffer = null.make("/buffers", {"size_bytes": 8})["id"]
    program = null.make("/programs", {"source": TWICE})
    assert null.at("GET", "/buffers").json()["items"] == [{"id": buffer, "size_bytes": 8}]
    assert null.at("GET", f"/buffers/{buffer}").json() == {"id": buffer, "size_bytes": 8}
    assert null.at("GET", "/programs").json()["items"] == [program]
    assert null.at("GET", f"/programs/{program['id']}").json() == program
    for path in (f"/buffers/{buffer}", f"/programs/{program['id']}"):
        assert null.at("DELETE", path).status_code == 204
        assert problem(null.at("DELETE", path)) == (404, "not-found")
    assert null.at("GET", "/buffers").json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("POST", "/buffers", {"json": {"size_bytes": 0}}, (422, "invalid")),
        ("POST", "/buffers", {"json": {"size_bytes": -1}}, (422, "invalid")),
        ("POST", "/buffers", {"json": {"size_bytes": 1 << 63}}, (422, "invalid")),
        ("POST", "/buffers", {"json": {"size_bytes": 1 << 50}}, (507, "compute-failed")),
        ("GET", "/buffers/buf_x/content", {}, (404, "not-found")),
        ("PUT", "/buffers/buf_x/content", {"data": b"x"}, (404, "not-found")),
        ("POST", "/programs", {"json": {}}, (422, "invalid")),
        ("POST", "/programs", {"json": {"source": "x", "kernel": "saxpy"}}, (422, "invalid")),
        ("POST", "/programs", {"json": {"kernel": "nothing"}}, (404, "not-found")),
        ("POST", "/programs", {"json": {"source": "no kernel here"}}, (422, "compute-failed")),
        (
            "POST",
            "/programs",
            {"data": b"", "headers": {"Content-Type": "application/octet-stream"}},
            (422, "invalid"),
        ),
        ("GET", "/launches/lch_x", {}, (404, "not-found")),
        ("POST", "/launches", {"json": {"program": "prg_x", "kernel": "k"}}, (404, "not-found")),
    ],
)
def test_bad_input_is_a_problem_and_the_session_goes_on(
    null: Client, method: str, path: str, options: dict, expected: tuple[int, str]
) -> None:
    buffer = null.buffer(b"kept")
    assert problem(null.at(method, path, **options)) == expected
    assert null.content(buffer) == b"kept"


@pytest.mark.parametrize("query", ["?offset=5", "?offset=2&size=3", "?size=5", f"?offset={2**63 - 1}"])
def test_reading_past_a_buffer_is_refused_with_the_sizes(null: Client, query: str) -> None:
    answer = null.at("GET", f"/buffers/{null.buffer(b'1234')}/content{query}")
    assert problem(answer) == (422, "invalid")
    assert answer.json()["size_bytes"] == 4


@pytest.mark.parametrize("is_chunked", [True, False])
def test_writing_past_a_buffer_is_refused_with_the_sizes(null: Client, is_chunked: bool) -> None:
    buffer = null.buffer(b"1234")
    data = iter([b"ab", b"cd"]) if is_chunked else b"abcd"
    answer = null.at("PUT", f"/buffers/{buffer}/content?offset=1", data=data)
    assert problem(answer) == (422, "invalid")
    assert answer.json()["size_bytes"] == 4
    assert null.content(buffer)[:1] == b"1"


def test_a_program_tells_its_kernels_and_a_launch_its_times(opencl: Client) -> None:
    program = opencl.make("/programs", {"source": TWICE})
    assert program["kernels"] == [
        {
            "name": "twice",
            "arg_count": 2,
            "args": [
                {"position": 0, "name": "a", "type": "float*", "address": "global"},
                {"position": 1, "name": "by", "type": "float", "address": "private"},
            ],
        }
    ]
    numbers = np.arange(64, dtype=np.float32)
    buffer = opencl.buffer(numbers.tobytes())
    launch = opencl.make(
        "/launches",
        {
            "program": program["id"],
            "kernel": "twice",
            "global_size": [32],
            "offset": [32],
            "args": [{"buffer": buffer}, {"type": "float", "value": 2}],
        },
    )
    assert (launch["status"], launch["error"]) == ("complete", None)
    times = [launch["profile"][name] for name in ("queued_ns", "submit_ns", "start_ns", "end_ns")]
    assert times == sorted(times)
    numbers[32:] *= 2
    np.testing.assert_array_equal(np.frombuffer(opencl.content(buffer), np.float32), numbers)
    assert opencl.at("GET", f"/launches/{launch['id']}").json() == launch


def test_a_kernel_of_the_library_knows_its_sizes_and_local_memory(opencl: Client) -> None:
    numbers = np.arange(1000, dtype=np.float32)
    x, y = opencl.buffer(numbers.tobytes()), opencl.buffer(numbers.tobytes())
    program = opencl.make("/programs", {"kernel": "saxpy"})["id"]
    args = [{"value": 1000}, {"value": 2.0}, {"buffer": x}, {"buffer": y}]
    opencl.make("/launches", {"program": program, "kernel": "saxpy", "args": args})
    np.testing.assert_allclose(np.frombuffer(opencl.content(y), np.float32), 3 * numbers, rtol=1e-6)


def test_a_program_can_be_saved_and_loaded(opencl: Client) -> None:
    program = opencl.make("/programs", {"source": TWICE})["id"]
    binary = opencl.at("GET", f"/programs/{program}/binary")
    assert binary.headers["Content-Type"] == "application/octet-stream"
    loaded = opencl.at(
        "POST", "/programs", data=binary.content, headers={"Content-Type": "application/octet-stream"}
    )
    assert loaded.status_code == 201, loaded.text
    assert [kernel["name"] for kernel in loaded.json()["kernels"]] == ["twice"]


def test_source_that_does_not_compile_gives_its_build_log(opencl: Client) -> None:
    answer = opencl.at("POST", "/programs", json={"source": "__kernel void k(__global float *a) { a = b; }"})
    assert problem(answer) == (422, "compute-failed")
    assert (answer.json()["routine"], answer.json()["code"]) == ("clBuildProgram", -11)
    assert "undeclared identifier" in answer.json()["build_log"]


@pytest.mark.parametrize(
    ("change", "expected", "told"),
    [
        ({"kernel": "thrice"}, (422, "invalid"), "has no kernel thrice; it has: twice"),
        ({"args": []}, (422, "invalid"), "takes 2 arguments, not 0: float* a, float by"),
        ({"args": [None, {"buffer": "b"}]}, (422, "invalid"), "argument 1 (float by)"),
        ({"args": [None, {"type": "int", "value": 1}]}, (422, "invalid"), "must be of type float, not int"),
        ({"args": [{"buffer": "b"}, {"value": 1}]}, (422, "invalid"), "there is no buffer b"),
        ({"args": [{"buffer": "b", "value": 1}, None]}, (422, "invalid"), "give one of"),
        ({"global_size": None}, (422, "invalid"), "needs its global_size"),
        ({"global_size": [0]}, (422, "invalid"), "global_size"),
        ({"global_size": [1, 1, 1, 1]}, (422, "invalid"), "global_size"),
        ({"local_size": [1 << 20]}, (422, "compute-failed"), "INVALID_WORK_GROUP_SIZE"),
        ({"local_size": [1 << 20]}, (422, "compute-failed"), "global_size [64], local_size [1048576]"),
        ({"local_size": [1, 1]}, (422, "compute-failed"), "INVALID_WORK_DIMENSION"),
    ],
)
def test_a_wrong_launch_says_what_was_expected_and_the_session_goes_on(
    opencl: Client, change: dict, expected: tuple[int, str], told: str
) -> None:
    program = opencl.make("/programs", {"source": TWICE})["id"]
    buffer = opencl.buffer(bytes(256))
    good = {
        "program": program,
        "kernel": "twice",
        "global_size": [64],
        "args": [{"buffer": buffer}, {"value": 1.0}],
    }
    answer = opencl.at("POST", "/launches", json=good | change)
    assert problem(answer) == expected
    assert told in answer.json()["detail"]
    assert opencl.make("/launches", good)["status"] == "complete"


def test_a_launch_can_be_left_running_and_waited_for(opencl: Client) -> None:
    program = opencl.make("/programs", {"source": SLOW})["id"]
    buffer = opencl.make("/buffers", {"size_bytes": 4096})["id"]
    args = [{"buffer": buffer}, {"value": 20_000_000}]
    body = {"program": program, "kernel": "slow", "global_size": [4], "args": args, "wait": False}
    launch = opencl.make("/launches", body)
    assert launch["status"] in ("queued", "submitted", "running")
    assert opencl.at("GET", "/buffers").status_code == 200
    done = opencl.at("GET", f"/launches/{launch['id']}?wait_s=25").json()
    assert done["status"] == "complete"
    assert done["profile"]["end_ns"] > done["profile"]["start_ns"]


def test_compute_needs_an_active_lease(null: Client) -> None:
    null.make("/buffers", {"size_bytes": 8})
    null.at("DELETE", "")
    for path in ("/buffers", "/programs", "/launches/lch_x"):
        assert problem(null.at("GET", path)) == (410, "lease-revoked")
    assert problem(null.call("GET", "/leases/lse_x/buffers")) == (404, "lease-not-found")


def test_a_lost_session_is_told_and_the_lease_opens_another(
    null: Client, null_pool: Any, wait_until: Callable[..., None]
) -> None:
    buffer = null.buffer(b"gone")
    null_pool.kill_workers()
    assert problem(null.at("GET", f"/buffers/{buffer}/content")) == (410, "session-lost")
    wait_until(lambda: null.at("GET", f"/buffers/{buffer}").status_code != 503)  # workers are being started
    assert problem(null.at("GET", f"/buffers/{buffer}/content")) == (404, "not-found")
    assert null.content(null.buffer(b"new")) == b"new"
