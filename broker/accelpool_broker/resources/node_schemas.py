"""The JSON that agents and broker exchange: registration, report, work.

Schemas check form; services check facts. Sizes are bytes, durations seconds. Unknown members are refused.
"""

from __future__ import annotations

import re

from apiflask import Schema
from apiflask.fields import Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range, Regexp

from accelpool_broker.resources.fields import (
    MAX_DEVICES,
    MAX_NAME,
    Truth,
    about,
    count_field,
    instant_field,
    text_field,
)
from accelpool_broker.resources.lease_schemas import MAX_TAINTS
from accelpool_broker.resources.schemas import KINDS, Address, Capacity, Readings

CAUSES = ("goodbye", "disconnected", "refused", "ended", "crashed", "hung")
MAX_SESSIONS = 4096
MAX_TEXT = 4096
MAX_LABELS = 64
MAX_INSTANT_S = 253402300799.0  # the end of the year 9999: what RFC 3339 can say
SHA256 = re.compile("^[0-9a-f]{64}$")
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DeviceIn(Schema):
    """A device as its node describes it."""

    name = text_field(255, 1, required=True)
    environment = text_field(64, 1, required=True)
    kind = String(required=True, validate=OneOf(KINDS))
    api = text_field(16, 1, required=True)
    attributes = Dict(keys=text_field(), values=Raw(allow_none=True), load_default=dict)
    capacity = Nested(Capacity, required=True)
    hardware = text_field(
        64,
        load_default="",
        metadata=about("the same for devices that are one piece of hardware, as two APIs show it"),
    )
    fault = text_field(MAX_TEXT, load_default="")


class OperationIn(Schema):
    """What a node's operator changes."""

    labels = Dict(
        keys=text_field(63, 1),
        values=text_field(255),
        validate=Length(0, MAX_LABELS),
        metadata=about("what expressions may ask of its devices, as device.labels"),
    )
    taints = List(
        text_field(MAX_NAME, 1),
        validate=Length(0, MAX_TAINTS),
        metadata=about("what requests must tolerate to get its devices"),
    )
    cordoned = Truth(metadata=about("whether it takes no new leases; false ends a drain, too"))
    drain_within_s = Float(
        validate=Range(0, 366 * 86400),
        metadata=about("it takes no new leases, and those that it has are told to end within that time"),
    )


class NodeIn(Schema):
    """What an agent says of its node when it starts."""

    address = Nested(Address, required=True)
    version = text_field(64, load_default="")
    boot_id = text_field(128, 1, required=True)
    devices = List(Nested(DeviceIn), required=True, validate=Length(0, MAX_DEVICES))


class Registered(Schema):
    """What an agent needs to know to begin."""

    name = String()
    public_key = String(metadata={"description": "base64 of the raw Ed25519 key that signs lease tokens"})
    heartbeat_s = Float()
    lost_after_s = Float()


class SessionIn(Schema):
    """A live session."""

    id = text_field(128, 1, required=True)
    lease = text_field(64, 1, required=True)
    devices = List(text_field(255, 1), load_default=list, validate=Length(0, MAX_DEVICES))
    started_at = Raw(load_default=None, allow_none=True)


class EndedIn(Schema):
    """A session that ended since the last report."""

    id = text_field(128, 1, required=True)
    lease = text_field(64, 1, required=True)
    cause = String(required=True, validate=OneOf(CAUSES))
    detail = text_field(MAX_TEXT, load_default="")


class LoadedImageIn(Schema):
    """The binary that was loaded on a device last."""

    sha256 = String(
        required=True,
        validate=[Length(64, 64), Regexp(SHA256, error="64 hexadecimal digits in small letters")],
    )
    since = Float(
        required=True,
        validate=Range(0, MAX_INSTANT_S),
        metadata=about("when it was loaded, in seconds since the Unix epoch"),
    )


class ReportIn(Schema):
    """What an agent runs."""

    boot_id = text_field(128, 1, required=True)
    sequence = count_field(required=True)
    sessions = List(Nested(SessionIn), load_default=list, validate=Length(0, MAX_SESSIONS))
    ended = List(Nested(EndedIn), load_default=list, validate=Length(0, MAX_SESSIONS))
    device_faults = Dict(
        keys=text_field(255, 1),
        values=text_field(MAX_TEXT),
        load_default=dict,
        validate=Length(0, MAX_DEVICES),
    )
    loaded_images = Dict(
        keys=text_field(255, 1),
        values=Nested(LoadedImageIn),
        load_default=dict,
        validate=Length(0, MAX_DEVICES),
        metadata=about("by device; of those that are not named nobody knows what is loaded"),
    )
    busy_s = Dict(
        keys=text_field(64, 1),
        values=Float(validate=Range(0, MAX_INSTANT_S)),
        load_default=dict,
        validate=Length(0, MAX_SESSIONS),
        metadata=about("by lease: seconds with commands on devices since it was first served there"),
    )
    readings = Dict(
        keys=text_field(255, 1),
        values=Nested(Readings),
        load_default=dict,
        validate=Length(0, MAX_DEVICES),
        metadata=about("by device; those that are not named do not tell"),
    )
    seen_revision = count_field(load_default=None, allow_none=True)
    wait_s = Float(load_default=0.0, validate=Range(0, 10))
    leaving = Truth(
        load_default=False,
        metadata=about("whether this is the agent's last word: the node is lost from now on, and its leases"),
    )


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
    expires_at = instant_field()


class WorkOut(Schema):
    """What a node should run."""

    revision = Integer()
    leases = List(Nested(WorkLease))
