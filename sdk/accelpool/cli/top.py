"""`accelpool top`: the pool on the whole screen, as it changes.

A thread looks at the pool; this one waits for keys and draws. Rich draws, as for all commands: a framework
for full-screen programs would be one more dependency of every client, for three tables and five keys.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.live import Live

from accelpool.cli.access import client
from accelpool.cli.failures import StartFailed, one_line
from accelpool.cli.keyboard import Keyboard, keyboard
from accelpool.cli.options import Url
from accelpool.cli.output import console
from accelpool.cli.overview import Overview, look
from accelpool.cli.signals import interrupt_on_ending_signals
from accelpool.cli.top_screen import View, press, screen
from accelpool.errors import AccelpoolError
from accelpool.event_stream import follow, newest
from accelpool.rest import RestClient

SHORTEST_S = 0.2


class Watch:
    """What is known of a pool, looked at when something happens, and now and then, by a thread of its own.

    Attributes:
        seen: The pool as it was last seen, None if it never was.
        trouble: Why it could not be seen the last time, "" if it could.

    Args:
        rest: The way to the broker.
        interval_s: How long to wait for something to happen before the next look.
        tell: Called after each.
    """

    def __init__(self, rest: RestClient, interval_s: float, tell: Callable[[], object]) -> None:
        self.seen: Overview | None = None
        self.trouble: str = ""
        self._rest = rest
        self._interval_s = interval_s
        self._tell = tell
        self._is_over = False
        self._news = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Look at the pool until the end of the block."""
        for work in (self._look_on, self._listen):
            threading.Thread(target=work, name="accelpool-top", daemon=True).start()
        try:
            yield
        finally:
            self._is_over = True
            self._news.set()

    def _look_on(self) -> None:
        while not self._is_over:
            self._news.clear()
            try:
                self.seen, self.trouble = look(self._rest), ""
            except AccelpoolError as error:
                self.trouble = one_line(error)
            self._tell()
            self._news.wait(self._interval_s)

    def _listen(self) -> None:
        """Let it look at once when something happens; without events it looks all the same, but later."""
        with contextlib.suppress(AccelpoolError):
            last = newest(self._rest)
            self._news.set()  # what has happened between the first look and now
            for _ in follow(self._rest, {}, last):
                if self._is_over:
                    return
                self._news.set()


def top(
    url: Url = None,
    interval: Annotated[
        float,
        typer.Option("--interval", min=SHORTEST_S, metavar="SECONDS", help="How long between two looks."),
    ] = 2.0,
) -> None:
    """Show devices, queue and leases on the whole screen, as they change.

    q ends it, s sorts by the next column, r turns the order round, / narrows the lists.
    """
    paper = console(sys.stdout)
    if not (paper.is_terminal and sys.stdin.isatty()) or paper.is_dumb_terminal:
        raise StartFailed("top needs a terminal: `accelpool smi` shows the same once, anywhere")
    rest = client(url)
    interrupt_on_ending_signals()
    with keyboard(sys.stdin.fileno()) as keys, Live(console=paper, screen=True, auto_refresh=False) as live:
        watch = Watch(rest, interval, keys.wake)
        with watch.running():
            _show(watch, keys, live)


def _show(watch: Watch, keys: Keyboard, live: Live) -> None:
    view = View()
    while not view.is_over:
        live.update(screen(watch.seen, view, live.console.height, watch.trouble), refresh=True)
        for key in keys.wait():
            view = press(view, key)
