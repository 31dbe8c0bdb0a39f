"""The JSON of live sessions."""

from __future__ import annotations

from apiflask import Schema
from apiflask.fields import List, Nested, String


class SessionOut(Schema):
    """A live session under a lease, as its node last reported it."""

    id = String()
    node = String()


class SessionList(Schema):
    """All live sessions under a lease: on one page, since nodes bound how many there are."""

    items = List(Nested(SessionOut))
    next_cursor = String(allow_none=True)
