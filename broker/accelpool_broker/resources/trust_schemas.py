"""The JSON of trust rules, and the form of the exchange of ID tokens."""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from apiflask.fields import Dict, Float, Integer, List, Nested, String
from apiflask.validators import Length, OneOf, Range, Regexp

from accelpool_broker.resources.account_schemas import GIVEN_ROLES, MAX_TENANTS, TOKEN_NAME
from accelpool_broker.resources.fields import about, count_field, instant_field, text_field
from accelpool_broker.resources.lease_schemas import TENANT_NAME
from accelpool_broker.services.caller import MAY_BE_GIVEN

# Visible ASCII, which URLs and what issuers call things are made of.
VISIBLE = r"[!-~]{1,255}\Z"
SCOPE_NAMES = r"[!-~]+( [!-~]+){0,31}\Z"
CLAIM_NAME = r"[!-~]{1,128}\Z"
LONGEST_PATTERN, MOST_CLAIMS = 255, 16
LEAST_LIFETIME_S, LONGEST_LIFETIME_S = 60, 86400
HIGHEST = 1000
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN, JWT = "urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"
LONGEST_ID_TOKEN = 16 << 10


def _visible(**options: Any) -> String:
    return String(validate=Regexp(VISIBLE), **options)


class TrustRuleIn(Schema):
    """A trust rule to make."""

    name = String(
        required=True,
        validate=Regexp(TOKEN_NAME),
        metadata=about("what it and its tokens are called in lists"),
    )
    issuer = _visible(required=True, metadata=about("the URL of who signs: the claim `iss`, exactly"))
    audience = _visible(
        load_default=None,
        allow_none=True,
        metadata=about("whom tokens have to be meant for: one of the claim `aud`; null for `client_id`"),
    )
    claims = Dict(
        keys=String(validate=Regexp(CLAIM_NAME)),
        values=text_field(LONGEST_PATTERN, 1),
        load_default=dict,
        validate=Length(0, MOST_CLAIMS),
        metadata=about("what else they have to claim, by name; `*` stands for anything"),
    )
    priority = Integer(
        strict=True,
        load_default=0,
        validate=Range(-HIGHEST, HIGHEST),
        metadata=about("rules of higher ones are tried first"),
    )
    account = text_field(
        128,
        1,
        load_default=None,
        allow_none=True,
        metadata=about("the service account whose tokens are made"),
    )
    role = String(
        load_default=None,
        allow_none=True,
        validate=OneOf(GIVEN_ROLES),
        metadata=about("instead of `account`: each person gets an account of this role"),
    )
    tenants = List(
        String(validate=Regexp(TENANT_NAME)),
        load_default=list,
        validate=Length(0, MAX_TENANTS),
        metadata=about("of people who are members"),
    )
    scopes = List(
        String(validate=OneOf([scope.value for scope in MAY_BE_GIVEN])),
        load_default=None,
        allow_none=True,
        validate=Length(1, len(MAY_BE_GIVEN)),
        metadata=about(
            "what the tokens may be used for; null for all of the role but, for others than admins, `tokens`"
        ),
    )
    lifetime_s = Float(
        load_default=None,
        allow_none=True,
        validate=Range(LEAST_LIFETIME_S, LONGEST_LIFETIME_S),
        metadata=about("for how long they let in; null for an hour, of people for twelve"),
    )
    client_id = _visible(
        load_default=None,
        allow_none=True,
        metadata=about("of people: as whom `accelpool login` asks the issuer"),
    )
    login_scope = String(
        load_default="openid profile email",
        validate=[Length(1, 255), Regexp(SCOPE_NAMES)],
        metadata=about("of people: what `accelpool login` asks the issuer to tell"),
    )


class TrustRuleOut(Schema):
    """A trust rule."""

    id = String()
    name = String()
    issuer = String()
    audience = String()
    claims = Dict(keys=String(), values=String())
    priority = Integer()
    account = String(allow_none=True)
    role = String(allow_none=True)
    tenants = List(String())
    scopes = List(String(), metadata=about("`*` stands for all of an admin"))
    lifetime_s = Float()
    client_id = String(allow_none=True)
    login_scope = String()
    created_at = instant_field()


class TrustRuleList(Schema):
    """A page of trust rules, newest first."""

    items = List(Nested(TrustRuleOut))
    next_cursor = String(allow_none=True)


class LoginMethod(Schema):
    """An issuer at which people log in."""

    issuer = String()
    client_id = String()
    scope = String(metadata=about("what to ask the issuer to tell"))


class LoginOut(Schema):
    """How people log in."""

    methods = List(Nested(LoginMethod))


class TokenExchangeIn(Schema):
    """An ID token to exchange (RFC 8693, section 2.1)."""

    grant_type = String(required=True, validate=OneOf([EXCHANGE]))
    subject_token = text_field(LONGEST_ID_TOKEN, 1, required=True, metadata=about("the ID token"))
    subject_token_type = String(load_default=ID_TOKEN, validate=OneOf([ID_TOKEN, JWT]))


class TokenExchangeOut(Schema):
    """A token that was just made (RFC 8693, section 2.2.1); what is ours comes last."""

    access_token = String(metadata=about("the token itself: it is shown here, and never again"))
    issued_token_type = String()
    token_type = String()
    expires_in = count_field(metadata=about("in seconds"))
    scope = String(metadata=about("what it may be used for, with spaces between"))
    id = String(metadata=about("the token's id"))
    account = String()
    expires_at = instant_field()
