"""Refuses parameters of a query that its call does not know, as unknown members of a body are refused.

The schemas read what they know and leave the rest out: `?stat=active` would list all. Of a parameter that is
given twice they read the first.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiflask import APIFlask, HTTPError
from werkzeug.datastructures import MultiDict

MOST_TOLD, MOST_NAME = 8, 64
Parameters = Mapping[str, tuple[str, ...]]


def parameters(app: APIFlask) -> Parameters:
    """Return the names of the parameters that each endpoint's query may have, as its schemas have them."""
    return {endpoint: tuple(_names(view)) for endpoint, view in app.view_functions.items()}


def _names(view: object) -> list[str]:
    described = getattr(view, "_spec", {}).get("args") or ()
    schemas = [schema for schema, location in described if location == "query"]
    return [field.data_key or name for schema in schemas for name, field in schema.fields.items()]


def check(given: MultiDict[str, str], known: tuple[str, ...]) -> None:
    """Check that a query has no parameter but these, and each once.

    Raises:
        HTTPError: 422, with each that is wrong by its name.
    """
    found = {name: _problem(name, len(values), known) for name, values in given.lists()}
    wrong = [(name[:MOST_NAME], [problem]) for name, problem in found.items() if problem]
    if len(wrong) > MOST_TOLD:
        wrong[MOST_TOLD:] = [("and", [f"{len(wrong) - MOST_TOLD} more are wrong."])]
    if wrong:
        raise HTTPError(422, "The query is not valid", {"query": dict(wrong)})


def _problem(name: str, times: int, known: tuple[str, ...]) -> str:
    if name not in known:
        return f"Unknown parameter; there are {', '.join(known) or 'none'}."
    return "" if times == 1 else f"It is given {times} times, and may be once."
