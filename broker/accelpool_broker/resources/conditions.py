"""Conditional requests (RFC 9110, section 13): what a thing must be like to be changed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apiflask import Schema
from apiflask.fields import String
from apiflask.validators import Length, Regexp

from accelpool_broker.resources.fields import about
from accelpool_broker.services.tenants import Condition

MAX_CONDITION = 1000
TAG = r'(?:W/)?"(?!\*")[!#-~]*"'  # "*" is none of ours: who sends it means *
ANY = "*"
ADDED = "-gzip", "-br"  # by proxies that compress answers


def _field(header: str, description: str) -> String:
    return String(
        load_default=None,
        data_key=header,
        validate=[
            Length(max=MAX_CONDITION),
            Regexp(rf"^(?:\*|{TAG}(?:[ \t]*,[ \t]*{TAG})*)$", error="It is * or a list of ETags."),
        ],
        metadata=about(description),
    )


class Conditions(Schema):
    """The headers of a request that is carried out only if the thing is as it says."""

    if_match = _field("If-Match", "the ETag that was read, or *: only if it is still so, or is there at all")
    if_none_match = _field("If-None-Match", "*: only if there is none; an ETag: only if it is another one")


class Tagged(Schema):
    """The headers of an answer that changes with a thing."""

    etag = String(data_key="ETag", metadata=about("changes with its rules, and not with its use"))


def condition(given: Mapping[str, str | None]) -> Condition:
    """Return what a request says of the tag of the thing as it is; None is that of nothing.

    Our tags are strong. A proxy that compresses answers weakens them (`W/"..."`), or adds how to them
    (`"...-gzip"`), which does for If-Match, too: they stand for rules, not for the bytes of an answer.

    Args:
        given: The request's headers, as `Conditions` has read them.
    """
    wanted, unwanted = given["if_match"], given["if_none_match"]

    def holds(tag: str | None) -> bool:
        return (wanted is None or _has(wanted, tag)) and not (unwanted is not None and _has(unwanted, tag))

    return holds


def _has(listed: str, tag: str | None) -> bool:
    """Whether a list of tags, or * for each that there is, has one."""
    if tag is None or listed == ANY:
        return tag is not None
    return tag in {_own(one) for one in re.findall(TAG, listed)}


def _own(tag: str) -> str:
    """Return a tag as we gave it, without its quotes."""
    bare = tag.removeprefix("W/").strip('"')
    return next((bare.removesuffix(added) for added in ADDED if bare.endswith(added)), bare)
