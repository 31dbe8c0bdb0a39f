"""The record of what tenants used, hour by hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from accelpool_broker.models import Base


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
