"""The JSON of tenants. Hours are of devices, parts of devices counted as parts; null is no limit."""

from __future__ import annotations

from apiflask import Schema
from apiflask.fields import AwareDateTime, Float, Integer, List, Nested, String
from apiflask.validators import Range

from accelpool_broker.resources.fields import MAX_INT, Truth, about, count_field, instant_field, text_field
from accelpool_broker.resources.lease_schemas import MAX_PRIORITY

AMOUNT = Range(0, 1e9)


class TenantIn(Schema):
    """A tenant's rules."""

    weight = Float(
        load_default=1.0,
        validate=Range(0.001, 1000),
        metadata=about("its part of what the tenants beside it want, too"),
    )
    max_priority = count_field(
        -MAX_PRIORITY,
        MAX_PRIORITY,
        load_default=None,
        allow_none=True,
        metadata=about("the highest priority that it and tenants below it may ask for; 0 if none says so"),
    )
    quota_devices = Float(
        load_default=None, allow_none=True, validate=AMOUNT, metadata=about("devices at once")
    )
    quota_memory_bytes = Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=Range(0, MAX_INT),
        metadata=about("device memory at once"),
    )
    quota_device_hours = Float(
        load_default=None,
        allow_none=True,
        validate=AMOUNT,
        metadata=about("devices times hours until they are set to zero again"),
    )
    idle_after_s = Float(
        load_default=None,
        allow_none=True,
        validate=Range(30, 366 * 86400),
        metadata=about("leases whose devices have had nothing to do for so long are ended"),
    )
    reset_device_hours = Truth(
        load_default=False, metadata=about("count its device-hours, and of those below it, from zero")
    )


class TenantOut(Schema):
    """A tenant: its rules, what it has now, and what it has used, without tenants below it."""

    name = String()
    weight = Float()
    max_priority = Integer(allow_none=True)
    quota_devices = Float(allow_none=True)
    quota_memory_bytes = Integer(allow_none=True)
    quota_device_hours = Float(allow_none=True)
    idle_after_s = Float(allow_none=True)
    spent_device_hours = Float(metadata=about("what counts for its quota"))
    recent_device_hours = Float(metadata=about("what counts for its turn: older use counts less"))
    active_leases = Integer()
    queued_leases = Integer()


class UsageQuery(Schema):
    """Whose use is wanted, and of which time."""

    tenant = text_field(255, 1, required=True, metadata=about("the tenant's name"))
    since = AwareDateTime(
        format="iso",
        load_default=None,
        metadata=about("from the hour on with this instant; a day before `until`"),
    )
    until = AwareDateTime(
        format="iso", load_default=None, metadata=about("hours that begin before this instant; now")
    )


class HourOut(Schema):
    """What a tenant's leases had in an hour."""

    hour = instant_field()
    device_s = Float(metadata=about("devices times seconds, parts of devices counted as parts"))
    byte_s = Float(metadata=about("device memory in bytes times seconds"))


class UsageOut(Schema):
    """What a tenant used, hour by hour, the oldest first, without tenants below it."""

    items = List(Nested(HourOut))


class TenantList(Schema):
    """A page of tenants."""

    items = List(Nested(TenantOut))
    next_cursor = String(allow_none=True)
