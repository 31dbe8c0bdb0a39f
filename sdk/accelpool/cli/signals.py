"""Signals that ask a command to end."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import NoReturn

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_ending_signals(numbers: Iterable[int] = ENDING_SIGNALS) -> None:
    """Let the first of them raise KeyboardInterrupt, so that what was started is ended on the way out.

    Those that follow change nothing: a second Ctrl-C must not break off the orderly end.
    """
    for number in numbers:
        signal.signal(number, _interrupt)


def ignore_ending_signals() -> None:
    """Let none of them break off what follows."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> NoReturn:
    ignore_ending_signals()
    raise KeyboardInterrupt
