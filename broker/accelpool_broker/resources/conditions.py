"""Conditional requests (RFC 9110, section 13): what a thing must be like to be changed."""

from __future__ import annotations

from collections.abc import Mapping

from apiflask import Schema
from apiflask.fields import String
from werkzeug.http import parse_etags

from accelpool_broker.resources.fields import about, text_field
from accelpool_broker.services.tenants import Condition

MAX_CONDITION = 1000


class Conditions(Schema):
    """The headers of a request that is carried out only if the thing is as it says."""

    if_match = text_field(
        MAX_CONDITION,
        load_default=None,
        data_key="If-Match",
        metadata=about("the ETag that was read, or *: only if it is still so, or is there at all"),
    )
    if_none_match = text_field(
        MAX_CONDITION,
        load_default=None,
        data_key="If-None-Match",
        metadata=about("*: only if there is none; an ETag: only if it is another one"),
    )


class Tagged(Schema):
    """The headers of an answer that changes with a thing."""

    etag = String(data_key="ETag", metadata=about("changes with its rules, and not with its use"))


def condition(given: Mapping[str, str | None]) -> Condition:
    """Return what a request says of the tag of the thing as it is; None is that of nothing.

    Our tags are strong. A proxy that compresses answers makes weak ones of them (`W/"..."`), which do for
    If-Match, too: they stand for rules, not for the bytes of an answer.

    Args:
        given: The request's headers, as `Conditions` has read them.
    """
    has_match = given["if_match"] is not None
    wanted, unwanted = parse_etags(given["if_match"]), parse_etags(given["if_none_match"])

    def holds(tag: str | None) -> bool:
        if tag is None:
            return not has_match
        return (not has_match or wanted.contains_weak(tag)) and not unwanted.contains_weak(tag)

    return holds
