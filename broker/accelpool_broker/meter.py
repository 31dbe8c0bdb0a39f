"""What a broker counts of its own work, from its start on. `docs/metrics.md` lists all metrics.

What is in the database is not counted here: `services/pool_metrics.py` reads it when it is asked for.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from accelpool_wire.version import __version__

WAITS_S = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
WORK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ANSWERS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Meter:
    """The counters and histograms of one broker, in a registry of its own.

    Attributes:
        registry: Holds these metrics, and what else is registered with it.
        looks: How long looks of the scheduler take.
        endings: Leases and requests that ended, by state and why.
        requests: Requests answered, by method, route and status.
        answers: How long answers take, by method and route.
        problems: Answers that tell a problem, by its type.
        waiting: Requests that wait for a change, by who waits.
        sessions: Connections to nodes for REST compute.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use here
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("accelpool_build", "The broker's version.", registry=registry).info({"version": __version__})
        self.looks = Histogram(
            "accelpool_scheduler_look_duration_seconds",
            "How long looks of the scheduler at the whole pool take.",
            buckets=WORK_S,
            registry=registry,
        )
        self._waits = Histogram(
            "accelpool_lease_wait_seconds",
            "How long leases waited that were granted, from their request, or their reserved start, on.",
            ["kind"],
            buckets=WAITS_S,
            registry=registry,
        )
        self._grants = Histogram(
            "accelpool_lease_grant_duration_seconds",
            "How long the transaction took that granted a lease, from its begin to its commit.",
            buckets=WORK_S,
            registry=registry,
        )
        self.endings = Counter(
            "accelpool_lease_endings",
            "Leases and requests that ended, by the state they are in now, and why.",
            ["state", "reason"],
            registry=registry,
        )
        self.requests = Counter(
            "accelpool_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.answers = Histogram(
            "accelpool_http_request_duration_seconds",
            "How long answers take up to their first byte, a wait that was asked for included.",
            ["method", "route"],
            buckets=ANSWERS_S,
            registry=registry,
        )
        self.problems = Counter(
            "accelpool_http_problems", "Answers that tell a problem.", ["type"], registry=registry
        )
        self.waiting = Gauge(
            "accelpool_http_waiting_requests",
            "Requests that wait for a change of a lease, or of a node's work, or follow events.",
            ["who"],
            registry=registry,
        )
        self.sessions = Gauge(
            "accelpool_compute_sessions",
            "Sessions that the broker has open on nodes for REST compute.",
            registry=registry,
        )

    def grant(self, kind: str, waited_s: float, took_s: float) -> None:
        """Count a lease that was granted.

        Args:
            kind: Of its first device.
            waited_s: Since it was asked for.
            took_s: What the granting itself took.
        """
        self._waits.labels(kind).observe(max(0.0, waited_s))
        self._grants.observe(took_s)
