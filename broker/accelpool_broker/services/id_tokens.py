"""ID tokens: what one says of itself, and what is so once its issuer's key has verified it.

    size           `MOST_BYTES`
    algorithms     those of `ALGORITHMS`, by the key's own sort: no `none`, no shared secrets
    header         names a key (`kid`); nothing critical (`crit`), no payload of another form (`b64`)
    claims         `iss` as expected; `aud`, `sub`, `exp`, `iat`; `nbf` if there; `LEEWAY_S` for other clocks
    lifetime       ends within `LONGEST_S`

Sources: RFC 7515, RFC 7519, RFC 8725; OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, TypeGuard

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key

from accelpool_wire.errors import Unauthorized

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
)  # fmt: skip
MOST_BYTES = 16 << 10
LEEWAY_S = 60
LONGEST_S = 24 * 3600
LONGEST_NAME = 255  # of an issuer, a key, a subject
UNKNOWN = ("crit", "b64")


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a token says of itself, of which nothing is verified.

    Attributes:
        issuer: Who is said to have signed it.
        kid: The issuer's name for the key.
    """

    issuer: str
    kid: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What an issuer says.

    Attributes:
        issuer: Who.
        subject: Of whom, by the issuer's name for him.
        claims: All that is said.
        expires_at: Until when, in seconds since the Unix epoch.
        sha256: What tells it from others of this issuer.
    """

    issuer: str
    subject: str
    claims: dict[str, Any]
    expires_at: float
    sha256: str


def look_at(token: str) -> Claimed:
    """Return what a token says of itself.

    Raises:
        Unauthorized: It is no ID token, or of a sort that is not taken.
    """
    if len(token) > MOST_BYTES or not token.isascii():
        raise Unauthorized(f"an ID token has at most {MOST_BYTES} bytes, all of them ASCII")
    header: Any
    try:
        parts = jws.extract_compact(token.encode(), registry=_registry())
        header, claims = parts.headers(), json.loads(parts.payload or b"")
    except (JoseError, ValueError, TypeError, RecursionError, AttributeError) as error:
        why = error.description if isinstance(error, JoseError) else ""
        raise Unauthorized(f"this is no ID token: {why or 'two JSON objects and a signature'}") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Unauthorized("this is no ID token: header and claims are JSON objects")
    if header.get("alg") not in ALGORITHMS:
        raise Unauthorized(f"ID tokens are signed by {', '.join(ALGORITHMS)}, and by nothing else")
    if any(name in header for name in UNKNOWN):
        raise Unauthorized("the ID token asks for an extension that is not known here")
    issuer, kid = claims.get("iss"), header.get("kid")
    if not _is_name(issuer) or not _is_name(kid):
        raise Unauthorized("the ID token does not say who signed it (`iss`), or with which key (`kid`)")
    return Claimed(issuer=issuer, kid=kid)


def verify(token: str, key: Key, issuer: str, now: float) -> Verified:
    """Return what an issuer says in a token.

    Args:
        token: The token, which `look_at` has taken.
        key: The issuer's key that it names.
        issuer: Who has to be its issuer.
        now: The instant, in seconds since the Unix epoch.

    Raises:
        Unauthorized: Its signature is not the key's, or its time is over or has not come.
    """
    needed = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer},
        aud={"essential": True},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = jwt.decode(token, key, algorithms=ALGORITHMS, registry=_registry()).claims
        needed.validate(claims)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        why = error.description or error.error if isinstance(error, JoseError) else "it is malformed"
        raise Unauthorized(f"the ID token of {issuer} is not good: {why or type(error).__name__}") from error
    if claims["exp"] > now + LONGEST_S + LEEWAY_S:
        raise Unauthorized(f"the ID token of {issuer} is good for more than {LONGEST_S // 3600} hours")
    if not _is_name(claims["sub"]):
        raise Unauthorized(
            f"the ID token of {issuer} has no subject of 1 to {LONGEST_NAME} printable characters"
        )
    return Verified(
        issuer=issuer,
        subject=claims["sub"],
        claims=claims,
        expires_at=float(claims["exp"]),
        sha256=_hash(issuer, token, claims),
    )


def _hash(issuer: str, token: str, claims: dict[str, Any]) -> str:
    """Return what tells a token from others: its `jti`, else what was signed."""
    own = claims.get("jti") or token.rpartition(".")[0]
    return hashlib.sha256(f"{issuer}\n{own}".encode(errors="surrogatepass")).hexdigest()


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _registry() -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
