"""What browsers are told about /docs, which runs Swagger UI from elsewhere, and about /openapi.json.

The page has the web page's origin, where a token may be kept. In a sandbox without an origin of its own it
can read neither that nor anything else of the broker, but for the description, which is for everybody.
"""

from __future__ import annotations

from apiflask import APIFlask
from flask import Response, request

POLICY = "sandbox allow-scripts allow-popups; frame-ancestors 'none'"
HEADERS = {
    "openapi.docs": {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    },
    "openapi.spec": {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"},
}


def register(app: APIFlask) -> None:
    """Have the two answers carry their headers."""
    app.after_request(_tell)


def _tell(answer: Response) -> Response:
    answer.headers.update(HEADERS.get(request.endpoint or "", {}))
    return answer
