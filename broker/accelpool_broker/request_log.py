"""A request's id, and its one line in the log.

level    told there
INFO     what changes the pool: leases asked for and given back, nodes, tenants, accounts, tokens;
         and what fails
DEBUG    what is read, long-polls among it; the use of what one has, which comes without end: agents' reports,
         renewals of leases, compute under a lease; and what anybody may cause as often as he likes: 401, 429

A line names the route, never the path or the query as they came, and nothing of headers and bodies: no secret
gets into a log.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from flask import Flask, Response, g, request

from accelpool_broker import request_counts
from accelpool_broker.models import Scope
from accelpool_broker.permissions import NEEDS
from accelpool_broker.services.caller import Caller
from accelpool_wire import request_id

log = logging.getLogger(__name__)

READING = frozenset({"GET", "HEAD", "OPTIONS"})
USE = frozenset({"nodes.reconcile_node", "leases.patch_lease"}) | {
    endpoint for endpoint, need in NEEDS.items() if need is Scope.COMPUTE
}
ENDLESS = frozenset({401, 429})


def register(app: Flask) -> None:
    """Have the app's requests told in the log; right after they are counted, and before all else."""
    app.before_request(_begin)
    app.after_request(_tell)
    app.teardown_request(_end)


def level(method: str, endpoint: str | None, status: int) -> int:
    """Return the level at which a request is told."""
    if status >= 400:
        return logging.DEBUG if status in ENDLESS else logging.INFO
    return logging.DEBUG if method in READING or endpoint in USE else logging.INFO


def _begin() -> None:
    request_id.current.set(request_id.accept(request.headers.get(request_id.HEADER)))


def _tell(answer: Response) -> Response:
    answer.headers[request_id.HEADER] = request_id.current.get()
    at = level(request.method, request.endpoint, answer.status_code)
    if log.isEnabledFor(at):
        method, route = request_counts.named()
        taken_ms = round((time.monotonic() - g.began_at) * 1000, 1)
        about = _objects(route, answer) | {"account": _account()}
        names = "".join(f", {what} {name}" for what, name in about.items() if name)
        own = {"method": method, "route": route, "status": answer.status_code, "duration_ms": taken_ms}
        told = (method, route, answer.status_code, taken_ms, names)
        log.log(at, "%s %s %d in %g ms%s", *told, extra=own | about)
    return answer


def _end(_: BaseException | None) -> None:
    request_id.current.set("")


def _account() -> str:
    who: Caller | None = g.get("caller")
    return "" if who is None else who.account


def _objects(route: str, answer: Response) -> dict[str, Any]:
    """Return the names of the lease or node that a request was about, or that it has made."""
    kind, _, named = route.removeprefix("/").partition("/")
    field = {"leases": "lease", "nodes": "node"}.get(kind)
    if field is None:
        return {}
    given = request.view_args or {}
    if named:
        return {field: given.get("id") or given.get("name") or ""}
    return {field: (answer.location or "").rpartition("/")[2]}
