"""The broker as a WSGI application.

request ─▶ body limit ─▶ token ─▶ schema ─▶ service ─▶ schema ─▶ answer
              └─────────────┴─────────┴────────┴─▶ problem+json (problems.py)
"""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask, Schema
from apispec.ext.marshmallow.common import make_schema_key
from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from accelpool_broker import json_body, problems
from accelpool_broker.clock import Clock, SystemClock
from accelpool_broker.models import Scope
from accelpool_broker.resources import buffers, devices, health, kernels, launches, leases, nodes, programs
from accelpool_broker.resources.context import EXTENSION, services
from accelpool_broker.resources.schemas import MAX_INT, Problem
from accelpool_broker.services.services import Services, open_services
from accelpool_broker.settings import Settings
from accelpool_wire.version import __version__

BLUEPRINTS = (
    health.blueprint,
    nodes.blueprint,
    devices.blueprint,
    leases.blueprint,
    kernels.blueprint,
    programs.blueprint,
    buffers.blueprint,
    launches.blueprint,
)
OPEN_ENDPOINTS = frozenset({"health.get_health", "openapi.spec", "openapi.docs"})
NODE_ENDPOINTS = frozenset({"nodes.put_node", "nodes.reconcile_node"})
RAW_ENDPOINTS = frozenset({"buffers.put_content", "programs.post_program"})
UNLIMITED_ENDPOINTS = frozenset({"buffers.put_content"})
OCTETS = "application/octet-stream"
DESCRIPTION = "A pool of accelerators: devices, leases on them, and compute under a lease."


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
        StateDirError: The state directory cannot be used.
        Unavailable: The database cannot be opened.
    """
    return build_app(open_services(settings, clock or SystemClock()))


def build_app(opened: Services) -> APIFlask:
    """Return the application on services that are open."""
    app = _App("accelpool_broker", title="accelpool", version=__version__, docs_path="/docs")
    app.config.update(
        DESCRIPTION=DESCRIPTION,
        LICENSE={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        SERVERS=[{"url": "/"}],
        AUTO_SERVERS=False,
        SECURITY_SCHEMES={"bearer": {"type": "http", "scheme": "bearer"}},
        VALIDATION_ERROR_SCHEMA=Problem,
        HTTP_ERROR_SCHEMA=Problem,
        MAX_CONTENT_LENGTH=opened.settings.max_json_bytes,
    )
    app.extensions[EXTENSION] = opened
    app.spec_processor(_finish_spec)
    app.before_request(_guard)
    problems.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _guard() -> None:
    """Let a request through whose token has the scope that its endpoint needs."""
    if request.endpoint in UNLIMITED_ENDPOINTS:
        request.max_content_length = MAX_INT  # the buffer's size is the limit
    if request.endpoint in OPEN_ENDPOINTS:
        return
    needed = Scope.NODE if request.endpoint in NODE_ENDPOINTS else Scope.ADMIN
    services().access.check(request.headers.get("Authorization"), needed)
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if has_body and not request.is_json and request.endpoint not in RAW_ENDPOINTS:
        raise UnsupportedMediaType("the body has to be JSON, with Content-Type: application/json")
    if has_body and request.is_json:
        json_body.check(request.get_data())


def _finish_spec(spec: Any) -> Any:
    """Say that a token is needed, that errors are problems, and which bodies are raw bytes."""
    spec["security"] = [{"bearer": []}]
    spec["paths"]["/health"]["get"]["security"] = []
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = spec["paths"]["/leases/{id}/buffers/{buffer}/content"]
    content["put"]["requestBody"] = {"required": True, "content": {OCTETS: binary}}
    spec["paths"]["/leases/{id}/programs"]["post"]["requestBody"]["content"][OCTETS] = binary
    for path in spec["paths"].values():
        for operation in path.values():
            for status, answer in operation.get("responses", {}).items():
                if status >= "400" and "application/json" in answer.get("content", {}):
                    answer["content"] = {problems.MEDIA_TYPE: answer["content"]["application/json"]}
    return spec
