"""GET /audit: who did what."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Integer, List, Nested, String

from accelpool_broker.models import AuditEntry
from accelpool_broker.resources.context import (
    instant,
    page,
    read_number_cursor,
    seconds,
    services,
)
from accelpool_broker.resources.fields import about, instant_field, text_field
from accelpool_broker.resources.schemas import ListQuery

blueprint = APIBlueprint("audit", __name__, tag="Audit")


class AuditQuery(ListQuery):
    """Which entries are wanted; all conditions have to be met."""

    account = text_field(128, load_default=None, metadata=about("whose token it was; empty for nobody's"))
    object = text_field(255, 1, load_default=None, metadata=about("the path of what it was done to"))
    action = text_field(32, 1, load_default=None, metadata=about("the call's name, such as `delete_lease`"))
    since = AwareDateTime(format="iso", load_default=None, metadata=about("at this instant or later"))
    until = AwareDateTime(format="iso", load_default=None, metadata=about("before this instant"))


class AuditEntryOut(Schema):
    """What was done, or refused."""

    at = instant_field()
    account = String(metadata=about("whose token it was, empty if nobody's"))
    token = String(metadata=about("the token's id"))
    address = String(metadata=about("where the call came from"))
    action = String(metadata=about("the call's name"))
    object = String(metadata=about("the path of what it was done to"))
    outcome = String(metadata=about("`done`, `unauthorized` or `forbidden`"))
    count = Integer(metadata=about("how often up to `at`, of refusals that are alike"))


class AuditList(Schema):
    """A page of the audit log, newest first."""

    items = List(Nested(AuditEntryOut))
    next_cursor = String(allow_none=True)


@blueprint.get("/audit")
@blueprint.input(AuditQuery, location="query")
@blueprint.output(AuditList)
@blueprint.doc(summary="Show who did what, newest first")
def list_audit(query_data: dict[str, Any]) -> dict[str, Any]:
    """List what changed something, and what was refused; nothing in it is a secret."""
    limit = query_data["limit"]
    found = services().audit.page(
        account=query_data["account"],
        object=query_data["object"],
        action=query_data["action"],
        since=seconds(query_data["since"]),
        until=seconds(query_data["until"]),
        before=read_number_cursor(query_data["cursor"]),
        limit=limit + 1,
    )
    return page(found, limit, _body, lambda last: last.number)


def _body(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": instant(entry.at),
        "account": entry.account,
        "token": entry.token,
        "address": entry.address,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "count": entry.count,
    }
