"""What one tenant made cannot be named by another one, whatever it guesses: on the wire and over REST."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from accelpool_wire import messages as m
from accelpool_wire.errors import Error, NotFound
from accelpool_wire.frames import PREFIX, PREFIX_BYTES
from accelpool_wire.handshake import why_ended
from accelpool_wire.testing import frame

from ..sockets import end_writing
from .sessions import Tenant, tenant

SECRET = b"the victim's own" * 64
SOURCE = "kernel void k(global int *a) {}"
decoder = m.decoder(m.WorkerMessage).decode


@pytest.fixture(scope="module")
def victim(null_pool: Any) -> Iterator[Tenant]:
    with tenant(null_pool, "victim") as found:
        yield found


@pytest.fixture(scope="module")
def thief(null_pool: Any) -> Iterator[Tenant]:
    with tenant(null_pool, "thief") as found:
        client = found.client
        for _ in range(40):  # its own handles are others than the victim's
            client.connection.new_handle()
        client.queue(client.context())
        yield found


@pytest.fixture(scope="module")
def made(victim: Tenant) -> dict[str, int]:
    """The victim's objects, by kind."""
    client = victim.client
    context = client.context()
    queue = client.queue(context)
    buffer = client.buffer(context, content=SECRET)
    program = client.program(context, SOURCE)
    client.build(program)
    kernel = client.kernel(program, "k")
    user_event = client.new()
    client.post(m.CreateUserEvent(user_event, context))
    client.sync()
    return {
        "context": context, "queue": queue, "buffer": buffer, "program": program, "kernel": kernel,
        "event": user_event,
    }  # fmt: skip


def attempts(made: dict[str, int], context: int, queue: int) -> list[m.Message]:
    """Everything that can be done with the handles of another session's objects."""
    buffer, program, kernel, event = made["buffer"], made["program"], made["kernel"], made["event"]
    return [
        m.EnqueueWriteBuffer(made["queue"], buffer, 0),
        m.EnqueueCopyBuffer(queue, buffer, buffer, 0, 512, 16),
        m.EnqueueFillBuffer(queue, buffer, b"x", 0, 16),
        m.EnqueueCopyBufferRect(queue, buffer, buffer, [0, 0, 0], [0, 4, 0], [4, 1, 1], [4, 0], [4, 0]),
        m.EnqueueMigrateMemObjects(queue, [buffer]),
        m.CreateSubBuffer(90, buffer, 1, 0, 16),
        m.CreateImage(91, context, 1, 0x10F6, m.ImageFormat(0x10B5, 0x10D2), [4, 1, 1], buffer),
        m.CreateCommandQueue(92, made["context"], 0),
        m.CreateBuffer(93, made["context"], 1, 16),
        m.CreateKernel(94, program, "k"),
        m.SetKernelArgs(kernel, 0, [None]),
        m.EnqueueNDRangeKernel(queue, kernel, [1]),
        m.EnqueueMarker(queue, 0, [event]),
        m.SetUserEventStatus(event, 0),
        m.Flush(made["queue"]),
        m.SendBuffer(queue, buffer, 0, 16, "127.0.0.1", 1, "S", b"t" * 16),
        m.ReceiveBuffer(queue, buffer, 0, 16, b"t" * 16),
    ]


def questions(made: dict[str, int], queue: int) -> list[m.Message]:
    """Everything that can be asked of them."""
    buffer, program = made["buffer"], made["program"]
    return [
        m.EnqueueReadBufferRect(queue, buffer, [0, 0, 0], [4, 1, 1]),
        m.EnqueueReadImage(queue, buffer, [0, 0, 0], [1, 1, 1]),
        m.Finish(made["queue"]),
        m.BuildProgram(program, [0]),
        m.CompileProgram(program, [0]),
        m.GetProgramBinaries(program),
        m.GetInfo(m.PROGRAM, program, 0x1160),
        m.GetInfo(m.WORK_GROUP, made["kernel"], 0x11B0),
        m.LinkProgram(95, made["context"], [program], [0]),
        m.CreateSVM(96, made["context"], 1, 64, 64),
    ]


def test_no_message_reaches_another_sessions_objects(
    victim: Tenant, thief: Tenant, made: dict[str, int]
) -> None:
    context, queue = thief.client.made[:2]
    assert not set(made.values()) & set(thief.client.made)
    for message in attempts(made, context, queue):
        thief.client.post(message)
        assert thief.client.failures(), message
    for question in questions(made, queue):
        with pytest.raises(Error):
            thief.client.connection.call(question, 10)
    for handle in made.values():
        with pytest.raises(Error):
            thief.client.read(queue, handle, 16)
    assert thief.client.state(made["event"]).status < 0  # that of its own failed attempt
    thief.client.release(*made.values())
    thief.client.sync()
    assert victim.client.read(made["queue"], made["buffer"], len(SECRET)) == SECRET
    assert victim.client.state(made["event"]).status > 0


def test_no_handle_at_all_opens_anything(thief: Tenant) -> None:
    _, queue = thief.client.made[:2]
    for handle in [*range(-2, 40), 1 << 31, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]:
        with pytest.raises(Error):
            thief.client.read(queue, handle, 1)


def test_what_became_of_a_session_is_told_to_its_own_lease_only(victim: Tenant, thief: Tenant) -> None:
    endpoint, session = thief.endpoint, victim.client.connection.session
    address = endpoint["host"], endpoint["port"]
    asked = why_ended(address, endpoint["token"], session, NotFound("the test asks"))
    unheard = why_ended(address, endpoint["token"], "S-unheard-of", NotFound("the test asks"))
    assert asked.detail.replace(session, "S-unheard-of") == unheard.detail


@pytest.mark.parametrize("ticket", [b"0" * 16, b"\xff" * 64])
def test_a_delivery_with_a_guessed_ticket_is_turned_away(victim: Tenant, ticket: bytes) -> None:
    deliver = m.Deliver(victim.client.connection.session, ticket)
    with socket.create_connection((victim.endpoint["host"], victim.endpoint["port"]), 10) as stream:
        body = frame(deliver)[PREFIX_BYTES:]
        stream.sendall(PREFIX.pack(len(body), 16) + body)
        end_writing(stream)
        stream.settimeout(3)
        try:
            said = stream.recv(65536)
        except TimeoutError:
            said = b""  # it may wait for a ReceiveBuffer, which does not come
    assert not said or isinstance(decoder(said[PREFIX_BYTES:]), m.Refused)
    victim.client.sync()


# ---- over REST -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rest_made(victim: Tenant) -> dict[str, str]:
    """The paths of what the victim made over REST, below its lease."""
    buffer = victim.call("POST", "/buffers", json={"size_bytes": len(SECRET)}).json()["id"]
    assert victim.call("PUT", f"/buffers/{buffer}/content", data=SECRET).ok
    program = victim.call("POST", "/programs", json={"source": SOURCE}).json()["id"]
    body = {"program": program, "kernel": "k", "global_size": [1], "args": [{"buffer": buffer}]}
    launch = victim.call("POST", "/launches", json=body).json()["id"]
    return {"buffer": buffer, "program": program, "launch": launch}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/buffers/{buffer}"),
        ("GET", "/buffers/{buffer}/content"),
        ("PUT", "/buffers/{buffer}/content"),
        ("DELETE", "/buffers/{buffer}"),
        ("GET", "/programs/{program}"),
        ("GET", "/programs/{program}/binary"),
        ("DELETE", "/programs/{program}"),
        ("GET", "/launches/{launch}"),
    ],
)
def test_no_path_of_ones_own_lease_leads_to_anothers_objects(
    victim: Tenant, thief: Tenant, rest_made: dict[str, str], method: str, path: str
) -> None:
    options = {"data": b"x" * 16} if method == "PUT" else {}
    answer = thief.call(method, path.format(**rest_made), **options)
    assert answer.status_code == 404
    assert SECRET[:16] not in answer.content
    assert victim.call("GET", path.format(**rest_made) if method == "GET" else "/buffers").ok


def test_a_launch_names_ones_own_objects_only(thief: Tenant, rest_made: dict[str, str]) -> None:
    own = thief.call("POST", "/programs", json={"source": SOURCE}).json()["id"]
    for program, buffer in ((rest_made["program"], rest_made["buffer"]), (own, rest_made["buffer"])):
        body = {"program": program, "kernel": "k", "global_size": [1], "args": [{"buffer": buffer}]}
        answer = thief.call("POST", "/launches", json=body)
        assert answer.status_code in (404, 422), answer.text


def test_ids_are_not_counted(thief: Tenant) -> None:
    ids = {thief.call("POST", "/buffers", json={"size_bytes": 16}).json()["id"] for _ in range(8)}
    assert len(ids) == 8
    assert all(len(id) >= 12 for id in ids)
    assert len({id[4:8] for id in ids}) == 8
