"""Lease tokens: signed capabilities that a node verifies offline.

    token     = base64url(claims) "." base64url(signature)
    claims    = the JSON object of `LeaseClaims`
    signature = Ed25519 over the bytes of base64url(claims) (RFC 8032); 64 bytes

The broker signs, nodes verify; who holds the token may open sessions under the lease on that node.
Members unknown here are ignored, and `peers` may be missing, so that tokens of other versions are understood.
This module knows the form only: signing and verifying are passed in.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

import msgspec

from accelpool_wire.errors import Unauthorized

MAX_TOKEN_BYTES = 64 * 1024
NO_CERTIFICATE = "none"  # a pin that no certificate has


class ShareClaim(msgspec.Struct, frozen=True, kw_only=True):
    """One device that the token opens.

    Attributes:
        device: The device's name on its node, stable across restarts.
        epoch: The number of this grant of the device; a node refuses numbers below the newest it knows.
        memory_bytes: The memory share, in bytes.
        compute: The compute share, 0 < compute <= 1.
    """

    device: str
    epoch: int
    memory_bytes: int
    compute: float


class LeaseClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a lease token says.

    Attributes:
        lease: The lease's id.
        node: The name of the node it is for.
        shares: The devices of that node under the lease.
        expires_at: When the token stops opening sessions, in seconds since the Unix epoch.
        peers: The addresses of the lease's other endpoints, see `peer_text`: a session of this token may send
            buffers there and nowhere else.
    """

    lease: str
    node: str
    shares: tuple[ShareClaim, ...]
    expires_at: float
    peers: tuple[str, ...] = ()


def peer_text(host: str, port: int, certificate_sha256: str = "") -> str:
    """Return an endpoint as `LeaseClaims.peers` has it: "host:port" or "[v6]:port", with "#" and any pin.

    The pin is the SHA-256 of the only certificate that will do there. It is a part of the address for those
    who know nothing of pins: they find no such address, rather than send without TLS.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{address}#{certificate_sha256}" if certificate_sha256 else address


def read_peer(text: str) -> tuple[str, str]:
    """Return the address and the pin, empty for none, of what `peer_text` made."""
    address, mark, certificate_sha256 = text.partition("#")
    return address, certificate_sha256 or (NO_CERTIFICATE if mark else "")


def encode(claims: LeaseClaims, sign: Callable[[bytes], bytes]) -> str:
    """Return the token for `claims`; `sign` gives the signature of some bytes."""
    body = urlsafe_b64encode(msgspec.json.encode(claims))
    return (body + b"." + urlsafe_b64encode(sign(body))).decode()


def decode(token: str, verify: Callable[[bytes, bytes], bool]) -> LeaseClaims:
    """Return the claims of a token whose signature holds.

    Args:
        token: As `encode` made it.
        verify: Called with (signature, signed bytes); whether the signature holds.

    Raises:
        Unauthorized: The token is malformed, or its signature does not hold.
    """
    body, _, signature = token.encode("utf-8", "replace").partition(b".")
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthorized(f"a lease token has at most {MAX_TOKEN_BYTES} bytes, not {len(token)}")
    try:
        claimed = urlsafe_b64decode(body)
        held = verify(urlsafe_b64decode(signature), body)
    except (binascii.Error, ValueError) as error:
        raise Unauthorized("the lease token is not of the form claims.signature in base64url") from error
    if not held:
        raise Unauthorized("the lease token's signature does not hold for this pool")
    try:
        return msgspec.json.decode(claimed, type=LeaseClaims)
    except msgspec.MsgspecError as error:
        raise Unauthorized(f"the lease token's claims are malformed: {error}") from error
