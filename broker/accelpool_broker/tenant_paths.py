"""Which tenants are below which, as a condition of a query."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, or_


def is_within(column: SQLColumnExpression[Any], tenants: Collection[str]) -> ColumnElement[bool]:
    """Return whether a column names one of some tenants, or one below them."""
    beginnings = [f"{tenant}/" for tenant in tenants]  # compared whole: to SQLite's LIKE a is A
    below = (func.substr(column, 1, len(beginning)) == beginning for beginning in beginnings)
    return or_(column.in_(list(tenants)), *below)
