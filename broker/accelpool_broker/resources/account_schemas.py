"""The JSON of accounts and tokens."""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from apiflask.fields import AwareDateTime, Boolean, Float, List, Nested, String
from apiflask.validators import Length, OneOf, Range, Regexp

from accelpool_broker.models import AccountKind, Role
from accelpool_broker.resources.fields import Truth, about, instant_field, text_field
from accelpool_broker.resources.lease_schemas import TENANT_NAME
from accelpool_broker.resources.schemas import ListQuery
from accelpool_broker.services.caller import MAY_BE_GIVEN

ACCOUNT_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._@-]{0,63}\Z"
TOKEN_NAME = r"[A-Za-z0-9][A-Za-z0-9 ._@/-]{0,63}\Z"  # noqa: S105 - the form of a name
MAX_TENANTS = 64
LONGEST_OVERLAP_S = 90 * 86400
GIVEN_KINDS = (AccountKind.USER.value, AccountKind.SERVICE.value)
GIVEN_ROLES = (Role.ADMIN.value, Role.OPERATOR.value, Role.MEMBER.value)


def _tenants(**options: Any) -> Any:
    return List(
        String(validate=Regexp(TENANT_NAME)),
        validate=Length(0, MAX_TENANTS),
        metadata=about("of a member: in whose name it asks for devices, with those below them"),
        **options,
    )


class AccountIn(Schema):
    """An account to make."""

    name = String(required=True, validate=Regexp(ACCOUNT_NAME))
    kind = String(load_default=AccountKind.USER.value, validate=OneOf(GIVEN_KINDS))
    role = String(load_default=Role.MEMBER.value, validate=OneOf(GIVEN_ROLES))
    tenants = _tenants(load_default=list)


class AccountPatch(Schema):
    """What is to change about an account."""

    role = String(validate=OneOf(GIVEN_ROLES))
    tenants = _tenants()
    disabled = Truth(metadata=about("none of its tokens lets anybody in, and its leases end"))


class AccountOut(Schema):
    """An account."""

    name = String()
    kind = String(validate=OneOf([kind.value for kind in AccountKind]))
    role = String(validate=OneOf([role.value for role in Role]))
    tenants = List(String())
    disabled = Boolean()
    created_at = instant_field()


class AccountList(Schema):
    """A page of accounts."""

    items = List(Nested(AccountOut))
    next_cursor = String(allow_none=True)


class TokenQuery(ListQuery):
    """Whose tokens are wanted."""

    account = text_field(
        128, 1, load_default=None, metadata=about("an account; without it one's own. Others need `accounts`")
    )


class TokenIn(Schema):
    """A token to make."""

    name = String(required=True, validate=Regexp(TOKEN_NAME), metadata=about("what it is called in lists"))
    account = text_field(
        128,
        1,
        load_default=None,
        allow_none=True,
        metadata=about("whose it is; null for one's own. Others need the scope `accounts`"),
    )
    scopes = List(
        String(
            validate=OneOf([scope.value for scope in MAY_BE_GIVEN], error="{input!r} is none of {choices}")
        ),
        load_default=None,
        allow_none=True,
        validate=Length(1, len(MAY_BE_GIVEN)),
        metadata=about("what it may be used for; null for all that the token has that asks for it"),
    )
    expires_at = AwareDateTime(
        format="iso", load_default=None, allow_none=True, metadata=about("null for never")
    )


class RotationIn(Schema):
    """How a token is to be replaced."""

    overlap_s = Float(
        load_default=300.0,
        validate=Range(0, LONGEST_OVERLAP_S),
        metadata=about("how long the old one goes on to let in, in seconds"),
    )
    expires_at = AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        metadata=about("of the new one; null for as long as the old one from its making on"),
    )


class TokenOut(Schema):
    """A token, without what it is itself."""

    id = String()
    account = String()
    name = String()
    scopes = List(String())
    created_at = instant_field()
    expires_at = instant_field(allow_none=True)
    last_used_at = String(allow_none=True, metadata={"format": "date-time", **about("to some minutes")})
    revoked_at = instant_field(allow_none=True)
    replaced_by = String(allow_none=True, metadata=about("the id of the token that it was rotated to"))
    rule = String(allow_none=True, metadata=about("the id of the trust rule that made it from an ID token"))


class NewToken(TokenOut):
    """A token that was just made."""

    token = String(metadata=about("the token itself: it is shown here, and never again"))


class TokenList(Schema):
    """A page of tokens, newest first."""

    items = List(Nested(TokenOut))
    next_cursor = String(allow_none=True)


class Whoami(Schema):
    """Whose token a request was sent with, and what it may be used for."""

    account = String()
    role = String(validate=OneOf([role.value for role in Role]))
    tenants = List(String())
    token = String(metadata=about("the token's id"))
    scopes = List(String())
