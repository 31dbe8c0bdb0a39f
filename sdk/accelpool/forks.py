"""Who is told, in a process just forked, that it is one: no thread of the other process is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from weakref import WeakMethod

# Of the process, as the handler is: Python takes none back, so there is one for all that come and go.
_told: set[WeakMethod[Callable[[], None]]] = set()


def tell(method: Callable[[], None]) -> None:
    """Call an object's method in each process that is forked from now on, while the object lives."""
    _told.add(WeakMethod(method, _told.discard))
    _register()


@cache
def _register() -> None:
    os.register_at_fork(after_in_child=_tell_all)


def _tell_all() -> None:
    for reference in list(_told):
        if (method := reference()) is not None:
            method()
