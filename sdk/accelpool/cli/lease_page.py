"""A lease for people: all that `accelpool lease show` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from accelpool.cli.overview import clock_time, holder_of, part_of

Record = Mapping[str, Any]
TIMES = (
    ("created_at", "asked for"),
    ("starts_at", "reserved from"),
    ("granted_at", "granted"),
    ("expires_at", "renewed until"),
    ("ends_at", "ends at"),
    ("idle_since", "idle since"),
    ("ended_at", "ended"),
)


def lines(lease: Record, tokens: Sequence[Record], sessions: Sequence[Record]) -> list[str]:
    """Return a lease, line by line.

    Args:
        lease: As the broker tells of it.
        tokens: Of each endpoint `node`, and `expires_at` of its token, None if nobody tells.
        sessions: The live sessions under it, each with its `node` and `id`.
    """
    position = f" at position {lease['position']}" if lease.get("position") else ""
    why = f": {lease['reason']}" if lease.get("reason") else ""
    opened = [_field("session", f"{session['id']} on {session['node']}") for session in sessions]
    return [f"Lease {lease['id']} is {lease['state']}{position}{why}.", *_fields(lease, tokens), *opened]


def _fields(lease: Record, tokens: Sequence[Record]) -> Iterator[str]:
    yield _field("held by", f"{holder_of(lease)}, {lease.get('client') or 'no client named'}")
    urgency = f"{lease.get('priority', 0)}{', preemptible' if lease.get('preemptible') else ''}"
    yield _field("priority", urgency)
    for name, told in TIMES:
        if lease.get(name):
            yield _field(told, clock_time(lease[name]))
    if notice := lease.get("notice"):
        yield _field("notice", f"{notice['reason']}: it ends at {clock_time(notice['revoke_at'])}")
    yield from _devices(lease)
    for token in tokens:
        until = clock_time(token["expires_at"]) or "nobody tells when"
        yield _field("token", f"opens sessions on {token['node']} until {until}")


def _devices(lease: Record) -> Iterator[str]:
    for share in lease.get("shares", ()):
        yield _field("device", f"{share['node']} {share['name']} ({share['device']}): {part_of(share)}")
    for share in lease.get("reserved", ()):
        yield _field("reserved", f"{share['device']}: {part_of(share)}")


def _field(name: str, told: str) -> str:
    return f"  {name:14}{told}"
