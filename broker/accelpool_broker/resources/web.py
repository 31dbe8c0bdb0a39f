"""The web page: / and its files. No part of the API, whose description does not tell of it."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from accelpool_broker.web_files import HEADERS, INDEX, web_files
from accelpool_wire.errors import NotFound

blueprint = APIBlueprint("web", __name__, enable_openapi=False)


@blueprint.get("/")
def get_page() -> Response:
    """Answer with the page itself."""
    return get_file(INDEX)


@blueprint.get("/web/<path:name>")
def get_file(name: str) -> Response:
    """Answer with a file of the page, or that it has not changed."""
    file = web_files().get(name)
    if file is None:
        raise NotFound(f"the page has no file {name}")
    answer = Response(file.content, content_type=file.media_type, headers=HEADERS)
    answer.set_etag(file.etag)
    answer.make_conditional(request)
    return answer
