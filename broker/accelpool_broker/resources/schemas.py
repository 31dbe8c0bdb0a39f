"""The JSON of nodes, devices and leases, as users see them. Schemas check form; services check facts.

Sizes are bytes, durations seconds, instants RFC 3339 in UTC. Unknown members are refused.
"""

from __future__ import annotations

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import OneOf, Range, Regexp
from marshmallow import INCLUDE, post_load

from accelpool_broker.models import NodeState
from accelpool_broker.resources.fields import (
    MAX_INT,
    about,
    count_field,
    instant_field,
    text_field,
)
from accelpool_broker.services.devices import DeviceState

KINDS = ("gpu", "cpu", "accelerator", "custom")
MAX_WAIT_S = 25.0
POSSIBLE_READINGS = {
    "utilization": (0.0, 1.0),
    "memory_utilization": (0.0, 1.0),
    "memory_used_bytes": (0, MAX_INT),
    "temperature_c": (-300.0, 1000.0),
    "power_w": (0.0, 1e6),
    "clock_hz": (0, MAX_INT),
}


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
    certificate_sha256 = String(
        load_default="",
        validate=Regexp(r"^([0-9a-f]{64})?\Z", error="64 hexadecimal digits in small letters, or none"),
        metadata=about("of the data plane's certificate, in hexadecimal; empty without TLS"),
    )


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
    device_count = Integer(metadata=about("those that are one piece of hardware count once"))
    sandbox = Dict(
        keys=String(),
        values=Raw(allow_none=True),
        allow_none=True,
        metadata=about("what confines its workers, of its devices the weakest; null if they do not tell"),
    )
    labels = Dict(keys=String(), values=String())
    taints = List(String())
    cordoned = Boolean(metadata=about("whether it takes no new leases"))
    drain_at = instant_field(allow_none=True)


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


class Readings(Schema):
    """What a device measures, whoever uses it; null is what it does not tell, or what cannot be."""

    utilization = Float(
        load_default=None,
        allow_none=True,
        metadata=about("the part of the last moment, of up to a second, in which kernels ran: 0 to 1"),
    )
    memory_utilization = Float(
        load_default=None,
        allow_none=True,
        metadata=about("the part of it in which device memory was read or written: 0 to 1"),
    )
    memory_used_bytes = Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        metadata=about("device memory in use, by all processes and by the driver"),
    )
    temperature_c = Float(load_default=None, allow_none=True, metadata=about("in degrees Celsius"))
    power_w = Float(load_default=None, allow_none=True, metadata=about("what the board takes, in watts"))
    clock_hz = Integer(
        strict=True, load_default=None, allow_none=True, metadata=about("of its compute units")
    )

    @post_load
    def _drop_what_cannot_be(self, told: dict[str, float | None], **_: object) -> dict[str, float | None]:
        """Take what is out of its range as not told: an odd sensor must not cost a node its report."""
        return {name: value if _can_be(name, value) else None for name, value in told.items()}


def _can_be(name: str, value: float | None) -> bool:
    low, high = POSSIBLE_READINGS[name]
    return value is not None and low <= value <= high


class DeviceOut(Schema):
    """A device, and what it is doing."""

    id = String()
    name = String()
    node = String()
    environment = String()
    kind = String(validate=OneOf(KINDS))
    api = String()
    hardware = String(
        metadata=about("the same for devices that are one piece of hardware, which is lent once, as any")
    )
    attributes = Dict(keys=String(), values=Raw(allow_none=True))
    capacity = Nested(Capacity)
    state = String(validate=OneOf([state.value for state in DeviceState]))
    fault = String()
    free = Nested(Free)
    leases = List(String(), metadata=about("the ids of the leases that have parts of its hardware"))
    loaded_image = Nested(
        LoadedImageOut,
        allow_none=True,
        metadata=about("what was loaded from a binary last; null if unknown"),
    )
    readings = Nested(
        Readings,
        allow_none=True,
        metadata=about(
            "a few seconds old; null if its node does not tell, or only tenants have it whose leases one may "
            "not see"
        ),
    )


class DeviceList(Schema):
    """A page of devices."""

    items = List(Nested(DeviceOut))
    next_cursor = String(allow_none=True)


class ProbeOut(Schema):
    """What a probe is told if all is well."""

    status = String()


class HealthOut(ProbeOut):
    """The same with the broker's version."""

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
    retry_after_s = Float(metadata=about("too-many-requests: when there is room for one more, in seconds"))
    request_id = String(required=True, metadata=about("the request, as the broker's log names it"))
