"""Signals that ask a command to end."""

from __future__ import annotations

import signal
from typing import NoReturn

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_ending_signals() -> None:
    """Let the first of them raise KeyboardInterrupt, so that what was started is ended on the way out.

    Those that follow change nothing: a second Ctrl-C must not break off the orderly end.
    """
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
