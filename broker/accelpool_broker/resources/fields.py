"""The fields that the schemas are made of, and their limits."""

from __future__ import annotations

from typing import Any

from apiflask.fields import Boolean, Integer, String
from apiflask.validators import Length, Range

MAX_INT = 2**63 - 1
MAX_DEVICES = 256
MAX_NAME = 255


class Truth(Boolean):
    """A field for JSON's true or false, and nothing that stands for them elsewhere."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return bool(super()._deserialize(value, attr, data, **kwargs))


def count_field(low: int = 0, high: int = MAX_INT, **options: object) -> Integer:
    """Return a field for a whole number from `low` to `high`."""
    return Integer(strict=True, validate=Range(low, high), **options)  # type: ignore[arg-type]  # passed on


def text_field(longest: int = MAX_NAME, shortest: int = 0, **options: object) -> String:
    """Return a field for a text of `shortest` to `longest` characters."""
    return String(validate=Length(shortest, longest), **options)  # type: ignore[arg-type]  # passed on


def instant_field(**options: object) -> String:
    """Return a field for an instant in RFC 3339 form."""
    return String(metadata={"format": "date-time"}, **options)  # type: ignore[arg-type]  # passed on


def about(description: str) -> dict[str, str]:
    """Return the metadata that tells what a field is for."""
    return {"description": description}
