"""Instants as the API tells them."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(seconds: float | None) -> str | None:
    """Return an instant in RFC 3339 form, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
