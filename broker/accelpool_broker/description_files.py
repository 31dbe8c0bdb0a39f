"""The files of /docs, which shows the API's description by Swagger UI, and what browsers are told of them.

Swagger UI comes with the package flask-swagger-ui: nothing is loaded from elsewhere. Still it is a program
of others at the web page's origin, where a token may be kept. In a sandbox without an origin of its own it
can read neither that nor anything else of the broker, but for these files and the description, which are
for everybody.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from apiflask import APIFlask
from flask import Response, request

from accelpool_broker import web_files
from accelpool_broker.web_files import WebFile, read_file

FOLDER, INDEX = Path(__file__).parent / "description", "index.html"
SWAGGER_UI = "swagger-ui.css", "swagger-ui-bundle.js"
POLICY = "; ".join(
    (
        "sandbox allow-scripts allow-popups",
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the signs in Swagger UI's style sheet
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",  # the sandbox has another origin than its own files
    "Cache-Control": "no-cache",
}
HEADERS_OF_SPEC = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}


@cache
def description_files() -> dict[str, WebFile]:
    """Return all files of the page by their names; nothing else is served."""
    bundle = Path(str(files("flask_swagger_ui"))) / "dist"
    theirs = [bundle / name for name in SWAGGER_UI]
    return {path.name: read_file(path) for path in (*FOLDER.iterdir(), web_files.ICON, *theirs)}


def register(app: APIFlask) -> None:
    """Have the description itself, /openapi.json, carry its headers."""
    app.after_request(_tell)


def _tell(answer: Response) -> Response:
    if request.endpoint == "openapi.spec":
        answer.headers.update(HEADERS_OF_SPEC)
    return answer
