"""The broker's settings: one frozen object, built in `__main__` and passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from accelpool_broker.scheduler import Policy


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about a broker that its operator may choose.

    Attributes:
        state_dir: Where the database, the signing key and the tokens are kept; None keeps all in memory.
        database_url: Another database than the state directory's: postgresql://... or sqlite:///PATH.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        heartbeat_s: How often agents are told to report.
        lost_after_s: A node is lost when it has not reported for so long.
        max_waiters: Long-polls of clients at once; past it they are answered at once.
        max_node_waiters: Long-polls of agents at once.
        max_followers: Streams of events at once; past it 503. Each holds a thread.
        requests_per_s: What a token may send, and ten seconds' worth at once; 0 for no limit.
        node_requests_per_s: The same for a node's token.
        max_bodies: JSON bodies of clients that are read at once; past it 503. A stalled one holds a thread.
        max_uploads: The same for raw bodies.
        max_json_bytes: The largest request body, but for raw buffer contents.
        max_sessions: Data plane connections for REST compute at once, and calls that wait for launches.
        compute_timeout_s: How long a REST compute call waits for a node's answer.
        issuer_ca: The authorities that vouch for issuers of ID tokens; None for those of the system.
        webhook_allow_http: Whether they may be without TLS.
        webhook_allow_private: Whether they may be at addresses that are not of the public internet.
        webhook_ca: The authorities that vouch for them; None for those of the system.
        webhook_give_up_s: After failing for so long a webhook is disabled.
        keep_ended_s: How long ended leases can still be read.
        keep_audit_s: How long the audit log is kept.
        keep_events_s: How long events are kept.
        keep_most_events: How many of them at most.
        keep_usage_s: How long it is kept what tenants used in which hour.
        policy: The rules of the scheduler.
    """

    state_dir: Path | None = None
    database_url: str | None = field(default=None, repr=False)  # there may be a password in it
    host: str = "127.0.0.1"
    port: int = 8750
    heartbeat_s: float = 5.0
    lost_after_s: float = 15.0
    max_waiters: int = 1024
    max_node_waiters: int = 256
    max_followers: int = 64
    requests_per_s: float = 500.0
    node_requests_per_s: float = 250.0
    max_bodies: int = 64
    max_uploads: int = 32
    max_json_bytes: int = 32 << 20
    max_sessions: int = 32
    compute_timeout_s: float = 120.0
    issuer_ca: Path | None = None
    webhook_allow_http: bool = False
    webhook_allow_private: bool = False
    webhook_ca: Path | None = None
    webhook_give_up_s: float = 3 * 24 * 3600.0
    keep_ended_s: float = 7 * 24 * 3600.0
    keep_audit_s: float = 90 * 24 * 3600.0
    keep_events_s: float = 30 * 24 * 3600.0
    keep_most_events: int = 1_000_000
    keep_usage_s: float = 90 * 24 * 3600.0
    policy: Policy = field(default_factory=Policy)
