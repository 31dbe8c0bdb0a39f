"""The records of who is charged, and of what they used, hour by hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from accelpool_broker.models.base import Base


class Tenant(Base):
    """Who is charged; the name of one below another starts with that one's, and a slash.

    Attributes:
        used_device_s: Decayed use as of `used_at`, without that of running leases.
        spent_device_s: What its quota of device-hours counts, without running leases.
    """

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    weight: Mapped[float] = mapped_column(default=1.0)
    max_priority: Mapped[int | None]
    quota_devices: Mapped[float | None]
    quota_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    quota_device_hours: Mapped[float | None]
    idle_after_s: Mapped[float | None]
    used_device_s: Mapped[float] = mapped_column(default=0.0)
    spent_device_s: Mapped[float] = mapped_column(default=0.0)
    used_at: Mapped[float] = mapped_column(default=0.0)
    created_at: Mapped[float] = mapped_column(default=0.0)


class TenantUsage(Base):
    """What a tenant's leases had in one hour, as far as it was charged for it.

    Attributes:
        hour: The hour's beginning, in seconds since the Unix epoch.
        device_s: Devices times seconds, parts of devices counted as parts.
        byte_s: Device memory times seconds.
    """

    __tablename__ = "tenant_usage"
    __table_args__ = (Index("tenant_usage_by_hour", "hour"),)

    tenant: Mapped[str] = mapped_column(String(255), primary_key=True)
    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_s: Mapped[float]
    byte_s: Mapped[float]
