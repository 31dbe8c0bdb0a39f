"""GET /events: what happened in the pool, by pages of JSON or, as an event stream, as it happens.

The stream is that of https://html.spec.whatwg.org/multipage/server-sent-events.html: each event's `data` is
the JSON that a page has of it, its `id` the number. Where there was nothing new for a while, a comment comes
with the number up to which all was told: who resumes there need not look through what was not for him.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import Integer, List, Nested, String
from apiflask.validators import Range
from flask import Response, request

from accelpool_broker.models import EventKind
from accelpool_broker.resources.context import caller, page, read_number_cursor, services
from accelpool_broker.resources.fields import about, instant_field, text_field
from accelpool_broker.resources.schemas import ListQuery
from accelpool_broker.services.event_body import event_body
from accelpool_broker.services.events import Seen, Wanted
from accelpool_wire.errors import Invalid

JSON, STREAM = "application/json", "text/event-stream"
LAST_ID = "Last-Event-ID"
MAX_NUMBER = 10**18

blueprint = APIBlueprint("events", __name__, tag="Events")


class EventQuery(ListQuery):
    """Which events are wanted; all conditions have to be met."""

    lease = text_field(64, 1, load_default=None, metadata=about("of this lease: its history"))
    node = text_field(64, 1, load_default=None, metadata=about("of this node, or of its devices"))
    kind = text_field(
        255,
        1,
        load_default=None,
        metadata=about("of these kinds, with commas between: `lease.lost`, or `lease` for all of leases"),
    )
    after = Integer(
        load_default=None,
        validate=Range(0, MAX_NUMBER),
        metadata=about("after this number, oldest first; from 0 on all"),
    )


class EventOut(Schema):
    """Something that happened to a lease, a node or a device."""

    number = Integer(metadata=about("later events have higher ones"))
    at = instant_field()
    kind = String(metadata=about(f"one of {', '.join(EventKind)}"))
    lease = String(allow_none=True, metadata=about("the lease's id; null for an event of a node or device"))
    tenant = String(allow_none=True, metadata=about("the lease's"))
    account = String(allow_none=True, metadata=about("who asked for the lease"))
    node = String(allow_none=True, metadata=about("the node's name; null for an event of a lease"))
    device = String(allow_none=True, metadata=about("the device's id"))
    reason = String(metadata=about("why, for people"))
    until = instant_field(allow_none=True)  # when a lease that is told so will be ended, or a node be drained


class EventList(Schema):
    """A page of events: newest first, or after a number oldest first."""

    items = List(Nested(EventOut))
    next_cursor = String(allow_none=True)


@blueprint.get("/events")
@blueprint.input(EventQuery, location="query")
@blueprint.output(EventList)
@blueprint.doc(summary="Show what happened, or follow it as it happens")
def list_events(query_data: dict[str, Any]) -> Any:
    """List events, newest first, or after a number oldest first.

    With `Accept: text/event-stream` they go on as they happen, after `Last-Event-ID` or `after`, or from now.
    Events of leases are shown with the scope `leases:read`, of nodes and devices with `nodes:read`.
    """
    kinds = read_kinds(query_data["kind"])
    wanted = Wanted(kinds=kinds, lease=query_data["lease"], node=query_data["node"])
    if request.method == "GET" and request.accept_mimetypes.best_match([JSON, STREAM]) == STREAM:
        return _stream(wanted, query_data["after"])
    cursor, after, limit = read_number_cursor(query_data["cursor"]), query_data["after"], query_data["limit"]
    place = {"before": cursor, "after": None} if after is None else {"before": None, "after": cursor or after}
    found = services().events.page(caller(), wanted, **place, limit=limit + 1)
    return page(found, limit, event_body, lambda last: last.number)


def read_kinds(text: str | None) -> tuple[EventKind, ...] | None:
    """Return the kinds that a text with commas names, None for all.

    Raises:
        Invalid: One is no kind, and what no kind begins with.
    """
    if text is None:
        return None
    kinds: list[EventKind] = []
    for name in text.split(","):
        found = [kind for kind in EventKind if kind == name or kind.startswith(f"{name}.")]
        if not found:
            raise Invalid(f"{name!r} is no kind of event; there are {', '.join(EventKind)}")
        kinds += found
    return tuple(kinds)


def _stream(wanted: Wanted, after: int | None) -> Response:
    access, who = services().access, request.headers.get("Authorization")
    address, action = request.remote_addr or "", "list_events"
    seen, end = services().events.follow(
        lambda: access.identify(who, address, action), wanted, after=_resume(after)
    )
    answer = Response(_frames(seen), mimetype=STREAM)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # or nginx would gather it
    answer.call_on_close(end)
    return answer


def _resume(after: int | None) -> int | None:
    """Return after which number to go on; of who resumes, that of the last event that came."""
    last = request.headers.get(LAST_ID)
    if last is None:
        return after
    if not (last.isascii() and last.isdigit() and len(last) < len(str(MAX_NUMBER))):
        raise Invalid(f"{LAST_ID} {last[:40]!r} is no number of an event")
    return int(last)


def _frames(seen: Iterator[Seen]) -> Iterator[str]:
    for news in seen:
        for event in news.events:
            yield f"id: {event.number}\ndata: {json.dumps(event_body(event))}\n\n"
        if not news.events:
            yield f": nothing new\nid: {news.newest}\n\n"
