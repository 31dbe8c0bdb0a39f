"""The JSON of leases, as users see them. Schemas check form; services check facts.

Sizes are bytes, durations seconds, instants RFC 3339 in UTC, fractions above 0 and up to 1. Unknown members
are refused.
"""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from apiflask.fields import AwareDateTime, Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range, Regexp
from marshmallow import ValidationError, post_load, validates_schema

from accelpool_broker.models import LeaseState
from accelpool_broker.resources.fields import (
    MAX_DEVICES,
    MAX_NAME,
    Truth,
    about,
    count_field,
    instant_field,
    text_field,
)
from accelpool_broker.resources.schemas import KINDS, ListQuery
from accelpool_broker.scheduler import CUDA, OPENCL, Placement, Why, selector
from accelpool_broker.scheduler.selector import MAX_EXPRESSION
from accelpool_broker.services.leases import DEFAULT_TENANT
from accelpool_wire.errors import Invalid

TTL_S = Range(5, 86400)
LONGEST_S = 366 * 86400
MAX_ALTERNATIVES = 8
MAX_TAINTS = 32
MAX_PRIORITY = 1000
TENANT_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"  # none is . or .., which mean something in a path
TENANT_NAME = rf"{TENANT_PART}(/{TENANT_PART}){{0,3}}\Z"
FRACTION = Range(0, 1, min_inclusive=False)
OF_DEMAND = (
    "kind", "api", "count", "memory_bytes", "memory_fraction", "compute", "exclusive", "where", "device",
    "devices", "placement", "image", "tolerates",
)  # fmt: skip


class IdempotencyKey(Schema):
    """A request repeated with the same key gives the same thing."""

    key = text_field(
        255,
        1,
        load_default=None,
        data_key="Idempotency-Key",
        metadata=about("a name of the client's choice for this request, to repeat it safely"),
    )


class LeaseQuery(ListQuery):
    """Which leases are wanted."""

    state = String(load_default=None, validate=OneOf([state.value for state in LeaseState]))


class DemandIn(Schema):
    """Devices that would serve a request, together or not at all.

    Without memory and compute whole devices are meant; with one of them the other is in proportion.
    """

    kind = String(load_default="any", validate=OneOf([*KINDS, "any"]), metadata=about("what to compute on"))
    api = String(
        load_default="",
        validate=OneOf(["", OPENCL, CUDA]),
        metadata=about('what sessions speak: "opencl", "cuda", or "" for anything but CUDA'),
    )
    count = count_field(
        1,
        MAX_DEVICES,
        load_default=1,
        metadata=about("how many devices: at one endpoint if they are free at one, else at several"),
    )
    memory_bytes = count_field(
        1,
        load_default=None,
        allow_none=True,
        metadata=about("of each device: what the lease may allocate there; null if it does not matter"),
    )
    memory_fraction = Float(
        load_default=None,
        allow_none=True,
        validate=FRACTION,
        metadata=about("of each device's memory; instead of `memory_bytes`"),
    )
    compute = Float(
        load_default=None,
        allow_none=True,
        validate=FRACTION,
        metadata=about("of each device's time, where others want it, too; null if it does not matter"),
    )
    exclusive = Truth(load_default=False, metadata=about("whole devices, which have at least that memory"))
    where = text_field(
        MAX_EXPRESSION,
        load_default="",
        metadata=about(
            "an expression in CEL that holds for each device, such as device.memory_bytes > 8 * GiB"
        ),
    )
    placement = String(
        load_default=Placement.NEAR.value,
        validate=OneOf([placement.value for placement in Placement]),
        metadata=about(
            "near to each other, all on one node, spread over nodes, or packed on those most used"
        ),
    )
    image = text_field(
        64,
        load_default="",
        metadata=about("the SHA-256 of a binary: devices that are programmed with it come first"),
    )
    tolerates = List(
        text_field(MAX_NAME, 1),
        load_default=list,
        validate=Length(0, MAX_TAINTS),
        metadata=about("taints of nodes that do not matter"),
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

    @validates_schema
    def _check_demand(self, data: dict[str, Any], **_: Any) -> None:
        chosen = data["devices"]
        if data["memory_bytes"] is not None and data["memory_fraction"] is not None:
            raise ValidationError("give memory either in bytes or as a fraction", "memory_fraction")
        if data["exclusive"] and (data["compute"] is not None or data["memory_fraction"] is not None):
            raise ValidationError("an exclusive device is whole: no fraction goes with it", "exclusive")
        if data["where"]:
            try:
                selector(data["where"])
            except Invalid as error:
                raise ValidationError(error.detail, "where") from error
        if chosen and data["device"] is not None:
            raise ValidationError("give either one device or several", "devices")
        if len(set(chosen)) < len(chosen):
            raise ValidationError("each device is given once", "devices")
        if chosen and data["count"] not in (1, len(chosen)):
            raise ValidationError(f"{len(chosen)} devices are given, {data['count']} asked for", "count")

    @post_load
    def _count_devices(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "count": len(data["devices"]) or data["count"]}


class LeaseIn(DemandIn):
    """What a client asks for: a demand, or alternatives of which the first that can be served now is."""

    alternatives = List(
        Nested(DemandIn),
        load_default=list,
        validate=Length(0, MAX_ALTERNATIVES),
        metadata=about("demands, the best first, instead of one"),
    )
    tenant = String(
        load_default=None,
        allow_none=True,
        validate=Regexp(TENANT_NAME),
        metadata=about(
            "who is charged; one below another is called OTHER/NAME; null for the account's first one, and "
            f"`{DEFAULT_TENANT}` for admins"
        ),
    )
    priority = count_field(
        -MAX_PRIORITY, MAX_PRIORITY, load_default=0, metadata=about("higher ones are served first")
    )
    preemptible = Truth(
        load_default=False,
        metadata=about("it may be ended for requests that come before it, after a grace time"),
    )
    ttl_s = Float(
        load_default=60.0,
        validate=TTL_S,
        metadata=about(
            "how long it lasts from its grant or last renewal, and, queued, from its last reading"
        ),
    )
    max_duration_s = Float(
        load_default=None,
        allow_none=True,
        validate=Range(1, LONGEST_S),
        metadata=about(
            "how long it lasts at most, however often it is renewed; short ones are served sooner"
        ),
    )
    queue_timeout_s = Float(
        load_default=None,
        allow_none=True,
        validate=Range(0, 7 * 86400),
        metadata=about("withdraw it if it was not granted by then; null for as long as it is read"),
    )
    starts_at = AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        metadata=about(
            "reserve devices from then on: granted then, or refused now; it need not be read until then"
        ),
    )
    ends_at = AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        metadata=about("when what is reserved ends; it goes with `starts_at`"),
    )
    ends_with_session = Truth(
        load_default=False,
        metadata=about(
            "release it when the client of its last session leaves; for clients of the data plane"
        ),
    )
    client = text_field(load_default="", metadata=about("a name to show in lists of leases"))

    @validates_schema(pass_original=True)
    def _check_alternatives(self, data: dict[str, Any], original: Any, **_: Any) -> None:
        given = [name for name in OF_DEMAND if isinstance(original, dict) and name in original]
        if data["alternatives"] and given:
            raise ValidationError(f"with alternatives {given[0]} belongs into each of them", given[0])

    @validates_schema
    def _check_period(self, data: dict[str, Any], **_: Any) -> None:
        starts_at, ends_at = data["starts_at"], data["ends_at"]
        if (starts_at is None) != (ends_at is None):
            name, other = ("ends_at", "starts_at") if ends_at is None else ("starts_at", "ends_at")
            raise ValidationError(f"it goes with {other}: give both or neither", name)
        if starts_at is None:
            return
        if not 1 <= (ends_at - starts_at).total_seconds() <= LONGEST_S:
            raise ValidationError("it is at least a second and at most 366 days after starts_at", "ends_at")
        for name in ("max_duration_s", "queue_timeout_s"):
            if data[name] is not None:
                raise ValidationError("with starts_at and ends_at it has no meaning", name)


class LeaseChange(Schema):
    """What is to change about an active lease: its time, or what it has of each of its devices."""

    ttl_s = Float(validate=TTL_S, metadata=about("it lasts so many seconds from now"))
    memory_bytes = count_field(1, metadata=about("of each device: what it may allocate there"))
    compute = Float(validate=FRACTION, metadata=about("of each device's time, where others want it, too"))

    @validates_schema
    def _check_change(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("give ttl_s, memory_bytes or compute")


class VerdictOut(Schema):
    """What a device has to do with an alternative of a request."""

    device = String()
    node = String()
    name = String()
    alternative = Integer(metadata=about("of the request, from 0"))
    verdict = String(metadata=about("why it would not do, or else what it is doing"))
    leases = List(String(), metadata=about("the ids of the leases that have parts of it"))


class ExplanationOut(Schema):
    """Why a lease is as it is; the last three are null or empty unless it is queued."""

    id = String()
    state = String(validate=OneOf([state.value for state in LeaseState]))
    reason = String()
    position = Integer(allow_none=True)
    earliest_at = instant_field(allow_none=True)
    devices = List(Nested(VerdictOut))


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
    certificate_sha256 = String(
        metadata=about("of the only certificate that will do there, in hexadecimal; empty without TLS")
    )
    token = String()


class DemandOut(Schema):
    """What was asked for."""

    kind = String()
    api = String()
    count = Integer()
    memory_bytes = Integer(allow_none=True)
    memory_fraction = Float(allow_none=True)
    compute = Float(allow_none=True)
    exclusive = Boolean()
    where = String()
    device = String(allow_none=True)
    devices = List(String())
    placement = String()
    image = String()
    tolerates = List(String())


class NoticeOut(Schema):
    """What the holder of a lease is told before it is revoked."""

    why = String(validate=OneOf([why.value for why in Why]))
    reason = String()
    revoke_at = instant_field()


class ReservedOut(Schema):
    """A part of a device that is reserved for a lease."""

    device = String()
    memory_bytes = Integer()
    compute = Float()


class LeaseOut(Schema):
    """A lease; `position` counts from 1 while it is queued."""

    id = String()
    state = String(validate=OneOf([state.value for state in LeaseState]))
    reason = String()
    position = Integer(allow_none=True)
    tenant = String()
    account = String(metadata=about("who asked for it"))
    priority = Integer()
    preemptible = Boolean()
    alternatives = List(Nested(DemandOut))
    alternative = Integer(allow_none=True, metadata=about("which of them it was granted, from 0"))
    ttl_s = Float()
    max_duration_s = Float(allow_none=True)
    starts_at = instant_field(allow_none=True)
    ends_at = instant_field(allow_none=True)
    reserved = List(
        Nested(ReservedOut), metadata=about("what it is to be granted at `starts_at`; empty otherwise")
    )
    idle_since = instant_field(allow_none=True)
    notice = Nested(
        NoticeOut, allow_none=True, metadata=about("that it ends soon against its holder's will; null if not")
    )
    ends_with_session = Boolean()
    client = String()
    created_at = instant_field()
    granted_at = instant_field(allow_none=True)
    expires_at = instant_field(allow_none=True)
    ended_at = instant_field(allow_none=True)
    shares = List(Nested(ShareOut))
    endpoints = List(
        Nested(EndpointOut), metadata=about("for those who may compute under it: its account, and admins")
    )


class LeaseList(Schema):
    """A page of leases, newest first."""

    items = List(Nested(LeaseOut))
    next_cursor = String(allow_none=True)
