"""Two leases with fractions of one device, both at work: each gets on and is charged, on every driver."""

from __future__ import annotations

import contextlib
import threading

import pytest

from accelpool_node.sharing import ledger

from ..integration.wire_client import OUT_OF_ORDER, Client
from ..integration.worker_rig import SHARE_BYTES, Target, Worker
from .conftest import SOURCE

ROUNDS = 30


class Half:
    """A session with half of the device."""

    def __init__(self, client: Client, slot: int) -> None:
        self.client = client
        self.slot = slot
        self.context = client.context()
        self.program = client.program(self.context, SOURCE)
        client.build(self.program)

    def work(self, properties: int, values: list[int]) -> None:
        """Write, launch and read many times; leave what was read in `values`."""
        client, queue = self.client, self.client.queue(self.context, properties)
        kernel, buffer = client.kernel(self.program, "twice"), client.buffer(self.context, 4)
        other = client.buffer(self.context, 4)
        event = client.write(queue, buffer, (1).to_bytes(4, "little"))
        for _ in range(ROUNDS):
            event = client.launch(queue, kernel, [1], buffer, wait_for=[event])
            event = client.copy(queue, buffer, other, 4, wait_for=[event])
            client.wait(event)
            values.append(int.from_bytes(client.read(queue, other, 4), "little", signed=True))


@pytest.mark.parametrize("properties", [0, OUT_OF_ORDER])
def test_sessions_that_take_turns_compute_what_they_would_alone(
    target: Target, computes: bool, properties: int
) -> None:
    registry = ledger.Registry(ledger.create())
    with contextlib.ExitStack() as stack:
        halves = []
        for lease in ("L1", "L2"):
            registry.set_limits(lease, SHARE_BYTES, 0.5)
            slot = registry.add_session(lease)
            worker = stack.enter_context(Worker(target, seat=(registry.ledger, slot)))
            halves.append(Half(Client(stack.enter_context(worker.connect())), slot))
        found: list[list[int]] = [[], []]
        threads = [
            threading.Thread(target=half.work, args=(properties, values))
            for half, values in zip(halves, found, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        expected = [_int32(2 ** (place + 1)) if computes else 1 for place in range(ROUNDS)]
        assert found == [expected, expected]
        assert all(registry.ledger.device_ns(half.slot) for half in halves)


def _int32(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)
