"""Choosing a device, as PyOpenCL's `create_some_context` does.

Answers are those of the caller, else of PYOPENCL_CTX, else of the user at a terminal. Where there are none,
the pool chooses: a device that is free now, if there is one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from accelpool.broker import default_broker
from accelpool.context import Context
from accelpool.device import Device, Platform
from accelpool.errors import RuntimeError
from accelpool.settings import Settings
from accelpool_wire.codes import ErrorCode

Choice = TypeVar("Choice", Platform, Device)


def get_platforms() -> list[Platform]:
    """Return the platforms of the pool's devices; a `Context` over one of the devices leases it.

    Raises:
        Unauthorized: No pool is known, or the broker does not know the token.
        TransportError: The broker cannot be reached.
    """
    return default_broker().get_platforms()


def choose_devices(interactive: bool | None = None, answers: list[str] | None = None) -> list[Device]:
    """Return devices of the pool that the answers, or the user, choose; the first one without either.

    Args:
        interactive: Whether to ask where there are no answers; None: if standard input is a terminal.
        answers: A platform, then devices: numbers, or parts of names; several devices with commas.

    Raises:
        RuntimeError: DEVICE_NOT_FOUND: an answer fits nothing, or there is one too many.
    """
    given = list(answers) if answers is not None else list(Settings.from_environment().context_answers or ())
    is_asking = _is_terminal() if interactive is None else interactive
    platform = _choose("platform", get_platforms(), given, is_asking)[0]
    devices = _choose("device", platform.get_devices(), given, is_asking)
    if given:
        raise _not_found(f"answers that are left over: {':'.join(given)}")
    return devices


def create_some_context(interactive: bool | None = None, answers: list[str] | None = None) -> Context:
    """Return a context on some device of the pool.

    Args:
        interactive: Whether to ask where there are no answers; None: if standard input is a terminal.
        answers: A platform, then a device: numbers, or parts of names.

    Raises:
        RuntimeError: DEVICE_NOT_FOUND: an answer fits nothing, or the pool is empty.
        Unauthorized: No pool is known, or the broker does not know the token.
        TransportError: The broker or the node cannot be reached.
    """
    is_asking = _is_terminal() if interactive is None else interactive
    if answers is None and not is_asking and Settings.from_environment().context_answers is None:
        return Context()
    return Context(choose_devices(interactive, answers))


def _choose(noun: str, choices: Sequence[Choice], answers: list[str], is_asking: bool) -> list[Choice]:
    if not choices:
        raise _not_found(f"the pool has no {noun}")
    if answers:
        answer = str(answers.pop(0))
    elif is_asking and len(choices) > 1:
        listed = "".join(f"[{index}] {choice!r}\n" for index, choice in enumerate(choices))
        sys.stdout.write(f"Choose a {noun}:\n{listed}")
        answer = input("Choice [0]: ")
    else:
        answer = ""
    return [_find(noun, choices, part.strip()) for part in answer.split(",")]


def _find(noun: str, choices: Sequence[Choice], answer: str) -> Choice:
    """Return the choice of a number, or the first whose name has the answer in it."""
    if not answer:
        return choices[0]
    if answer.isdecimal() and int(answer) < len(choices):
        return choices[int(answer)]
    for choice in choices:
        if answer.lower() in choice.name.lower():
            return choice
    raise _not_found(f"no {noun} fits the answer {answer!r}")


def _not_found(what: str) -> RuntimeError:
    return RuntimeError("choose_devices", ErrorCode.DEVICE_NOT_FOUND, what)


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()
