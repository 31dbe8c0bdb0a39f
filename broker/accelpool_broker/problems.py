"""All failures become `application/problem+json` (RFC 9457), here and nowhere else."""

from __future__ import annotations

import logging
import math
from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from accelpool_wire import request_id
from accelpool_wire.errors import PROBLEM_BASE, ProblemError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
OWN = frozenset({"type", "title", "status", "detail", "instance", "request_id"})
WHOLE = "_schema"
WORDS = {"Invalid input type.": "A JSON object was expected."}
NAMES = {400: "invalid", 404: "not-found", 422: "invalid"}

log = logging.getLogger(__name__)


def register(app: APIFlask) -> None:
    """Let the app answer every failure with a problem."""
    app.register_error_handler(ProblemError, _of_problem)
    app.register_error_handler(HTTPError, _of_validation)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def _of_problem(error: ProblemError) -> Response:
    return _answer(
        type=error.type,
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=error.instance,
        **error.members,
    )


def _of_validation(error: HTTPError) -> Response:
    errors = error.detail if isinstance(error.detail, dict) else {"request": error.detail}
    told = what_is_wrong("", errors) or error.message
    return _answer(
        type=NAMES.get(error.status_code, "http"),
        title="The request is not valid",
        status=error.status_code,
        detail=str(told)[:2000],
        errors=errors,
    )


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    answer = _answer(
        type=NAMES.get(status, "-".join(error.name.lower().split())),
        title=error.name,
        status=status,
        detail=_described(error),
    )
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            answer.headers[name] = value
    return answer


def _described(error: HTTPException) -> str:
    """Return what is wrong, in our words where it is the address."""
    path = request.path[:200]
    if isinstance(error, MethodNotAllowed):
        possible = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.method} is not possible at {path}; {possible} are"
    if isinstance(error, NotFound) and error.description == NotFound.description:
        return f"there is nothing at {path}; /docs has the addresses that there are"
    return error.description or error.name


def _of_bug(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _answer(
        type="internal",
        title="The broker failed",
        status=500,
        detail=f"an unexpected error, noted in the broker's log as request {request_id.current.get()}",
    )


def _answer(
    *, type: str, title: str, status: int, detail: str, instance: str = "", **members: Any
) -> Response:
    g.problem = type
    answer = jsonify(
        {name: value for name, value in members.items() if name not in OWN}
        | {
            "type": PROBLEM_BASE + type,
            "title": title,
            "status": status,
            "detail": detail,
            "instance": instance or request.path,
            "request_id": request_id.current.get(),
        }
    )
    answer.status_code = status
    answer.mimetype = MEDIA_TYPE
    if status in (429, 503):
        answer.headers["Retry-After"] = str(max(RETRY_AFTER_S, math.ceil(members.get("retry_after_s", 0))))
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def what_is_wrong(where: str, errors: Any) -> str:
    """Return validation errors on one line for people.

    Args:
        where: What they are about, such as "json", or "".
        errors: Messages by member, as marshmallow gives them.
    """
    return "; ".join(_flatten(where, errors))


def _flatten(path: str, errors: Any) -> list[str]:
    """Return what is wrong where, such as `json.ttl_s: Not a valid integer.`."""
    if isinstance(errors, dict):
        return [line for key, value in errors.items() for line in _flatten(_below(path, str(key)), value)]
    if isinstance(errors, list):
        return [line for value in errors for line in _flatten(path, value)]
    told = WORDS.get(str(errors), str(errors))
    return [f"{path}: {told}" if path else told]


def _below(path: str, key: str) -> str:
    """Return the path of a member; marshmallow's `_schema` is the object itself."""
    if key == WHOLE:
        return path
    return f"{path}.{key}" if path else key
