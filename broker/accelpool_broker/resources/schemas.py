"""The JSON of nodes, devices and leases. Schemas check form; services check facts.

Sizes are bytes, durations seconds, instants RFC 3339 in UTC. Unknown members are refused.
"""

from __future__ import annotations

import re

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range
from marshmallow import INCLUDE

from accelpool_broker.models import LeaseState, NodeState
from accelpool_broker.services.devices import DeviceState

KINDS = ("gpu", "cpu", "accelerator", "custom")
CAUSES = ("goodbye", "disconnected", "refused", "ended", "crashed", "hung")
MAX_INT = 2**63 - 1
MAX_DEVICES = 256
MAX_SESSIONS = 4096
MAX_NAME = 255
MAX_TEXT = 4096
MAX_WAIT_S = 25.0
TTL_S = Range(5, 86400)
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _count(low: int = 0, high: int = MAX_INT, **options: object) -> Integer:
    return Integer(strict=True, validate=Range(low, high), **options)  # type: ignore[arg-type]  # passed on


def _text(longest: int = MAX_NAME, shortest: int = 0, **options: object) -> String:
    return String(validate=Length(shortest, longest), **options)  # type: ignore[arg-type]  # passed on


def _instant(**options: object) -> String:
    return String(metadata={"format": "date-time"}, **options)  # type: ignore[arg-type]  # passed on


def _about(description: str) -> dict[str, str]:
    return {"description": description}


class IdempotencyKey(Schema):
    """A request repeated with the same key gives the same thing."""

    key = _text(
        255,
        1,
        load_default=None,
        data_key="Idempotency-Key",
        metadata=_about("a name of the client's choice for this request, to repeat it safely"),
    )


class ListQuery(Schema):
    """Where a list starts, and how much of it is wanted."""

    limit = Integer(load_default=100, validate=Range(1, 500), metadata=_about("items on a page"))
    cursor = _text(
        load_default=None, allow_none=True, metadata=_about("the `next_cursor` of the page before this one")
    )


class DeviceQuery(ListQuery):
    """Which devices are wanted."""

    kind = String(load_default=None, validate=OneOf(KINDS))
    node = _text(load_default=None)
    free = Boolean(load_default=None)


class LeaseQuery(ListQuery):
    """Which leases are wanted."""

    state = String(load_default=None, validate=OneOf([state.value for state in LeaseState]))


class WaitQuery(Schema):
    """How long an answer may wait for a change."""

    wait_s = Float(
        load_default=0.0,
        validate=Range(0, MAX_WAIT_S),
        metadata=_about(
            "seconds; the answer comes at once when it changes, and Retry-After says if it could not wait"
        ),
    )


# ---- nodes -------------------------------------------------------------------------------------------


class Address(Schema):
    """Where a node accepts data plane connections."""

    host = _text(255, 1, required=True)
    port = _count(1, 65535, required=True)


class Capacity(Schema):
    """What a device has."""

    memory_bytes = _count(required=True)
    compute_units = _count(required=True)


class DeviceIn(Schema):
    """A device as its node describes it."""

    name = _text(255, 1, required=True)
    environment = _text(64, 1, required=True)
    kind = String(required=True, validate=OneOf(KINDS))
    api = _text(16, 1, required=True)
    attributes = Dict(keys=_text(), values=Raw(allow_none=True), load_default=dict)
    capacity = Nested(Capacity, required=True)
    fault = _text(MAX_TEXT, load_default="")


class NodeIn(Schema):
    """What an agent says of its node when it starts."""

    address = Nested(Address, required=True)
    version = _text(64, load_default="")
    boot_id = _text(128, 1, required=True)
    devices = List(Nested(DeviceIn), required=True, validate=Length(0, MAX_DEVICES))


class Registered(Schema):
    """What an agent needs to know to begin."""

    name = String()
    public_key = String(metadata={"description": "base64 of the raw Ed25519 key that signs lease tokens"})
    heartbeat_s = Float()
    lost_after_s = Float()


class SessionIn(Schema):
    """A live session."""

    id = _text(128, 1, required=True)
    lease = _text(64, 1, required=True)
    devices = List(_text(255, 1), load_default=list, validate=Length(0, MAX_DEVICES))
    started_at = Raw(load_default=None, allow_none=True)


class EndedIn(Schema):
    """A session that ended since the last report."""

    id = _text(128, 1, required=True)
    lease = _text(64, 1, required=True)
    cause = String(required=True, validate=OneOf(CAUSES))
    detail = _text(MAX_TEXT, load_default="")


class ReportIn(Schema):
    """What an agent runs."""

    boot_id = _text(128, 1, required=True)
    sequence = _count(required=True)
    sessions = List(Nested(SessionIn), load_default=list, validate=Length(0, MAX_SESSIONS))
    ended = List(Nested(EndedIn), load_default=list, validate=Length(0, MAX_SESSIONS))
    device_faults = Dict(
        keys=_text(255, 1), values=_text(MAX_TEXT), load_default=dict, validate=Length(0, MAX_DEVICES)
    )
    seen_revision = _count(load_default=None, allow_none=True)
    wait_s = Float(load_default=0.0, validate=Range(0, 10))


class WorkShare(Schema):
    """A device of a lease, as its node is told."""

    name = String()
    epoch = Integer()
    memory_bytes = Integer()
    compute = Float()


class WorkLease(Schema):
    """An active lease, as its node is told."""

    id = String()
    devices = List(Nested(WorkShare))
    expires_at = _instant()


class WorkOut(Schema):
    """What a node should run."""

    revision = Integer()
    leases = List(Nested(WorkLease))


class NodeOut(Schema):
    """A node."""

    name = String()
    state = String(validate=OneOf([state.value for state in NodeState]))
    address = Nested(Address)
    version = String()
    last_seen_at = _instant()
    device_count = Integer()


class NodeList(Schema):
    """A page of nodes."""

    items = List(Nested(NodeOut))
    next_cursor = String(allow_none=True)


# ---- devices -----------------------------------------------------------------------------------------


class Free(Schema):
    """What of a device can be leased now."""

    memory_bytes = Integer()
    compute = Float()


class DeviceOut(Schema):
    """A device, and what it is doing."""

    id = String()
    name = String()
    node = String()
    environment = String()
    kind = String(validate=OneOf(KINDS))
    api = String()
    attributes = Dict(keys=String(), values=Raw(allow_none=True))
    capacity = Nested(Capacity)
    state = String(validate=OneOf([state.value for state in DeviceState]))
    fault = String()
    free = Nested(Free)
    lease = String(allow_none=True)


class DeviceList(Schema):
    """A page of devices."""

    items = List(Nested(DeviceOut))
    next_cursor = String(allow_none=True)


# ---- leases ------------------------------------------------------------------------------------------


class LeaseIn(Schema):
    """What a client asks for: whole devices, all of one node."""

    kind = String(load_default="any", validate=OneOf([*KINDS, "any"]), metadata=_about("what to compute on"))
    count = _count(1, MAX_DEVICES, load_default=1, metadata=_about("how many devices"))
    memory_bytes = _count(
        1, load_default=None, allow_none=True, metadata=_about("what each must have; null for any")
    )
    ttl_s = Float(
        load_default=60.0,
        validate=TTL_S,
        metadata=_about(
            "how long it lasts from its grant or last renewal, and, queued, from its last reading"
        ),
    )
    queue_timeout_s = Float(
        load_default=None,
        allow_none=True,
        validate=Range(0, 7 * 86400),
        metadata=_about("withdraw it if it was not granted by then; null for as long as it is read"),
    )
    ends_with_session = Boolean(
        load_default=False,
        metadata=_about(
            "release it when the client of its last session leaves; for clients of the data plane"
        ),
    )
    device = _text(
        320,
        1,
        load_default=None,
        allow_none=True,
        metadata=_about("the id of a device, to have that one; null for any that fits"),
    )
    client = _text(load_default="", metadata=_about("a name to show in lists of leases"))


class RenewIn(Schema):
    """How long a lease is to last from now."""

    ttl_s = Float(required=True, validate=TTL_S, metadata=_about("seconds from now"))


class ShareOut(Schema):
    """A part of a device that a lease has, or had."""

    device = String()
    name = String()
    node = String()
    environment = String()
    kind = String()
    memory_bytes = Integer()
    compute = Float()
    epoch = Integer()
    attributes = Dict(keys=String(), values=Raw(allow_none=True))


class EndpointOut(Schema):
    """Where sessions under a lease are opened, and the token that opens them."""

    node = String()
    environment = String()
    host = String()
    port = Integer()
    token = String()


class LeaseOut(Schema):
    """A lease; `position` counts from 1 while it is queued."""

    id = String()
    state = String(validate=OneOf([state.value for state in LeaseState]))
    reason = String()
    position = Integer(allow_none=True)
    kind = String()
    count = Integer()
    memory_bytes = Integer(allow_none=True)
    ttl_s = Float()
    ends_with_session = Boolean()
    client = String()
    created_at = _instant()
    granted_at = _instant(allow_none=True)
    expires_at = _instant(allow_none=True)
    ended_at = _instant(allow_none=True)
    shares = List(Nested(ShareOut))
    endpoints = List(Nested(EndpointOut))


class LeaseList(Schema):
    """A page of leases, newest first."""

    items = List(Nested(LeaseOut))
    next_cursor = String(allow_none=True)


class HealthOut(Schema):
    """The broker answers."""

    status = String()
    version = String()


class Problem(Schema):
    """What went wrong (RFC 9457); those members that are not required come with some types alone."""

    class Meta:
        """Clients ignore members that they do not know."""

        unknown = INCLUDE

    type = String(required=True, metadata={"format": "uri", **_about("which problem it is, for programs")})
    title = String(required=True, metadata=_about("the same in a few words, for people"))
    status = Integer(required=True, metadata=_about("the HTTP status"))
    detail = String(required=True, metadata=_about("what happened here, for people"))
    instance = String(required=True, metadata=_about("the path of what it is about"))
    errors = Dict(keys=String(), values=Raw(), metadata=_about("invalid: what is wrong, by member"))
    devices = Dict(keys=String(), values=Raw(), metadata=_about("unsatisfiable: why not, by device"))
    routine = String(metadata=_about("compute-failed: OpenCL's function"))
    code = Integer(metadata=_about("compute-failed: OpenCL's error code"))
    name = String(metadata=_about("compute-failed: the error code's name"))
    build_log = String(metadata=_about("compute-failed: what the compiler said"))
    size_bytes = Integer(metadata=_about("invalid: the size of the buffer that was overrun"))
    offset = Integer(metadata=_about("invalid: where in the buffer it would have begun"))
    request_id = String(metadata=_about("internal: what to look for in the broker's log"))
