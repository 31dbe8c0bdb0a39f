"""/webhooks: who is told of events of leases at an address of his own."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import Integer, List, Nested, String
from apiflask.validators import OneOf, Regexp

from accelpool_broker.models import Webhook, WebhookState
from accelpool_broker.resources.context import caller, instant, page, read_number_cursor, services
from accelpool_broker.resources.events import read_kinds
from accelpool_broker.resources.fields import about, instant_field, text_field
from accelpool_broker.resources.lease_schemas import TENANT_NAME
from accelpool_broker.resources.schemas import ListQuery
from accelpool_broker.services.webhooks import Wanted, path_of

blueprint = APIBlueprint("webhooks", __name__, tag="Webhooks")


class WebhookIn(Schema):
    """A webhook to make."""

    url = text_field(2048, 1, required=True, metadata=about("where to send: https, and no private address"))
    kind = text_field(
        255,
        1,
        load_default=None,
        allow_none=True,
        metadata=about("of these kinds, with commas between; null for all of leases"),
    )
    tenant = String(
        load_default=None,
        allow_none=True,
        validate=Regexp(TENANT_NAME),
        metadata=about("of this tenant's leases, and those below it; null for all that the account may see"),
    )


class WebhookPatch(Schema):
    """What to change of a webhook."""

    state = String(
        required=True,
        validate=OneOf(list(WebhookState)),
        metadata=about("`disabled`, or `active` to have it told again, from where it was on"),
    )


class WebhookOut(Schema):
    """A webhook."""

    id = String()
    account = String(metadata=about("whose it is: it is told of what that account may see"))
    url = String()
    kinds = List(String())
    tenant = String(allow_none=True)
    state = String(metadata=about(f"one of {', '.join(WebhookState)}"))
    reason = String(metadata=about("why it is disabled, or what went wrong last"))
    failing_since = instant_field(allow_none=True)
    last_status = Integer(allow_none=True, metadata=about("the HTTP status of its last answer"))
    created_at = instant_field()


class NewWebhook(WebhookOut):
    """A new webhook, with its secret."""

    secret = String(metadata=about("what its messages are signed with; never shown again"))


class WebhookList(Schema):
    """A page of webhooks, newest first."""

    items = List(Nested(WebhookOut))
    next_cursor = String(allow_none=True)


@blueprint.post("/webhooks")
@blueprint.input(WebhookIn)
@blueprint.output(NewWebhook, status_code=201)
@blueprint.doc(summary="Make a webhook")
def post_webhook(json_data: dict[str, Any]) -> Any:
    """Have events of leases sent to a URL, from now on; the secret is told once."""
    wanted = Wanted(url=json_data["url"], kinds=read_kinds(json_data["kind"]), tenant=json_data["tenant"])
    made = services().webhooks.create(wanted, caller())
    return {**_body(made), "secret": made.secret}, 201, {"Location": path_of(made.id)}


@blueprint.get("/webhooks/<id>")
@blueprint.output(WebhookOut)
@blueprint.doc(summary="Show a webhook")
def get_webhook(id: str) -> dict[str, Any]:
    """Show a webhook, and how it does."""
    return _body(services().webhooks.get(id, caller()))


@blueprint.get("/webhooks")
@blueprint.input(ListQuery, location="query")
@blueprint.output(WebhookList)
@blueprint.doc(summary="List webhooks, newest first")
def list_webhooks(query_data: dict[str, Any]) -> dict[str, Any]:
    """List the account's webhooks; admins and operators see all."""
    limit, before = query_data["limit"], read_number_cursor(query_data["cursor"])
    found = services().webhooks.page(caller(), before=before, limit=limit + 1)
    return page(found, limit, _body, lambda last: last.number)


@blueprint.patch("/webhooks/<id>")
@blueprint.input(WebhookPatch)
@blueprint.output(WebhookOut)
@blueprint.doc(summary="Disable a webhook, or have it told again")
def patch_webhook(id: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """Disable a webhook, or have it told again, from where it was on."""
    return _body(services().webhooks.set_state(id, WebhookState(json_data["state"]), caller()))


@blueprint.delete("/webhooks/<id>")
@blueprint.output({}, status_code=204)
@blueprint.doc(summary="Remove a webhook")
def delete_webhook(id: str) -> tuple[str, int]:
    """Send nothing to it any more."""
    services().webhooks.remove(id, caller())
    return "", 204


def _body(hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "account": hook.account,
        "url": hook.url,
        "kinds": hook.kinds,
        "tenant": hook.tenant,
        "state": hook.state,
        "reason": hook.reason,
        "failing_since": instant(hook.failing_since),
        "last_status": hook.last_status,
        "created_at": instant(hook.created_at),
    }
