"""Whether a session's connection is traced: it is where the application has set OpenTelemetry's provider."""

from __future__ import annotations

from accelpool.connections import SessionConnection
from accelpool.records import LeaseRecord
from accelpool_wire import traces


def traced(connection: SessionConnection, record: LeaseRecord) -> SessionConnection:
    """Return a session's connection as it is, or one around it that makes spans of what it is used for.

    Args:
        connection: The session's.
        record: Its lease; the span that acquires it is current.
    """
    tracer = traces.tracer()
    if tracer is None:
        return connection
    from opentelemetry import trace

    from accelpool.traced_commands import SessionSpans
    from accelpool.traced_connection import TracedConnection

    names = [device.name for device in connection.devices]
    trace.get_current_span().set_attributes({"accelpool.lease": record.id, "accelpool.devices": names})
    return TracedConnection(connection, SessionSpans(tracer, record.id, names))
