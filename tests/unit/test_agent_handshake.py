"""What a client's first frame may be, and whether the client is let in."""

from __future__ import annotations

import contextlib
from base64 import b64encode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from accelpool_node.agent import handshake
from accelpool_node.agent.devices import Devices, describe
from accelpool_node.control import SessionShare
from accelpool_node.discover import Listed
from accelpool_wire.errors import Forbidden, Invalid, Unauthorized, Unavailable
from accelpool_wire.frames import FIRST_BODY_BYTES, PREFIX
from accelpool_wire.lease_token import LeaseClaims, ShareClaim, encode
from accelpool_wire.messages import Deliver, Finish, Hello, Refused, SessionQuery

KEY = Ed25519PrivateKey.generate()
VERIFY = handshake.verifier(b64encode(KEY.public_key().public_bytes_raw()).decode())


def claims(*names, node="n"):
    shares = tuple(ShareClaim(device=name, epoch=1, memory_bytes=7, compute=1.0) for name in names)
    return LeaseClaims(lease="L", node=node, shares=shares, expires_at=1.0)


def devices(*names, **faults):
    listed = [Listed(name=name, platform={}, info={}, kind="cpu", api="opencl") for name in ("a", "b")]
    found = [
        describe(environment, one, faults.get(one.name, "")) for environment in ("x", "y") for one in listed
    ]
    return Devices(found)


def body(message):
    return msgspec.msgpack.encode(message)


def frame(body, payload=0):
    return PREFIX.pack(len(body), payload) + body


@pytest.mark.parametrize("size", [1, FIRST_BODY_BYTES])
def test_a_body_within_the_limit_is_read(size):
    assert handshake.body_bytes(PREFIX.pack(size, 0)) == size


@pytest.mark.parametrize(("size", "payload"), [(0, 0), (FIRST_BODY_BYTES + 1, 0)])
def test_other_lengths_are_refused(size, payload):
    with pytest.raises(Invalid, match="first frame"):
        handshake.body_bytes(PREFIX.pack(size, payload))


@pytest.mark.parametrize(
    "message", [Hello([1], [], "t"), Hello([7, 1], ["f"], "t", "c"), SessionQuery("t", "s")]
)
def test_hello_and_session_query_are_first_messages(message):
    assert handshake.read_first(frame(body(message))) == message


@pytest.mark.parametrize("message", [Hello([1], [], "t"), SessionQuery("t", "s")])
def test_what_clients_say_first_has_no_payload(message):
    with pytest.raises(Invalid, match="no payload, not 1 bytes"):
        handshake.read_first(frame(body(message), payload=1))


@pytest.mark.parametrize("ticket", [bytes(16), bytes(64)])
@pytest.mark.parametrize("payload", [1, handshake.MAX_PAYLOAD_BYTES])
def test_a_delivery_is_a_first_message(ticket, payload):
    assert handshake.read_first(frame(body(Deliver("s", ticket)), payload)) == Deliver("s", ticket)


@pytest.mark.parametrize(
    ("ticket", "payload", "text"),
    [
        (bytes(15), 1, "16 to 64 bytes, not 15"),
        (bytes(65), 1, "16 to 64 bytes, not 65"),
        (bytes(16), 0, "1 to .* bytes, not 0"),
        (bytes(16), handshake.MAX_PAYLOAD_BYTES + 1, "a delivery has 1 to"),
    ],
)
def test_other_deliveries_are_refused(ticket, payload, text):
    with pytest.raises(Invalid, match=text):
        handshake.read_first(frame(body(Deliver("s", ticket)), payload))


@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"GET / HTTP/1.1",
        body(Finish(1)),
        body([0]),
        body({"a": 1}),
        b"\x91" * 60_000,
        body([0, 1, 2, 3]),
    ],
)
def test_anything_else_is_no_first_message(content):
    with pytest.raises(Invalid, match="neither Hello nor SessionQuery"):
        handshake.read_first(frame(content))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(content):
    with contextlib.suppress(Invalid):
        handshake.read_first(frame(content))


def test_a_client_of_another_version_is_refused():
    with pytest.raises(Invalid, match=r"speaks version 1.*offers \[2, 3\]"):
        handshake.read_first(frame(body(Hello([2, 3], [], "t"))))


def test_a_token_of_the_pool_gives_its_claims():
    token = encode(claims("x/a"), KEY.sign)
    assert handshake.read_token(token, node="n", verify=VERIFY) == claims("x/a")


@pytest.mark.parametrize("token", ["", "x", "a.b", encode(claims("x/a"), Ed25519PrivateKey.generate().sign)])
def test_a_token_of_nobody_is_refused(token):
    with pytest.raises(Unauthorized):
        handshake.read_token(token, node="n", verify=VERIFY)


def test_a_token_for_another_node_is_refused():
    token = encode(claims("x/a", node="m"), KEY.sign)
    with pytest.raises(Forbidden, match=r"node m.*node n"):
        handshake.read_token(token, node="n", verify=VERIFY)


@pytest.mark.parametrize("key", ["", "nonsense!", b64encode(b"short").decode()])
def test_a_broken_public_key_is_refused(key):
    with pytest.raises(Invalid, match="public key"):
        handshake.verifier(key)


def test_the_worker_is_told_the_backends_names():
    admission = handshake.admit(claims("x/b", "x/a"), devices())
    assert admission.environment == "x"
    assert admission.devices == ("x/b", "x/a")
    assert admission.shares == (
        SessionShare(device="b", memory_bytes=7),
        SessionShare(device="a", memory_bytes=7),
    )


@pytest.mark.parametrize(
    ("names", "error", "match"),
    [
        ((), Invalid, "the token has 0"),
        (("x/a", "x/a"), Invalid, "each once"),
        (("x/a", "y/a"), Invalid, "share a driver environment"),
        (("x/a", "x/gone"), Unavailable, "no device x/gone"),
        (tuple(f"x/{number}" for number in range(65)), Invalid, "1 to 64"),
    ],
)
def test_devices_that_cannot_be_in_one_session_are_refused(names, error, match):
    with pytest.raises(error, match=match):
        handshake.admit(claims(*names), devices())


def test_a_faulty_device_is_refused_with_its_fault():
    with pytest.raises(Unavailable, match="x/a does not work: no compiler"):
        handshake.admit(claims("x/a"), devices(a="no compiler"))


def test_a_refusal_is_a_frame():
    frame = handshake.refusal("invalid", "why")
    assert PREFIX.unpack(frame[:12]) == (len(frame) - 12, 0)
    assert msgspec.msgpack.decode(frame[12:], type=Refused) == Refused("invalid", "why")
