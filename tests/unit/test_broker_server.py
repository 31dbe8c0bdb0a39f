"""The broker's server: signals that tell it to end, whenever they come."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from accelpool_broker.server import Server, listen

PATIENCE_S = 30.0


def is_heard_after(steps: int, server: Server) -> bool:
    """Wait as the server does, and handle a signal after so many steps; whether there were so many."""
    left, handled = steps, threading.Event()

    def step(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        left -= 1
        if not left:
            sys.settrace(None)
            handled.set()
            server.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # Granian's
        return step

    def wait() -> None:
        sys.settrace(step)
        server.main_loop_interrupt.wait()
        sys.settrace(None)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(2.0)  # it has so many steps, or waits now
    if not handled.is_set():
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # Granian's
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive(), f"it waits for ever if the signal comes after {steps} steps"
    return handled.is_set()


def test_a_signal_is_heard_wherever_in_the_servers_waiting_it_comes() -> None:
    with listen("127.0.0.1", 0) as sock:
        server = Server(lambda *_: [], sock, threads=1, on_start=lambda: None, on_stop=lambda: None)
        steps = 1
        while is_heard_after(steps, server):
            server.main_loop_interrupt.clear()
            steps += 1
    assert steps > 1
