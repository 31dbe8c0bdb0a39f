"""What was promised is kept, whatever comes after: a pool played from one deadline to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler import (
    WHOLE,
    Booking,
    Decisions,
    Demand,
    DeviceView,
    Grant,
    Inventory,
    LeaseView,
    NodeView,
    Placement,
    Policy,
    Quota,
    Request,
    TenantView,
    decide,
)

POLICY = Policy(min_run_s=20.0, grace_s=10.0, backfill_s=60.0)
DEVICES = {"d0": "n1", "d1": "n1", "d2": "n2"}
FOREVER = 1e9
demands = st.builds(
    Demand,
    count=st.integers(1, 2),
    compute_ppm=st.sampled_from([None, WHOLE // 4, WHOLE // 2]),
    device=st.sampled_from([None, None, None, "d0"]),
    placement=st.sampled_from([Placement.NEAR, Placement.SAME_NODE, Placement.SPREAD]),
)
events = st.fixed_dictionaries(
    {
        "after_s": st.sampled_from([0.0, 1.0, 10.0, 35.0]),
        "alternatives": st.lists(demands, min_size=1, max_size=2).map(tuple),
        "tenant": st.sampled_from("ab"),
        "priority": st.sampled_from([0, 0, 1]),
        "is_preemptible": st.booleans(),
        "duration_s": st.sampled_from([None, 15.0, 80.0]),
        "in_s": st.sampled_from([None, 5.0, 30.0, 90.0]),
        "withdraws": st.sampled_from([None, None, 0, 1]),
    }
)


@dataclass
class Play:
    """A pool whose devices stay; each request that is made is kept track of."""

    quota: float | None
    now: float = 1000.0
    leases: dict[str, LeaseView] = field(default_factory=dict)
    queue: dict[str, Request] = field(default_factory=dict)
    made: dict[str, Request] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    wake_at: float | None = None

    def __post_init__(self) -> None:
        nodes = [NodeView(name=name, lost_at=FOREVER) for name in ("n1", "n2")]
        devices = [
            DeviceView(id=id, name=id, node=node, environment="e", kind="gpu", memory_bytes=8)
            for id, node in DEVICES.items()
        ]
        self.inventory = Inventory(nodes, devices)

    def ask(self, event: dict[str, Any]) -> None:
        """Make a request; one for a time to come is refused if there is no room."""
        number = len(self.made)
        names = ("alternatives", "tenant", "priority", "is_preemptible", "duration_s")
        asked = Request(id=f"r{number}", order=number, **{name: event[name] for name in names})
        if event["in_s"] is not None:
            duration_s = asked.duration_s or 40.0
            starts_at = self.now + event["in_s"]
            asked = replace(asked, starts_at=starts_at, ends_at=starts_at + duration_s, duration_s=duration_s)
        self.queue[asked.id] = asked
        if asked.starts_at is not None and asked.id not in {one.lease for one in self.decide().bookings}:
            del self.queue[asked.id]
            return
        self.made[asked.id] = asked
        self.look()
        self.check()

    def decide(self) -> Decisions:
        return decide(
            inventory=self.inventory,
            leases=self.leases.values(),
            queue=self.queue.values(),
            tenants=[TenantView(name="a", quota=Quota(devices=self.quota))],
            policy=POLICY,
            now=self.now,
        ).decisions

    def look(self) -> None:
        """Do what is decided."""
        decisions = self.decide()
        self.wake_at = decisions.wake_at
        for end in decisions.ends:
            lease = self.leases.pop(end.lease)
            assert lease.ends_at == self.now or (lease.is_preemptible and end.state is LeaseState.REVOKED)
        for notice in decisions.notices:
            self.leases[notice.lease] = replace(self.leases[notice.lease], notice=notice)
        for id in decisions.withdrawn_notices:
            self.leases[id] = replace(self.leases[id], notice=None)
        for booking in decisions.bookings:
            self.book(booking)
        for grant in decisions.grants:
            self.start(grant)
        ends = [self.leases[grant.lease].ends_at for grant in decisions.grants]
        self.wake_at = min((at for at in (self.wake_at, *ends) if at is not None), default=None)

    def book(self, booking: Booking) -> None:
        known = self.queue[booking.lease]
        assert not known.reserved, "nothing drops out, so nothing is moved"
        self.queue[booking.lease] = replace(known, reserved=booking.shares, alternative=booking.alternative)

    def start(self, grant: Grant) -> None:
        request = self.queue.pop(grant.lease)
        ends_at = request.ends_at
        if ends_at is None and request.duration_s is not None:
            ends_at = self.now + request.duration_s
        self.started[grant.lease] = self.now
        self.leases[grant.lease] = LeaseView(
            id=grant.lease,
            order=request.order,
            expires_at=FOREVER,
            shares=grant.shares,
            nodes=tuple({DEVICES[share.device] for share in grant.shares}),
            tenant=request.tenant,
            priority=request.priority,
            is_preemptible=request.is_preemptible,
            granted_at=self.now,
            charged_at=self.now,
            ends_at=ends_at,
            is_backfill=grant.is_backfill,
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass, from one deadline to the next."""
        until = self.now + seconds
        while self.wake_at is not None and self.wake_at <= until:
            self.now = self.wake_at
            self.look()
            self.check()
        self.now = until
        self.look()
        self.check()

    def check(self) -> None:
        """Check what always holds."""
        compute: Counter[str] = Counter()
        of_a = 0
        for lease in self.leases.values():
            assert lease.ends_at is None or self.now < lease.ends_at
            for share in lease.shares:
                compute[share.device] += share.compute_ppm
                of_a += share.compute_ppm * (lease.tenant == "a")
        assert all(ppm <= WHOLE for ppm in compute.values())
        assert self.quota is None or of_a <= self.quota * WHOLE
        for id, request in self.made.items():
            if request.starts_at is None:
                continue
            if id in self.started:
                assert self.started[id] == request.starts_at
            elif id in self.queue:
                assert self.now < request.starts_at, f"{id} was promised"
                assert self.queue[id].reserved


@given(st.lists(events, max_size=14), st.sampled_from([None, 1.0, 2.0]))
@settings(max_examples=150)
def test_what_is_reserved_is_had_at_its_time_and_not_before_whatever_comes_after(
    happening: list[dict[str, Any]], quota: float | None
) -> None:
    play = Play(quota=quota)
    for event in happening:
        if event["withdraws"] is not None and play.queue:
            play.queue.pop(sorted(play.queue)[event["withdraws"] % len(play.queue)])
        play.ask(event)
        play.pass_time(event["after_s"])
    play.pass_time(300.0)
    assert not [request for request in play.queue.values() if request.starts_at is not None]


@given(st.lists(events, max_size=10))
@settings(max_examples=50)
def test_whoever_waits_gets_devices_once_reservations_and_leases_that_end_are_over(
    happening: list[dict[str, Any]],
) -> None:
    """Nothing endless is asked for but the last: reservations can keep it waiting, but not for ever."""
    play = Play(quota=None)
    for event in happening:
        play.ask({**event, "duration_s": event["duration_s"] or 40.0})
        play.pass_time(event["after_s"])
    last = {**dict.fromkeys(("in_s", "duration_s", "withdraws")), "is_preemptible": False, "priority": 0}
    play.ask({**last, "alternatives": (Demand(),), "tenant": "b"})
    play.pass_time(2000.0)
    assert f"r{len(play.made) - 1}" in play.started
