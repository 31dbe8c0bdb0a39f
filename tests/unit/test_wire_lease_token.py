"""Lease tokens: their form, and what is refused. Real signatures are the broker's and node's own tests."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_wire.errors import Unauthorized
from accelpool_wire.lease_token import MAX_TOKEN_BYTES, LeaseClaims, ShareClaim, decode, encode

CLAIMS = LeaseClaims(
    lease="lse_1",
    node="n1",
    shares=(ShareClaim(device="gpu-0", epoch=3, memory_bytes=1 << 30, compute=0.5),),
    expires_at=1.75e9,
    peers=("10.0.0.2:7000", "[fd00::3]:7000"),
)


def sign(content: bytes) -> bytes:
    return hashlib.sha512(b"key" + content).digest()


def verify(signature: bytes, content: bytes) -> bool:
    return signature == sign(content)


def with_body(body: bytes) -> str:
    encoded = urlsafe_b64encode(body)
    return f"{encoded.decode()}.{urlsafe_b64encode(sign(encoded)).decode()}"


def test_token_has_the_documented_form() -> None:
    body, _, signature = encode(CLAIMS, sign).partition(".")
    claims = {
        "lease": "lse_1",
        "node": "n1",
        "shares": [{"device": "gpu-0", "epoch": 3, "memory_bytes": 1 << 30, "compute": 0.5}],
        "expires_at": 1.75e9,
        "peers": ["10.0.0.2:7000", "[fd00::3]:7000"],
    }
    assert body == urlsafe_b64encode(msgspec.json.encode(claims)).decode()
    assert signature == urlsafe_b64encode(sign(body.encode())).decode()


@given(claims=st.from_type(LeaseClaims).filter(lambda claims: claims == claims))
def test_any_claims_round_trip(claims: LeaseClaims) -> None:
    floats = [claims.expires_at, *(share.compute for share in claims.shares)]
    ints = [number for share in claims.shares for number in (share.epoch, share.memory_bytes)]
    if all(abs(number) < float("inf") for number in floats) and all(abs(n) < 2**63 for n in ints):
        assert decode(encode(claims, sign), verify) == claims


@pytest.mark.parametrize("place", [0, 10, -1, -20])
def test_changed_token_is_refused(place: int) -> None:
    token = encode(CLAIMS, sign).rstrip("=")
    at = place % len(token)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] + "=="
    with pytest.raises(Unauthorized):
        decode(changed, verify)


@pytest.mark.parametrize(
    "token", ["", ".", "a", "a.b", "a.b.c", "é.é", "\ud800.x", "not a token", "====.===="]
)
def test_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthorized):
        decode(token, verify)


def test_signature_is_checked_before_the_claims_are_read() -> None:
    token = f"{urlsafe_b64encode(b'not json').decode()}.{urlsafe_b64encode(b'x' * 64).decode()}"
    with pytest.raises(Unauthorized, match="signature does not hold"):
        decode(token, verify)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"lease": 1}', b"\xff", b"[" * 1000])
def test_signed_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(Unauthorized, match="claims are malformed"):
        decode(with_body(body), verify)


def test_claims_of_a_later_version_are_read() -> None:
    body = msgspec.json.encode({**msgspec.to_builtins(CLAIMS), "new": [1]})
    assert decode(with_body(body), verify) == CLAIMS


def test_claims_of_a_version_without_peers_are_read() -> None:
    known = msgspec.to_builtins(CLAIMS)
    del known["peers"]
    assert decode(with_body(msgspec.json.encode(known)), verify).peers == ()


@pytest.mark.parametrize("peers", ["10.0.0.2:7000", [1], None])
def test_peers_that_are_no_list_of_strings_are_refused(peers: object) -> None:
    body = msgspec.json.encode({**msgspec.to_builtins(CLAIMS), "peers": peers})
    with pytest.raises(Unauthorized, match="claims are malformed"):
        decode(with_body(body), verify)


def test_too_long_a_token_is_refused_unread() -> None:
    def never(signature: bytes, content: bytes) -> bool:
        raise AssertionError

    with pytest.raises(Unauthorized, match=f"at most {MAX_TOKEN_BYTES} bytes"):
        decode("A" * (MAX_TOKEN_BYTES + 1), never)
