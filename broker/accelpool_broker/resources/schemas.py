"""The JSON of nodes, devices and leases, as users see them. Schemas check form; services check facts.

Sizes are bytes, durations seconds, instants RFC 3339 in UTC. Unknown members are refused.
"""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range
from marshmallow import INCLUDE, ValidationError, post_load, validates_schema

from accelpool_broker.models import LeaseState, NodeState
from accelpool_broker.resources.fields import MAX_DEVICES, about, count_field, instant_field, text_field
from accelpool_broker.services.devices import DeviceState

KINDS = ("gpu", "cpu", "accelerator", "custom")
MAX_WAIT_S = 25.0
TTL_S = Range(5, 86400)


class IdempotencyKey(Schema):
    """A request repeated with the same key gives the same thing."""

    key = text_field(
        255,
        1,
        load_default=None,
        data_key="Idempotency-Key",
        metadata=about("a name of the client's choice for this request, to repeat it safely"),
    )


class ListQuery(Schema):
    """Where a list starts, and how much of it is wanted."""

    limit = Integer(load_default=100, validate=Range(1, 500), metadata=about("items on a page"))
    cursor = text_field(
        load_default=None, allow_none=True, metadata=about("the `next_cursor` of the page before this one")
    )


class DeviceQuery(ListQuery):
    """Which devices are wanted."""

    kind = String(load_default=None, validate=OneOf(KINDS))
    node = text_field(load_default=None)
    free = Boolean(load_default=None)


class LeaseQuery(ListQuery):
    """Which leases are wanted."""

    state = String(load_default=None, validate=OneOf([state.value for state in LeaseState]))


class WaitQuery(Schema):
    """How long an answer may wait for a change."""

    wait_s = Float(
        load_default=0.0,
        validate=Range(0, MAX_WAIT_S),
        metadata=about(
            "seconds; the answer comes at once when it changes, and Retry-After says if it could not wait"
        ),
    )


# ---- nodes -------------------------------------------------------------------------------------------


class Address(Schema):
    """Where a node accepts data plane connections."""

    host = text_field(255, 1, required=True)
    port = count_field(1, 65535, required=True)


class Capacity(Schema):
    """What a device has."""

    memory_bytes = count_field(required=True)
    compute_units = count_field(required=True)


class NodeOut(Schema):
    """A node."""

    name = String()
    state = String(validate=OneOf([state.value for state in NodeState]))
    address = Nested(Address)
    version = String()
    last_seen_at = instant_field()
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


class LoadedImageOut(Schema):
    """The binary that was loaded on a device last: for FPGAs what the card is programmed with."""

    sha256 = String(metadata=about("of the binary, in hexadecimal"))
    since = instant_field()


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
    loaded_image = Nested(
        LoadedImageOut,
        allow_none=True,
        metadata=about("what was loaded from a binary last; null if unknown"),
    )


class DeviceList(Schema):
    """A page of devices."""

    items = List(Nested(DeviceOut))
    next_cursor = String(allow_none=True)


# ---- leases ------------------------------------------------------------------------------------------


class LeaseIn(Schema):
    """What a client asks for: whole devices, together or not at all."""

    kind = String(load_default="any", validate=OneOf([*KINDS, "any"]), metadata=about("what to compute on"))
    count = count_field(
        1,
        MAX_DEVICES,
        load_default=1,
        metadata=about("how many devices: at one endpoint if they are free at one, else at several"),
    )
    memory_bytes = count_field(
        1, load_default=None, allow_none=True, metadata=about("what each must have; null for any")
    )
    ttl_s = Float(
        load_default=60.0,
        validate=TTL_S,
        metadata=about(
            "how long it lasts from its grant or last renewal, and, queued, from its last reading"
        ),
    )
    queue_timeout_s = Float(
        load_default=None,
        allow_none=True,
        validate=Range(0, 7 * 86400),
        metadata=about("withdraw it if it was not granted by then; null for as long as it is read"),
    )
    ends_with_session = Boolean(
        load_default=False,
        metadata=about(
            "release it when the client of its last session leaves; for clients of the data plane"
        ),
    )
    device = text_field(
        320,
        1,
        load_default=None,
        allow_none=True,
        metadata=about("the id of a device, to have that one; null for any that fits"),
    )
    devices = List(
        text_field(32, 1),
        load_default=list,
        validate=Length(0, MAX_DEVICES),
        metadata=about("the ids of devices, to have all of these and no others; `count` is their number"),
    )
    client = text_field(load_default="", metadata=about("a name to show in lists of leases"))

    @validates_schema
    def _check(self, data: dict[str, Any], **_: Any) -> None:
        chosen = data["devices"]
        if chosen and data["device"] is not None:
            raise ValidationError("give either one device or several", "devices")
        if len(set(chosen)) < len(chosen):
            raise ValidationError("each device is given once", "devices")
        if chosen and data["count"] not in (1, len(chosen)):
            raise ValidationError(f"{len(chosen)} devices are given, {data['count']} asked for", "count")

    @post_load
    def _count_devices(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "count": len(data["devices"]) or data["count"]}


class RenewIn(Schema):
    """How long a lease is to last from now."""

    ttl_s = Float(required=True, validate=TTL_S, metadata=about("seconds from now"))


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
    created_at = instant_field()
    granted_at = instant_field(allow_none=True)
    expires_at = instant_field(allow_none=True)
    ended_at = instant_field(allow_none=True)
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

    type = String(required=True, metadata={"format": "uri", **about("which problem it is, for programs")})
    title = String(required=True, metadata=about("the same in a few words, for people"))
    status = Integer(required=True, metadata=about("the HTTP status"))
    detail = String(required=True, metadata=about("what happened here, for people"))
    instance = String(required=True, metadata=about("the path of what it is about"))
    errors = Dict(keys=String(), values=Raw(), metadata=about("invalid: what is wrong, by member"))
    devices = Dict(keys=String(), values=Raw(), metadata=about("unsatisfiable: why not, by device"))
    routine = String(metadata=about("compute-failed: OpenCL's function"))
    code = Integer(metadata=about("compute-failed: OpenCL's error code"))
    name = String(metadata=about("compute-failed: the error code's name"))
    build_log = String(metadata=about("compute-failed: what the compiler said"))
    size_bytes = Integer(metadata=about("invalid: the size of the buffer that was overrun"))
    offset = Integer(metadata=about("invalid: where in the buffer it would have begun"))
    request_id = String(metadata=about("internal: what to look for in the broker's log"))
