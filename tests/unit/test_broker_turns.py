"""Turns: one at a time, in order of arrival."""

from __future__ import annotations

import threading

from accelpool_broker.turns import Turns

from ..conftest import wait_until


def test_turns_come_in_order_of_arrival() -> None:
    turns, order = Turns(), []
    assert turns.take(0)

    def work(number: int) -> None:
        assert turns.take(20)
        order.append(number)
        turns.give()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: len(turns._line) == number + 1)
    assert turns.is_wanted
    turns.give()
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3, 4]
    assert not turns.is_wanted
    assert turns.take(0)


def test_who_gives_up_is_passed_over() -> None:
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(0.01)
    assert not turns.is_wanted
    turns.give()
    assert turns.take(0)
