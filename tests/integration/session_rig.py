"""Sessions on an agent's node, opened with tokens of leases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from accelpool_wire.client import Connection

from .agent_rig import Node
from .test_worker_sharing import Member
from .wire_client import Client


@contextlib.contextmanager
def joining(node: Node) -> Iterator[Callable[[str], Member]]:
    """Give a function that opens a session with a token; all of them end with this."""
    with contextlib.ExitStack() as stack:

        def open_one(token: str) -> Member:
            address = node.ready["host"], node.ready["port"]
            return Member(None, -1, Client(stack.enter_context(Connection.open(address, token))))

        yield open_one
