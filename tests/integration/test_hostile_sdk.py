"""Programs that use the SDK in ways that it has to survive."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import accelpool as cl
from accelpool import errors
from accelpool.records import EndpointRecord, LeaseRecord
from accelpool.rest import RestClient
from accelpool_wire import messages as m

from .raw_client import frame


@pytest.fixture
def broker(null_pool: Any) -> Iterator[cl.Broker]:
    with cl.connect(null_pool.url, null_pool.token) as broker:
        yield broker


def in_a_fork(work: Callable[[], object]) -> int:
    """Run something in a fork of this process, then what a normal exit would; return its status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
        atexit._run_exitfuncs()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001, RUF100 - whatever it is, this process must not go on
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)


def test_a_fork_that_exits_leaves_its_parents_lease_alone(broker: cl.Broker) -> None:
    with broker.acquire(wait=10) as ctx:
        queue = cl.CommandQueue(ctx)
        assert in_a_fork(lambda: None) == 0
        queue.finish()


@pytest.mark.parametrize("end", ["release", "forget"])
def test_a_fork_cannot_use_or_end_its_parents_session(broker: cl.Broker, end: str) -> None:
    ctx = broker.acquire(wait=10)
    queue = cl.CommandQueue(ctx)

    def misuse() -> None:
        for use in (queue.finish, queue.flush, lambda: cl.Buffer(ctx, 1, 16)):
            with pytest.raises(errors.SessionLost, match=f"belongs to process {os.getppid()}"):
                use()
        if end == "release":
            ctx.release()
        broker.close()

    assert in_a_fork(misuse) == 0
    queue.finish()
    ctx.release()


def test_a_fork_acquires_for_itself(broker: cl.Broker) -> None:
    def acquire() -> None:
        with broker.acquire(wait=10) as own:
            cl.CommandQueue(own).finish()

    with broker.acquire(wait=10) as ctx:
        queue = cl.CommandQueue(ctx)
        assert in_a_fork(acquire) == 0
        queue.finish()


def answering(content: bytes) -> tuple[str, int]:
    """Return the address of a peer that says the same to everybody, once, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listener:
            for _ in range(2):
                stream, _ = listener.accept()
                with stream:
                    stream.settimeout(5)
                    stream.recv(65536)
                    stream.sendall(content)

    threading.Thread(target=serve, daemon=True).start()
    host, port = listener.getsockname()
    return host, port


def test_an_answer_that_is_cut_is_a_broken_connection() -> None:
    host, port = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    with pytest.raises(errors.ReadError, match="not whole"):
        RestClient(f"http://{host}:{port}", "t").request("GET", "/devices")


def test_a_session_without_devices_is_refused() -> None:
    host, port = answering(frame(m.Welcome(1, [], "S", m.Limits(), [])))
    endpoint = EndpointRecord(host=host, port=port, token="t", node="n1", environment="e")
    record = LeaseRecord(id="L", state="active", ttl_s=60.0, endpoints=[endpoint])
    with pytest.raises(errors.RemoteProtocolError, match="node n1 opened a session without a device"):
        cl.connect("http://127.0.0.1:1", "t")._open(record, "")
