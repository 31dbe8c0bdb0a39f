"""What the first frame of a connection may be, and whether a client is let in. No I/O.

Whatever is wrong is raised as a `ProblemError`; the listener tells the client its type and detail.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from accelpool_node.agent.devices import Devices
from accelpool_node.control import SessionShare
from accelpool_wire.conversation import VERSION
from accelpool_wire.errors import Forbidden, Invalid, Unavailable
from accelpool_wire.frames import FIRST_BODY_BYTES, PREFIX, PREFIX_BYTES
from accelpool_wire.lease_token import LeaseClaims, decode
from accelpool_wire.messages import (
    MAX_TICKET_BYTES,
    MIN_TICKET_BYTES,
    Deliver,
    Handover,
    Hello,
    Limits,
    Refused,
    SessionQuery,
)

MAX_SHARES = 64
MAX_DETAIL = 2000  # characters: what a client sent, repeated to it, must not fill the socket

MAX_PAYLOAD_BYTES = Limits().payload_bytes

Verify: TypeAlias = Callable[[bytes, bytes], bool]
First: TypeAlias = Hello | SessionQuery | Deliver

_decoder: msgspec.msgpack.Decoder[First] = msgspec.msgpack.Decoder(Hello | SessionQuery | Deliver)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What a client that is let in gets.

    Attributes:
        claims: Of its lease token.
        environment: The driver environment of all its devices.
        devices: Their names on the node.
        shares: The same for the worker, under the backend's names.
    """

    claims: LeaseClaims
    environment: str
    devices: tuple[str, ...]
    shares: tuple[SessionShare, ...]

    def name_of(self, backend_name: str) -> str | None:
        """Return the name on the node of one of its devices, given the backend's; None for any other."""
        names = (share.device for share in self.shares)
        return dict(zip(names, self.devices, strict=True)).get(backend_name)


def verifier(public_key: str) -> Verify:
    """Return what checks signatures against a raw Ed25519 key in base64.

    Raises:
        Invalid: It is no such key.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"the broker's public key is no Ed25519 key in base64: {error}") from error

    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return verify


def body_bytes(prefix: bytes) -> int:
    """Return the length of the body that follows a frame's prefix.

    Raises:
        Invalid: The first frame may not have such a body.
    """
    body, _ = PREFIX.unpack(prefix)
    if not 0 < body <= FIRST_BODY_BYTES:
        raise Invalid(f"the first frame's body has 1 to {FIRST_BODY_BYTES} bytes, not {body}")
    return int(body)


def read_first(frame: bytes) -> First:
    """Return the first message of a connection, from its frame without the payload.

    Raises:
        Invalid: It is neither Hello nor SessionQuery nor Deliver, Hello offers no version spoken here, or the
            payload or the ticket is not as long as may be.
    """
    try:
        message = _decoder.decode(frame[PREFIX_BYTES:])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Invalid(f"the first message is neither Hello nor SessionQuery nor Deliver: {error}") from error
    _, payload = PREFIX.unpack_from(frame)
    if isinstance(message, Deliver):
        _check_delivery(message, payload)
    elif payload:
        raise Invalid(f"the first frame has no payload, not {payload} bytes")
    if isinstance(message, Hello) and VERSION not in message.versions:
        raise Invalid(f"this node speaks version {VERSION}, the client offers {message.versions[:8]}")
    return message


def _check_delivery(message: Deliver, payload: int) -> None:
    if not 0 < payload <= MAX_PAYLOAD_BYTES:
        raise Invalid(f"a delivery has 1 to {MAX_PAYLOAD_BYTES} bytes, not {payload}")
    if not MIN_TICKET_BYTES <= len(message.ticket) <= MAX_TICKET_BYTES:
        expected = f"{MIN_TICKET_BYTES} to {MAX_TICKET_BYTES}"
        raise Invalid(f"a ticket has {expected} bytes, not {len(message.ticket)}")


def refusal(problem: str, detail: str) -> bytes:
    """Return the frame that refuses a client."""
    return frame_of(Refused(problem, detail[:MAX_DETAIL]))


def frame_of(message: Refused | Handover) -> bytes:
    """Return the frame of an answer to a first message."""
    body = msgspec.msgpack.encode(message)
    return PREFIX.pack(len(body), 0) + body


def read_token(token: str, *, node: str, verify: Verify) -> LeaseClaims:
    """Return the claims of a token of this pool for this node.

    Raises:
        Unauthorized: It is not of this pool.
        Forbidden: It is for another node.
    """
    claims = decode(token, verify)
    if claims.node != node:
        raise Forbidden(f"the token is for node {claims.node}; this is node {node}")
    return claims


def admit(claims: LeaseClaims, devices: Devices) -> Admission:
    """Return what a token with these claims opens.

    Raises:
        Invalid: Its devices cannot be in one session.
        Unavailable: One of them is not there, or does not work.
    """
    names = tuple(share.device for share in claims.shares)
    if not 0 < len(names) <= MAX_SHARES or len(set(names)) < len(names):
        raise Invalid(f"a session has 1 to {MAX_SHARES} devices, each once; the token has {len(names)}")
    found = [device for name in names if (device := devices.get(name))]
    if len(found) < len(names):
        missing = sorted(set(names) - {device.name for device in found})
        raise Unavailable(f"this node has no device {', '.join(missing)} now")
    environments = {device.environment for device in found}
    if len(environments) > 1:
        raise Invalid(f"the devices of a session share a driver environment, not {sorted(environments)}")
    for name in names:
        if devices.faults[name]:
            raise Unavailable(f"device {name} does not work: {devices.faults[name]}")
    return Admission(
        claims=claims,
        environment=environments.pop(),
        devices=names,
        shares=tuple(
            SessionShare(device=device.backend_name, memory_bytes=share.memory_bytes)
            for device, share in zip(found, claims.shares, strict=True)
        ),
    )
