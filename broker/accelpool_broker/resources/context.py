"""What views need of the app and the request."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from flask import current_app, g

from accelpool_broker.instants import instant as instant  # told by most resources
from accelpool_broker.problems import RETRY_AFTER_S
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.services import Services
from accelpool_wire.errors import Invalid

EXTENSION = "accelpool"
OCTETS = "application/octet-stream"

T = TypeVar("T")


def services() -> Services:
    """Return the services of the app that answers the request."""
    return cast(Services, current_app.extensions[EXTENSION])


def caller() -> Caller:
    """Return who sent the request."""
    return cast(Caller, g.caller)


def seconds(instant: datetime | None) -> float | None:
    """Return an instant in seconds since the Unix epoch."""
    return None if instant is None else instant.timestamp()


def retry_hint(is_early: bool) -> dict[str, str]:
    """Return the header that tells a client that was not allowed to wait here when to ask again."""
    return {"Retry-After": str(RETRY_AFTER_S)} if is_early else {}


def write_cursor(position: object) -> str:
    """Return the cursor that continues a list after a position."""
    return urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """Return the position that a cursor continues after.

    Raises:
        Invalid: It is not one of ours.
    """
    if cursor is None:
        return None
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"{cursor} is not a cursor of this list") from error


def read_number_cursor(cursor: str | None) -> int | None:
    """Return the number that a cursor continues after.

    Raises:
        Invalid: It is not one of ours.
    """
    position = read_cursor(cursor)
    if position is None:
        return None
    if not (position.isascii() and position.isdigit() and len(position) < 19):
        raise Invalid(f"{cursor} is not a cursor of this list")
    return int(position)


def page(
    found: Sequence[T], limit: int, body: Callable[[T], dict[str, Any]], position: Callable[[T], object]
) -> dict[str, Any]:
    """Return the body of a page of a list.

    Args:
        found: What was found with a limit one too high.
        limit: How many the page has at most.
        body: Returns the body of one.
        position: Returns where one is in the list, for the cursor.
    """
    shown = found[:limit]
    return listing(
        [body(each) for each in shown], write_cursor(position(shown[-1])) if len(found) > limit else None
    )


def listing(items: list[dict[str, Any]], next_cursor: str | None) -> dict[str, Any]:
    """Return the body of a list."""
    return {"items": items, "next_cursor": next_cursor}
