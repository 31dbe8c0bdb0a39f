"""Signals that ask a command to end."""

from __future__ import annotations

import signal
from typing import NoReturn

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_ending_signals() -> None:
    """Let each of them raise KeyboardInterrupt, so that what was started is ended on the way out."""
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
