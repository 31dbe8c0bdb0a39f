"""What the agent connects a worker to, and how often at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence

import pytest

from accelpool_node import control
from accelpool_node.agent.dialing import MAX_AT_ONCE, Dialer

PLENTY = 4 * MAX_AT_ONCE


class Worker:
    """Hears the agent's answers; on each it does something."""

    def __init__(self) -> None:
        self.heard: list[control.Dialled] = []
        self.then: Callable[[], None] = lambda: None

    def send(self, message: control.Dialled, _descriptors: Sequence[int] = ()) -> None:
        self.heard.append(message)
        self.then()


@pytest.fixture
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=PLENTY) as listener:
        yield "{}:{}".format(*listener.getsockname())


async def answered(worker: Worker, count: int) -> None:
    async with asyncio.timeout(10):
        while len(worker.heard) < count:
            await asyncio.sleep(0.001)


def test_who_asks_again_with_each_answer_is_never_one_too_many(address: str) -> None:
    worker = Worker()

    async def run() -> None:
        dialer = Dialer(worker, [address])
        numbers = iter(range(PLENTY))

        def ask() -> None:
            if (number := next(numbers, None)) is not None:
                dialer.dial(control.Dial(number=number, address=address))

        worker.then = ask
        for _ in range(MAX_AT_ONCE):
            ask()
        await answered(worker, PLENTY)

    asyncio.run(run())
    assert {answer.why for answer in worker.heard} == {""}


def test_one_too_many_is_told_so(address: str) -> None:
    worker = Worker()

    async def run() -> None:
        dialer = Dialer(worker, [address])
        for number in range(MAX_AT_ONCE + 1):
            dialer.dial(control.Dial(number=number, address=address))
        await answered(worker, MAX_AT_ONCE + 1)

    asyncio.run(run())
    refused = [answer for answer in worker.heard if answer.why]
    assert [(one.number, one.why) for one in refused] == [
        (MAX_AT_ONCE, "too many connections are being made")
    ]


def test_where_the_lease_does_not_lead_nobody_is_connected_to() -> None:
    worker = Worker()
    Dialer(worker, ["127.0.0.1:1"]).dial(control.Dial(number=3, address="127.0.0.1:2"))
    assert worker.heard == [control.Dialled(number=3, why="it is no other endpoint of this lease")]
