"""Long-polls without HTTP: woken by a change, bounded in number, answered at the end."""

from __future__ import annotations

import threading

from accelpool_broker.waiters import Waiters

from ..conftest import wait_until


def poll(waiters: Waiters, state: dict, seen: list, wait_s: float = 20.0) -> threading.Thread:
    def run() -> None:
        seen.append(waiters.poll("a", lambda: state["a"], is_news=lambda value: value > 0, wait_s=wait_s))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def until(waiters: Waiters, count: int) -> None:
    wait_until(lambda: waiters.count() == count)


def test_what_is_news_already_is_told_at_once() -> None:
    seen: list = []
    poll(Waiters(1), {"a": 1}, seen).join(5)
    assert seen == [(1, False)]


def test_without_time_to_wait_the_state_is_told_as_it_is() -> None:
    seen: list = []
    poll(Waiters(1), {"a": 0}, seen, wait_s=0).join(5)
    assert seen == [(0, False)]


def test_after_the_wait_the_state_is_told_as_it_is() -> None:
    seen: list = []
    poll(Waiters(1), {"a": 0}, seen, wait_s=0.01).join(5)
    assert seen == [(0, False)]


def test_a_change_wakes_all_who_wait_for_it_and_nobody_else() -> None:
    waiters, state, seen = Waiters(2), {"a": 0}, []
    threads = [poll(waiters, state, seen), poll(waiters, state, seen)]
    until(waiters, 2)
    waiters.wake(["b"])
    assert seen == []
    state["a"] = 3
    waiters.wake(["a"])
    for thread in threads:
        thread.join(5)
    assert seen == [(3, False), (3, False)]
    assert waiters.count() == 0


def test_past_the_limit_the_answer_is_early() -> None:
    waiters, state, seen = Waiters(1), {"a": 0}, []
    waiting = poll(waiters, state, seen)
    until(waiters, 1)
    poll(waiters, state, seen).join(5)
    assert seen == [(0, True)]
    waiters.close()
    waiting.join(5)
    assert seen == [(0, True), (0, False)]


def test_after_the_end_nobody_waits() -> None:
    waiters, seen = Waiters(1), []
    waiters.close()
    poll(waiters, {"a": 0}, seen).join(5)
    assert seen == [(0, True)]
