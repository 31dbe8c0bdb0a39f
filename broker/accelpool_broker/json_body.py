"""Refuses what Python's JSON reader takes though it is no JSON, and what it chokes on."""

from __future__ import annotations

import json
from typing import NoReturn

from werkzeug.exceptions import BadRequest


def check(body: bytes, length: int) -> None:
    """Check that a body is JSON (RFC 8259), and all of it.

    Args:
        body: What has come.
        length: How many bytes were to come.

    Raises:
        BadRequest: It is not, or is nested too deeply, or has numbers or strings that are none.
    """
    if len(body) < length:
        raise BadRequest(f"the body is cut short: {len(body)} of its {length} bytes have come")
    try:
        parsed = json.loads(body.decode(), parse_constant=_refuse)
        if b"\\ud" in body.lower():
            json.dumps(parsed, ensure_ascii=False).encode()
    except RecursionError as error:
        raise BadRequest("the body is nested too deeply") from error
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")
