"""A broker for the API's tests, in this process: nodes, leases, and compute on null devices in threads."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from accelpool_broker.testing import BrokerInProcess
from accelpool_node.backends.null import NullBackend
from accelpool_node.worker.objects import Share
from accelpool_node.worker.service import Service
from accelpool_node.worker.session import Session
from accelpool_wire import messages as m
from accelpool_wire.channel import Channel
from accelpool_wire.client import Connection
from accelpool_wire.conversation import VERSION, Conversation, Role
from accelpool_wire.frames import FrameReader

SHARE_BYTES = 16 << 20
KERNEL = "kernel void k(global float *a, int n) {}"


@contextlib.contextmanager
def broker() -> Iterator[BrokerInProcess]:
    """Give a broker with two nodes, whose ids are counted, and where nobody is allowed to wait."""
    limits = {"max_waiters": 0, "max_node_waiters": 0, "max_sessions": 8, "max_json_bytes": 1 << 20}
    limits |= {"requests_per_s": 0, "node_requests_per_s": 0}
    with mock.patch.object(secrets, "token_urlsafe", _counting()), BrokerInProcess(**limits) as running:
        running.services.compute.open_connection = lambda *_, **__: _connect()
        running.register("n1", "gpu", "cpu", "custom:null-0")
        running.register("n2", "accelerator")
        running.json("PUT", "/tenants/lab", {})
        yield running


def _counting() -> Callable[[int], str]:
    """Return what makes the same tokens in the same order every time."""
    numbers = itertools.count(1)
    return lambda size: f"{next(numbers):0{size}}"


def _connect() -> Connection:
    """Return a client's connection to a session on a null device, served in a thread until it ends."""
    ours, theirs = socket.socketpair()
    client = Conversation(Role.CLIENT)
    hello = client.send(m.Hello([VERSION], [], "token"))
    backend = NullBackend()
    service = Service(theirs, hello, "S1", m.Limits())
    share = Share(device=backend.devices()[0], memory_bytes=SHARE_BYTES)
    session = Session(backend, [share], m.Limits(), service.reply)
    limits = client.limits
    channel = Channel(ours, FrameReader(body_limit=limits.body_bytes, payload_limit=limits.payload_bytes))
    device = share.device
    service.welcome([m.Device(device.name, device.platform, device.info)])
    while (body := channel.reader.next_body()) is None:
        channel.receive(5.0)
    welcome: Any = client.receive(body)
    threading.Thread(target=_serve, args=(service, session, theirs), daemon=True).start()
    return Connection(channel, client, welcome, ("127.0.0.1", 1), "token")


def _serve(service: Service, session: Session, stream: socket.socket) -> None:
    with stream:
        service.run(session)
