"""Compute over REST in the test's own process: a broker in memory and one null worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from accelpool_broker.services import compute_session
from accelpool_broker.testing import BrokerInProcess
from accelpool_node.control import Cause
from accelpool_wire import errors

from .worker_rig import NULL_TARGET, Worker

SHARE_BYTES = 1 << 20
KERNEL = "__kernel void k(__global float *a, int n) { }"


@dataclass
class Rig:
    """A broker with one active lease whose node is a worker."""

    broker: BrokerInProcess
    worker: Worker
    lease: str

    def call(self, method: str, path: str, **options: Any) -> Any:
        return self.broker.call(method, f"/leases/{self.lease}{path}", **options)

    def make(self, path: str, **body: Any) -> str:
        answer = self.call("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json["id"]


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(NULL_TARGET) as running:
        yield running


@pytest.fixture
def rig(worker: Worker) -> Iterator[Rig]:
    with BrokerInProcess() as broker:
        broker.register("n1", "custom:null-0")
        broker.services.compute.open_connection = lambda *_, **__: worker.connect(SHARE_BYTES)
        yield Rig(broker, worker, broker.lease(ttl_s=3600)["id"])


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].rpartition("/")[2]


def test_contents_go_in_and_out_in_pieces(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_session, "CHUNK_BYTES", 1000)
    content = bytes(range(256)) * 20
    buffer = rig.make("/buffers", size_bytes=len(content))
    written = rig.call("PUT", f"/buffers/{buffer}/content", data=content)
    assert written.json["written_bytes"] == len(content)
    assert rig.call("GET", f"/buffers/{buffer}/content").data == content
    assert rig.call("GET", f"/buffers/{buffer}/content?offset=999&size=1002").data == content[999:2001]
    assert rig.call("GET", f"/buffers/{buffer}/content?size=0").data == b""
    assert rig.call("GET", f"/buffers/{buffer}").json == {"id": buffer, "size_bytes": len(content)}


def test_writes_and_reads_past_the_end_are_refused(rig: Rig) -> None:
    buffer = rig.make("/buffers", size_bytes=4)
    for method, query, data in (("PUT", "?offset=5", b""), ("PUT", "", b"12345"), ("GET", "?size=5", None)):
        answer = rig.call(method, f"/buffers/{buffer}/content{query}", data=data)
        assert problem(answer) == (422, "invalid")
        assert answer.json["size_bytes"] == 4


def test_the_memory_of_a_deleted_buffer_can_be_used_at_once(rig: Rig) -> None:
    for _ in range(5):
        buffer = rig.make("/buffers", size_bytes=SHARE_BYTES)
        answer = rig.call("POST", "/buffers", json={"size_bytes": 1})
        assert problem(answer) == (507, "compute-failed")
        assert answer.json["name"] == "MEM_OBJECT_ALLOCATION_FAILURE"
        assert rig.call("DELETE", f"/buffers/{buffer}").status_code == 204


def test_a_program_is_built_listed_launched_and_deleted(rig: Rig) -> None:
    program, buffer = rig.make("/programs", source=KERNEL), rig.make("/buffers", size_bytes=64)
    assert [item["id"] for item in rig.call("GET", "/programs").json["items"]] == [program]
    args = [{"buffer": buffer}, {"type": "int", "value": 3}]
    body = {"program": program, "kernel": "k", "global_size": [4], "args": args}
    launch = rig.make("/launches", **body)
    assert rig.call("GET", f"/launches/{launch}").json["status"] == "complete"
    left = rig.make("/launches", **body, wait=False, local_size=[2], offset=[1])
    assert rig.call("GET", f"/launches/{left}?wait_s=25").json["profile"] is not None
    assert rig.call("DELETE", f"/programs/{program}").status_code == 204
    assert problem(rig.call("POST", "/launches", json=body)) == (404, "not-found")


def test_a_build_that_fails_gives_its_log_without_the_wires_words(rig: Rig) -> None:
    answer = rig.call("POST", "/programs", json={"source": "nothing"})
    assert problem(answer) == (422, "compute-failed")
    assert answer.json["build_log"] == "no kernel in the source"
    assert rig.make("/programs", kernel="saxpy")


def test_a_launch_that_opencl_refuses_is_told_to_its_own_caller(rig: Rig) -> None:
    program, buffer = rig.make("/programs", source=KERNEL), rig.make("/buffers", size_bytes=64)
    args = [{"buffer": buffer}, {"type": "int", "value": 3}]
    body = {"program": program, "kernel": "k", "global_size": [4], "args": args}
    answer = rig.call("POST", "/launches", json={**body, "local_size": [3000]})
    assert problem(answer) == (422, "compute-failed")
    assert answer.json["routine"] == "clEnqueueNDRangeKernel"
    assert rig.make("/launches", **body)


def test_the_oldest_launches_are_forgotten_and_the_rest_has_a_limit(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_session, "MAX_OBJECTS", 2)
    program = rig.make("/programs", source=KERNEL)
    body = {"program": program, "kernel": "k", "global_size": [1]}
    launches = [rig.make("/launches", **body, args=[None, {"type": "int", "value": 1}]) for _ in range(4)]
    found = [rig.call("GET", f"/launches/{launch}").status_code for launch in launches]
    assert found == [404, 404, 200, 200]
    for _ in range(2):
        rig.make("/buffers", size_bytes=1)
    assert problem(rig.call("POST", "/buffers", json={"size_bytes": 1})) == (429, "quota-exceeded")


def test_without_a_place_to_wait_the_launch_is_left_running(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = rig.make("/programs", source=KERNEL)
    args = [None, {"type": "int", "value": 1}]
    monkeypatch.setattr(rig.broker.services.compute._waits, "acquire", lambda blocking: False)
    body = {"program": program, "kernel": "k", "global_size": [1], "args": args}
    assert rig.call("POST", "/launches", json=body).headers["Retry-After"] == "1"


def test_the_session_ends_with_its_lease(rig: Rig) -> None:
    rig.make("/buffers", size_bytes=8)
    rig.call("DELETE", "")
    assert rig.worker.ended().cause is Cause.GOODBYE
    assert problem(rig.call("GET", "/buffers")) == (410, "lease-revoked")


def test_the_sessions_end_with_the_broker(worker: Worker) -> None:
    with BrokerInProcess() as broker:
        broker.register("n1", "custom:null-0")
        broker.services.compute.open_connection = lambda *_, **__: worker.connect()
        broker.json("POST", f"/leases/{broker.lease()['id']}/buffers", {"size_bytes": 8})
    assert worker.ended().cause is Cause.GOODBYE


def test_a_lost_session_is_told_once_and_then_another_is_opened(rig: Rig) -> None:
    buffer = rig.make("/buffers", size_bytes=8)
    rig.worker.process.kill()
    assert problem(rig.call("GET", f"/buffers/{buffer}/content")) == (410, "session-lost")
    with Worker(NULL_TARGET) as other:
        rig.broker.services.compute.open_connection = lambda *_, **__: other.connect()
        assert problem(rig.call("GET", f"/buffers/{buffer}")) == (404, "not-found")
        assert rig.call("GET", "/buffers").json["items"] == []


def refuse(error: Exception) -> Callable[..., Any]:
    def open_connection(*_: object, **__: object) -> None:
        raise error

    return open_connection


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ConnectError("nobody there"), (503, "unavailable")),
        (errors.Timeout("too slow"), (503, "unavailable")),
        (errors.Unauthorized("who are you"), (503, "unavailable")),
        (errors.StaleEpoch("an earlier grant"), (410, "stale-epoch")),
        (errors.RemoteProtocolError("babble"), (410, "session-lost")),
        (errors.FrameTooLarge("too long"), (422, "invalid")),
    ],
)
def test_a_node_that_opens_no_session_is_a_problem(
    rig: Rig, error: Exception, expected: tuple[int, str]
) -> None:
    rig.broker.services.compute.open_connection = refuse(error)
    assert problem(rig.call("GET", "/buffers")) == expected


def test_a_queued_lease_has_no_session(rig: Rig) -> None:
    queued = rig.broker.lease()["id"]
    assert problem(rig.broker.call("GET", f"/leases/{queued}/buffers")) == (409, "conflict")


def test_there_are_only_so_many_sessions() -> None:
    with BrokerInProcess(max_sessions=0) as broker:
        broker.register("n1", "custom:null-0")
        answer = broker.call("GET", f"/leases/{broker.lease()['id']}/buffers")
        assert problem(answer) == (429, "quota-exceeded")


def test_a_binary_is_saved_and_loaded(rig: Rig) -> None:
    program = rig.make("/programs", source=KERNEL)
    shown = rig.call("GET", f"/programs/{program}").json
    binary = rig.call("GET", f"/programs/{program}/binary").data
    loaded = rig.call("POST", "/programs", data=binary, content_type="application/octet-stream")
    assert (loaded.status_code, loaded.json["kernels"]) == (201, shown["kernels"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"data": b"", "content_type": "application/octet-stream"}, (422, "invalid")),
        ({"json": {}}, (422, "invalid")),
        ({"json": {"source": KERNEL, "kernel": "saxpy"}}, (422, "invalid")),
        ({"json": {"source": 5}}, (422, "invalid")),
        ({"json": {"kernel": "nothing"}}, (404, "not-found")),
        ({}, (422, "invalid")),
    ],
)
def test_a_program_that_is_none_is_refused(rig: Rig, options: dict, expected: tuple[int, str]) -> None:
    assert problem(rig.call("POST", "/programs", **options)) == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kernel": "other"}, "has no kernel other; it has: k"),
        ({"global_size": None}, "needs its global_size"),
        ({"args": []}, "takes 2 arguments, not 0"),
        ({"args": [{"buffer": "b", "value": 1}, None]}, "give one of"),
    ],
)
def test_a_launch_that_cannot_be_is_refused(rig: Rig, change: dict, told: str) -> None:
    body = {"program": rig.make("/programs", source=KERNEL), "kernel": "k", "global_size": [1], "args": []}
    answer = rig.call("POST", "/launches", json=body | change)
    assert problem(answer) == (422, "invalid")
    assert told in answer.json["detail"]
