"""A request's id: what its caller, the answer, the problem and the log's lines call it.

Whoever asks may choose it, in the header `X-Request-Id`; else, and where theirs is not well-formed, the
broker does.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

HEADER = "X-Request-Id"
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

current: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; "" for none."""


def new_request_id() -> str:
    """Return an id that nobody else has."""
    return f"req_{secrets.token_urlsafe(9)}"


def accept(given: str | None) -> str:
    """Return the id that a caller has given if it is well-formed, else a new one."""
    return given if given and WELL_FORMED.fullmatch(given) else new_request_id()
