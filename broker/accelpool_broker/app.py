"""The broker as a WSGI application.

request ─▶ body limit ─▶ token ─▶ its rate ─▶ query ─▶ schema ─▶ service ─▶ schema ─▶ answer
              └─────────────┴─────────┴─────────┴─────────┴─────────┴─▶ problem+json (problems.py)
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from functools import partial
from typing import Any

from apiflask import APIFlask, Schema
from apispec.ext.marshmallow.common import make_schema_key
from flask import Response, current_app, g, request
from werkzeug.exceptions import BadRequest, LengthRequired, UnsupportedMediaType

from accelpool_broker import (
    api_description,
    description_files,
    json_body,
    problems,
    query_string,
    request_counts,
    request_log,
    request_spans,
)
from accelpool_broker.body_slots import BodySlots
from accelpool_broker.clock import Clock, SystemClock
from accelpool_broker.models import Scope
from accelpool_broker.permissions import NEEDS, Need, need_of
from accelpool_broker.resources import (
    accounts,
    audit,
    buffers,
    devices,
    enrolment,
    events,
    health,
    kernels,
    launches,
    leases,
    login,
    metrics,
    nodes,
    programs,
    tenants,
    tokens,
    trust_rules,
    web,
    webhooks,
    whoami,
)
from accelpool_broker.resources.context import EXTENSION, services
from accelpool_broker.resources.fields import MAX_INT
from accelpool_broker.resources.schemas import Problem
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.services import Services, open_services
from accelpool_broker.settings import Settings
from accelpool_wire.version import __version__

BLUEPRINTS = (
    health.blueprint,
    nodes.blueprint,
    enrolment.blueprint,
    devices.blueprint,
    leases.blueprint,
    tenants.blueprint,
    whoami.blueprint,
    accounts.blueprint,
    tokens.blueprint,
    login.blueprint,
    trust_rules.blueprint,
    audit.blueprint,
    events.blueprint,
    webhooks.blueprint,
    metrics.blueprint,
    kernels.blueprint,
    programs.blueprint,
    buffers.blueprint,
    launches.blueprint,
    web.blueprint,
)
RAW_ENDPOINTS = frozenset({"buffers.put_content", "programs.post_program"})
FORM_ENDPOINTS = frozenset({"login.exchange_token"})
FORM, MOST_OF_A_FORM = "application/x-www-form-urlencoded", 64 << 10
QUERIES = "accelpool-queries"
REFUSALS = {401: "unauthorized", 403: "forbidden"}
UNLIMITED_ENDPOINTS = frozenset({"buffers.put_content"})


class _App(APIFlask):
    """Describes a schema once; APIFlask 3.1 does it twice if it meets it inside another one first."""

    def _register_schema_and_get_ref(self, spec: Any, registered_schema_classes: Any, schema_obj: Any) -> Any:
        names = spec.plugins[0].converter.refs
        if isinstance(schema_obj, Schema) and (name := names.get(make_schema_key(schema_obj))):
            return {"$ref": f"#/components/schemas/{name}"}
        return super()._register_schema_and_get_ref(spec, registered_schema_classes, schema_obj)


def create_app(settings: Settings, clock: Clock | None = None) -> APIFlask:
    """Return the broker's application on what the settings' state directory holds.

    Raises:
        DatabaseUrlError: The database's URL cannot be used.
        StateDirError: The state directory cannot be used.
        Unavailable: The database cannot be opened.
    """
    return build_app(open_services(settings, clock or SystemClock()))


def build_app(opened: Services) -> APIFlask:
    """Return the application on services that are open."""
    app = _App("accelpool_broker", title="accelpool", version=__version__, docs_path=None)
    app.config.update(
        DESCRIPTION=api_description.DESCRIPTION,
        LICENSE={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        SERVERS=[{"url": "/"}],
        AUTO_SERVERS=False,
        SECURITY_SCHEMES={"bearer": {"type": "http", "scheme": "bearer"}},
        VALIDATION_ERROR_SCHEMA=Problem,
        HTTP_ERROR_SCHEMA=Problem,
        MAX_CONTENT_LENGTH=opened.settings.max_json_bytes,
    )
    app.url_map.merge_slashes = False  # `//` is refused as any other path, not redirected
    app.extensions[EXTENSION] = opened
    app.spec_processor(api_description.finish)
    request_counts.register(app, opened.pool.meter)
    request_log.register(app)
    slots = BodySlots(json=opened.settings.max_bodies, raw=opened.settings.max_uploads)
    app.before_request(partial(_guard, slots))
    request_spans.register(app)
    description_files.register(app)
    app.after_request(_note_refusal)
    app.teardown_request(_end_upload)
    problems.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.extensions[QUERIES] = query_string.parameters(app)
    unlisted = {rule.endpoint for rule in app.url_map.iter_rules()} - NEEDS.keys()
    assert not unlisted, f"permissions.py does not say what these need: {unlisted}"
    return app


def _guard(slots: BodySlots) -> None:
    """Let a request through whose token has the scope that its endpoint needs."""
    if request.endpoint in UNLIMITED_ENDPOINTS:
        request.max_content_length = MAX_INT  # the buffer's size is the limit
    need = need_of(request.endpoint)
    if need is Need.NOTHING:
        return
    if need is Need.COUNTED:
        services().rates.check_stranger(request.remote_addr or "")
        if request.endpoint in FORM_ENDPOINTS:
            _admit_form(slots)
        _check_query()
        return
    scope = need if isinstance(need, Scope) else None
    address, action = request.remote_addr or "", _action()
    g.caller = services().access.identify(request.headers.get("Authorization"), address, action)
    services().rates.check(g.caller)
    if scope is not None:
        g.caller.check_scope(scope)
    if request.routing_exception is not None:
        raise request.routing_exception  # whatever the body is, there is nobody to read it
    _check_query()
    if request.content_length or "Transfer-Encoding" in request.headers:
        _admit_body(slots, scope)


def _check_query() -> None:
    """Refuse a query with more than its call knows; probes and documents need not come here."""
    known: query_string.Parameters = current_app.extensions[QUERIES]
    query_string.check(request.args, known[request.endpoint or ""])


def _action() -> str:
    """Return what the audit log calls the endpoint, "" if there is none."""
    return (request.endpoint or "").rpartition(".")[2]


def _note_refusal(answer: Response) -> Response:
    """Let the audit log tell of a refusal."""
    if answer.status_code in REFUSALS:
        who: Caller | None = g.get("caller")
        services().audit.refuse(
            account="" if who is None else who.account,
            token="" if who is None else who.token,
            address=request.remote_addr or "",
            action=_action(),
            object=request.path,
            outcome=REFUSALS[answer.status_code],
        )
    return answer


def _admit_body(slots: BodySlots, scope: Scope | None) -> None:
    """Read and check a JSON body; leave a raw one to its endpoint, with a slot until the request's end."""
    if request.is_json and request.endpoint not in UNLIMITED_ENDPOINTS:
        if request.content_length is None:  # one in chunks may be cut off, which the server does not tell
            raise LengthRequired("a JSON body needs its length, in the header Content-Length")
        with nullcontext() if scope is Scope.NODE else slots.take(is_raw=False):
            body = request.get_data()
        json_body.check(body, request.content_length)
    elif request.endpoint in RAW_ENDPOINTS:
        g.upload = ExitStack()
        g.upload.enter_context(slots.take(is_raw=True))
    else:
        raise UnsupportedMediaType("the body has to be JSON, with Content-Type: application/json")


def _admit_form(slots: BodySlots) -> None:
    """Read a form, whole; there is no need for a long one."""
    if request.mimetype != FORM:
        raise UnsupportedMediaType(f"the body has to be a form, with Content-Type: {FORM}")
    if request.content_length is None:
        raise LengthRequired("a form needs its length, in the header Content-Length")
    request.max_content_length = MOST_OF_A_FORM
    with slots.take_for_form():
        body = request.get_data()
    if len(body) < request.content_length:
        raise BadRequest(
            f"the form is cut short: {len(body)} of its {request.content_length} bytes have come"
        )


def _end_upload(_: BaseException | None) -> None:
    """Give the slot of a raw body back, however the request ended."""
    if (upload := g.pop("upload", None)) is not None:
        upload.close()
