"""Forks: who is told of them, and that nothing piles up for it."""

import gc
import os

from accelpool import forks
from accelpool.broker import Broker
from accelpool.parking.connection import ParkableConnection
from accelpool.testing import FakeConnection


def test_handlers_do_not_pile_up_with_what_comes_and_goes(monkeypatch):
    handlers, register = [], os.register_at_fork

    def counted(**handler):
        handlers.append(handler)
        register(**handler)

    monkeypatch.setattr(os, "register_at_fork", counted)
    before = len(forks._told)
    for _ in range(100):
        Broker("http://broker", "token")
        ParkableConnection(FakeConnection(), FakeConnection, lambda: None)
    gc.collect()
    assert len(handlers) <= 1
    assert len(forks._told) <= before + 2


class Counted:
    """Counts the forks that it is told of."""

    def __init__(self) -> None:
        self.forks = 0

    def forked(self) -> None:
        """Count one more."""
        self.forks += 1


def test_the_new_process_is_told_once_and_the_old_one_is_not():
    counted = Counted()
    forks.tell(counted.forked)
    forks.tell(counted.forked)
    child = os.fork()
    if not child:
        os._exit(counted.forks)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert counted.forks == 0
