"""The options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

JSON_KEY = "accelpool.json"
BACKEND = re.compile(r"auto|opencl|cuda|null(?:-cuda|-both)?:[0-9]{1,3}")


def _note_json(context: typer.Context, value: bool) -> bool:
    """Remember the choice where an error is shown, too."""
    context.meta[JSON_KEY] = value
    return value


def wants_json(context: typer.Context) -> bool:
    """Whether the command was asked for JSON."""
    return bool(context.meta.get(JSON_KEY, False))


def _check_backend(value: str | None) -> str | None:
    """Refuse a backend that no agent knows before anything is started."""
    if value is not None and not BACKEND.fullmatch(value):
        known = "auto, opencl, cuda, null:COUNT, null-cuda:COUNT or null-both:COUNT"
        raise typer.BadParameter(f"it is {known}, not {value}")
    return value


Json = Annotated[
    bool,
    typer.Option(
        "--json", callback=_note_json, is_eager=True, help="Print one JSON document instead of text."
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="The broker's URL; by default ACCELPOOL_URL, else the pool of `accelpool up` or `login`.",
        show_default=False,
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="auto|opencl|cuda|null:COUNT",
        callback=_check_backend,
        help="null:COUNT makes devices that compute nothing, to try things out without a driver.",
        show_default=False,
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", help="By default $XDG_STATE_HOME/accelpool (~/.local/state/accelpool)."),
]
