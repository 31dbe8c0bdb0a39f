"""The web page at /, and the page at /docs that shows the API's description; neither is part of the API."""

from __future__ import annotations

from collections.abc import Mapping

from apiflask import APIBlueprint
from flask import Response, request

from accelpool_broker import description_files, web_files
from accelpool_broker.web_files import WebFile
from accelpool_wire.errors import NotFound

blueprint = APIBlueprint("web", __name__, enable_openapi=False)


@blueprint.get("/")
def get_page() -> Response:
    """Answer with the page itself."""
    return get_file(web_files.INDEX)


@blueprint.get("/web/<path:name>")
def get_file(name: str) -> Response:
    """Answer with a file of the page, or that it has not changed."""
    return _answer(web_files.web_files().get(name), name, web_files.HEADERS)


@blueprint.get("/docs")
def get_description() -> Response:
    """Answer with the page that shows the description of the API."""
    return get_description_file(description_files.INDEX)


@blueprint.get("/docs/<name>")
def get_description_file(name: str) -> Response:
    """Answer with a file of that page, or that it has not changed."""
    return _answer(description_files.description_files().get(name), name, description_files.HEADERS)


def _answer(file: WebFile | None, name: str, headers: Mapping[str, str]) -> Response:
    if file is None:
        raise NotFound(f"the page has no file {name}")
    answer = Response(file.content, content_type=file.media_type, headers=headers)
    answer.set_etag(file.etag)
    answer.make_conditional(request)
    return answer
