"""What the OpenAPI document says beyond routes and schemas: how to begin, and how each call can fail.

status         declared for
401 403        every call that needs a token, ours or an issuer's
404            paths with a name or an id in them
400 413 415    calls with a body
412            calls with a condition, such as If-Match
422            every call but probes: a query or body that is not valid; compute, where OpenCL refuses
409 410        changes of a lease or node, compute under a lease; events that are no longer kept
429            every call but probes: how many one may send, and other limits
507            compute that makes or writes something: the device's memory
503            every call
default        all others, such as 405
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accelpool_broker.problems import MEDIA_TYPE
from accelpool_broker.resources.context import OCTETS
from accelpool_wire.request_id import HEADER, WELL_FORMED

COMPUTE = "/leases/{id}/"
EXCHANGE = ("/token-exchange", "post")
PROBES = tuple((path, "get") for path in ("/livez", "/readyz", "/health"))
OPEN = (*PROBES, ("/login", "get"), EXCHANGE)
DESCRIPTION = """\
A pool of accelerators: devices, leases on them, and compute under a lease.

**Token.** Every call but `GET /livez`, `/readyz`, `/health`, `GET /login` and `POST /token-exchange` needs
`Authorization: Bearer TOKEN`. `accelpool up` writes its pool's URL and token to the user's credentials
file, and `accelpool credentials` prints them; a broker run by itself writes the first admin's, `user`,
to `tokens.json` in its state directory. `POST /accounts` and `POST /tokens` let others in; `GET
/whoami` says whose token one has, and what for.

**Order of calls.** `POST /leases` asks for devices. While the lease is `queued`, `GET
/leases/{id}?wait_s=25` waits for it; reading it is what keeps it in the queue. Once it is `active`:
`POST .../programs` builds, `POST .../buffers` allocates, `PUT .../buffers/{buffer}/content` writes,
`POST .../launches` runs a kernel, `GET .../content` reads the result, and `DELETE /leases/{id}`
gives the devices back. An active lease ends `ttl_s` after it was granted unless `PATCH
/leases/{id}` renews it.

**Queries and bodies** with a parameter or member that the call does not have are refused (422), and so is a
parameter that is given twice: nothing is left out unseen.

**Failures** are `application/problem+json` (RFC 9457), whatever the status: `type` is for programs,
`detail` for people.

**Request ids.** Every answer has the header `X-Request-Id`, by which the broker's log names the request;
a failure has it as `request_id`, too. A request may bring one of its own in the same header: up to 64
letters, digits, `.`, `_` and `-`, of which a letter or digit is the first. Else the broker makes one.
"""
EVENTS, STREAM = "/events", "text/event-stream"
FAILURES = {
    "400": ("NotJson", "The body is not JSON, or is cut short"),
    "401": ("Unauthorized", "There is no token, or nobody knows it"),
    "403": ("Forbidden", "The token's scopes, or its account's role and tenants, do not allow this"),
    "404": ("NotFound", "There is no such thing"),
    "409": ("Conflict", "The present state does not allow this, such as a lease that is still queued"),
    "410": ("Gone", "The lease has ended, its session is lost, or the events are no longer kept"),
    "412": ("Changed", "It is not, or no longer, as If-Match or If-None-Match says: read it again"),
    "413": ("TooLarge", "The body is over the limit"),
    "415": ("UnsupportedMediaType", "The body has a media type that this call does not take"),
    "422": ("Invalid", "The request can never succeed as it is, or OpenCL refused the call"),
    "429": ("OverALimit", "Over a limit: of the lease, of the broker, or of requests per second"),
    "503": ("Unavailable", "Not available now: try again after Retry-After seconds"),
    "507": ("OutOfMemory", "The device or its node is out of memory"),
    "default": ("Failure", "Any other failure, such as a method that the path does not have (405)"),
}
PYTHONS_END = r"\Z"
ASKED = {HEADER: {"$ref": "#/components/headers/RequestId"}}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def finish(spec: Any) -> Any:
    """Return the document, with what the routes and schemas do not say themselves."""
    spec["security"] = [{"bearer": []}]
    for path, method in OPEN:
        spec["paths"][path][method]["security"] = []
    _describe_bodies(spec["paths"])
    spec["components"]["headers"] = {"RequestId": _request_id()}
    _write_patterns(spec)
    spec["components"]["responses"] = {name: _response(status) for status, (name, _) in FAILURES.items()}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                _without_null(parameter["schema"])
            given = {status: answer for status, answer in operation["responses"].items() if status < "400"}
            failures = {status: _reference(status) for status in _failures(path, method, operation)}
            for answer in given.values():
                answer["headers"] = answer.get("headers", {}) | ASKED
            operation["responses"] = given | failures
    return spec


def _describe_bodies(paths: Any) -> None:
    content = paths["/leases/{id}/buffers/{buffer}/content"]["put"]
    content["requestBody"] = {"required": False, "content": {OCTETS: _binary()}}  # nothing is no bytes
    program = paths["/leases/{id}/programs"]["post"]["requestBody"]
    program["required"] = True
    program["content"][OCTETS] = _binary()
    answer = paths[EVENTS]["get"]["responses"]["200"]
    answer["content"][STREAM] = {"schema": {"type": "string"}}
    exchange, method = EXCHANGE
    paths[exchange][method]["requestBody"]["required"] = True  # no bytes are no form


def _request_id() -> dict[str, Any]:
    schema = {"type": "string", "pattern": WELL_FORMED.pattern}
    return {"schema": schema, "description": "The request's id, as the broker's log has it."}


def _binary() -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary"}}


def _failures(path: str, method: str, operation: Any) -> Iterator[str]:
    """Yield the statuses with which a call can fail."""
    has_body, is_compute = "requestBody" in operation, path.startswith(COMPUTE)
    if operation.get("security") != [] or (path, method) == EXCHANGE:
        yield from ("401", "403")
    if (path, method) not in PROBES:
        yield from ("422", "429")
    if has_body:
        yield from ("400", "413") if method == "put" and is_compute else ("400", "413", "415")
    if "{" in path:
        yield "404"
    if is_compute or has_body:
        yield "409"
    if any(one["name"] == "If-Match" for one in operation.get("parameters", ())):
        yield "412"
    if is_compute or path == EVENTS or (path.startswith(COMPUTE.rstrip("/")) and method == "patch"):
        yield "410"
    if is_compute and has_body:
        yield "507"
    yield from ("503", "default")


def _reference(status: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{FAILURES[status][0]}"}


def _response(status: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = ASKED | (RETRY_AFTER if status in ("429", "503") else {})
    return {"description": FAILURES[status][1], "content": content, "headers": headers}


def _write_patterns(tree: Any) -> None:
    """Write Python's patterns, which match from the beginning on, as JSON Schema has them: ECMA-262's."""
    if isinstance(tree, list):
        for each in tree:
            _write_patterns(each)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            if name == "pattern" and isinstance(value, str):
                tree[name] = f"^{value.removeprefix('^').removesuffix(PYTHONS_END).removesuffix('$')}$"
            else:
                _write_patterns(value)


def _without_null(schema: Any) -> None:
    """Drop null from a parameter, which is left out instead; OpenAPI 3.1 has no `nullable` either."""
    schema.pop("nullable", None)
    if schema.get("default", 0) is None:
        del schema["default"]
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
