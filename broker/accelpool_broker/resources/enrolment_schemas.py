"""The JSON of join tokens and enrolment."""

from __future__ import annotations

from apiflask import Schema
from apiflask.fields import Float, List, Nested, String
from apiflask.validators import Range, Regexp

from accelpool_broker.resources.fields import about, instant_field

NODE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
SHA256 = r"[0-9a-f]{64}\Z"
LONGEST_S = 30 * 86400


class JoinTokenIn(Schema):
    """A join token to make."""

    node = String(
        load_default=None,
        allow_none=True,
        validate=Regexp(NODE_NAME),
        metadata=about("the node that it is for; null for any that is not there yet"),
    )
    lifetime_s = Float(
        load_default=3600.0, validate=Range(1, LONGEST_S), metadata=about("for how long it lets in")
    )


class JoinTokenOut(Schema):
    """A join token, without what it is itself."""

    id = String()
    node = String(allow_none=True)
    account = String(metadata=about("who made it"))
    created_at = instant_field()
    expires_at = instant_field()
    used_at = instant_field(allow_none=True)
    used_by = String(allow_none=True, metadata=about("the node that used it"))


class NewJoinToken(JoinTokenOut):
    """A join token that was just made."""

    token = String(metadata=about("the token itself: it is shown here, and never again"))


class JoinTokenList(Schema):
    """A page of join tokens, newest first."""

    items = List(Nested(JoinTokenOut))
    next_cursor = String(allow_none=True)


class EnrolmentIn(Schema):
    """A node that comes for the first time, or anew."""

    sha256 = String(
        required=True,
        validate=Regexp(SHA256, error="64 hexadecimal digits in small letters"),
        metadata=about("of a secret that the agent has made: the node's token from now on"),
    )


class EnrolmentOut(Schema):
    """What a node has now."""

    account = String()
    token = String(metadata=about("the token's id"))
