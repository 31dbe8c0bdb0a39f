"""A broker under any sequence of requests, ends, failures and operators: what always holds.

Never over-committed, by whatever face of a GPU; all devices of a request together or none; every lease in one
state, and on its way; quotas kept; what is reserved is had at its time, not before and not after, unless its
devices dropped out.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accelpool_broker.scheduler import WHOLE, Policy
from accelpool_broker.services.picture import Picture
from accelpool_broker.testing import GIB, BrokerInProcess, FakeClock

from ..postgres_rig import Postgres

NODES = {
    "n1": ("gpu:a", "gpu:b:opencl:card", "gpu:b2:cuda:card", "cpu:c"),
    "n2": ("gpu:d:opencl:card", "gpu:d2:cuda:card", "accelerator:e"),
}
TENANTS = ("default", "org", "org/team")
QUOTA = 2.0
ENDS = {
    "queued": {"queued", "active", "withdrawn", "expired", "rejected"},
    "active": {"active", "released", "expired", "revoked", "lost"},
}
demands = st.fixed_dictionaries(
    {"kind": st.sampled_from(["any", "gpu", "cpu"]), "count": st.integers(1, 3)},
    optional={
        "api": st.sampled_from(["opencl", "cuda"]),
        "compute": st.sampled_from([0.25, 0.5, 1.0]),
        "memory_bytes": st.sampled_from([GIB, 4 * GIB, 8 * GIB]),
        "placement": st.sampled_from(["near", "same_node", "spread", "pack"]),
    },
)


class Pool(RuleBasedStateMachine):
    """Two nodes, three tenants; one broker with its database in memory, or several on one in PostgreSQL.

    Args:
        url: Of an empty database, "" for one in memory.
        brokers: How many there are; each thing is asked of the next one.
    """

    leases = Bundle("leases")

    def __init__(self, url: str = "", brokers: int = 1) -> None:
        super().__init__()
        clock = FakeClock()
        policy = Policy(min_run_s=5.0, grace_s=10.0)
        self.brokers = [
            BrokerInProcess(clock=clock, policy=policy, database_url=url or None) for _ in range(brokers)
        ]
        self.turns = itertools.cycle(self.brokers)
        self.states: dict[str, str] = {}
        self.disturbed: set[str] = set()  # reservations whose devices dropped out, or others' have grown
        self.reserved: set[str] = set()
        self.boots = dict.fromkeys(NODES, 1)
        self.sequence = 0
        for name in NODES:
            self.register(name)
        self.broker.json("PUT", "/tenants/org", {"quota_devices": QUOTA, "max_priority": 5})
        self.broker.json("PUT", "/tenants/default", {"max_priority": 5})

    @property
    def broker(self) -> BrokerInProcess:
        return next(self.turns)

    def teardown(self) -> None:
        for broker in self.brokers:
            broker.__exit__()

    def register(self, name: str) -> None:
        self.broker.register(name, *NODES[name], boot_id=f"boot-{self.boots[name]}")

    # ---- what happens

    @rule(
        target=leases,
        demand=demands,
        tenant=st.sampled_from(TENANTS),
        priority=st.sampled_from([0, 0, 0, 3]),
        preemptible=st.booleans(),
        longest=st.sampled_from([None, 30.0, 900.0]),
    )
    def ask(self, demand: dict[str, Any], tenant: str, priority: int, preemptible: bool, longest: Any) -> Any:
        body = {
            **demand, "tenant": tenant, "priority": 0 if tenant == "org/team" else priority,
            "preemptible": preemptible, "max_duration_s": longest, "ttl_s": 60,
        }  # fmt: skip
        answer = self.broker.call("POST", "/leases", json=body)
        if answer.status_code == 201:
            self.states[answer.get_json()["id"]] = "queued"
            return answer.get_json()["id"]
        assert answer.get_json()["type"].endswith("/unsatisfiable"), answer.get_json()
        return multiple()

    @rule(
        target=leases,
        demand=demands,
        tenant=st.sampled_from(TENANTS),
        preemptible=st.booleans(),
        in_s=st.sampled_from([3.0, 20.0, 60.0]),
        lasts_s=st.sampled_from([10.0, 50.0]),
    )
    def reserve(
        self, demand: dict[str, Any], tenant: str, preemptible: bool, in_s: float, lasts_s: float
    ) -> Any:
        starts_at = self.broker.clock.now() + in_s
        body = {
            **demand, "tenant": tenant, "preemptible": preemptible, "starts_at": instant(starts_at),
            "ends_at": instant(starts_at + lasts_s),
        }  # fmt: skip
        answer = self.broker.call("POST", "/leases", json=body)
        lease = answer.get_json()
        if answer.status_code != 201:
            assert lease["type"].rsplit("/", 1)[1] in ("unsatisfiable", "conflict"), lease
            return multiple()
        assert (lease["state"], len(lease["reserved"])) == ("queued", demand["count"])
        self.states[lease["id"]] = "queued"
        self.reserved.add(lease["id"])
        return lease["id"]

    @rule(lease=consumes(leases))
    def end(self, lease: str) -> None:
        self.broker.json("DELETE", f"/leases/{lease}")

    @rule(lease=leases, compute=st.sampled_from([0.25, 0.5, 1.0]))
    def resize(self, lease: str, compute: float) -> None:
        answer = self.broker.call("PATCH", f"/leases/{lease}", json={"compute": compute})
        assert answer.status_code in (200, 404, 409, 410, 422), answer.get_json()

    @rule(lease=leases)
    def renew(self, lease: str) -> None:
        assert self.broker.call("PATCH", f"/leases/{lease}", json={"ttl_s": 60}).status_code < 500

    @rule(seconds=st.sampled_from([1.0, 7.0, 25.0, 70.0]), silent=st.sampled_from([None, None, None, *NODES]))
    def pass_time(self, seconds: float, silent: str | None) -> None:
        """Let time pass, from one deadline to the next."""
        until = self.broker.clock.now() + seconds
        wake_at = self.broker.services.pool.tick() or until
        while (now := self.broker.clock.now()) < until:
            self.broker.clock.move(min(until, wake_at) - now)
            self.sequence += 1
            for name in NODES:
                if name != silent:
                    boot = f"boot-{self.boots[name]}"
                    self.broker.report(name, sequence=self.sequence, boot_id=boot)
            wake_at = self.broker.services.pool.tick() or until
            self.follow_states()  # a reservation may begin and its node be lost in the same time
        if silent is not None:
            self.disturbed |= self.reserved

    @rule(name=st.sampled_from(sorted(NODES)))
    def restart(self, name: str) -> None:
        self.disturbed |= self.reserved
        self.boots[name] += 1
        self.sequence = 0
        self.register(name)

    @rule(
        name=st.sampled_from(sorted(NODES)),
        change=st.sampled_from([{"cordoned": True}, {"cordoned": False}, {"drain_within_s": 20}]),
    )
    def operate(self, name: str, change: dict[str, Any]) -> None:
        self.disturbed |= self.reserved
        self.broker.json("PATCH", f"/nodes/{name}", change)

    # ---- what always holds

    @invariant()
    def nothing_is_over_committed_and_quotas_are_kept(self) -> None:
        devices = self.broker.json("GET", "/devices")["items"]
        hardware = {device["id"]: device["hardware"] for device in devices}
        memory: Counter[str] = Counter()
        compute: Counter[str] = Counter()
        of_org = 0
        for lease in self.active():
            for share in lease["shares"]:
                memory[hardware[share["device"]]] += share["memory_bytes"]
                compute[hardware[share["device"]]] += round(share["compute"] * WHOLE)
                of_org += round(share["compute"] * WHOLE) * lease["tenant"].startswith("org")
        assert all(used <= 8 * GIB for used in memory.values())
        assert all(used <= WHOLE for used in compute.values())
        assert of_org <= QUOTA * WHOLE
        for device in devices:
            if device["state"] in ("free", "leased"):
                assert device["free"]["memory_bytes"] == 8 * GIB - memory[device["hardware"]]
                assert round(device["free"]["compute"] * WHOLE) == WHOLE - compute[device["hardware"]]

    @invariant()
    def a_lease_has_all_its_devices_or_none_in_its_time_and_its_state_follows(self) -> None:
        for lease in self.broker.json("GET", "/leases?limit=500")["items"]:
            wanted = lease["alternatives"][lease["alternative"] or 0]["count"]
            if lease["state"] == "active":
                assert len({share["device"] for share in lease["shares"]}) == wanted
            elif lease["state"] == "queued":
                assert lease["shares"] == []
                assert lease["reason"]
            if lease["starts_at"] is not None:
                self.check_time(lease)
        self.follow_states()

    def follow_states(self) -> None:
        """Check that no lease went where its last state does not lead."""
        for lease in self.broker.json("GET", "/leases?limit=500")["items"]:
            before = self.states[lease["id"]]
            assert lease["state"] in ENDS.get(before, {before}), f"{before} to {lease['state']}"
            self.states[lease["id"]] = lease["state"]

    def check_time(self, lease: dict[str, Any]) -> None:
        """Check that what is reserved is had at its time."""
        now = instant(self.broker.clock.now())
        is_disturbed = lease["id"] in self.disturbed
        if lease["granted_at"] is None:
            assert now < lease["starts_at"] or lease["state"] == "withdrawn" or is_disturbed, "promised"
        else:
            assert lease["granted_at"] >= lease["starts_at"]
            assert lease["granted_at"] == lease["starts_at"] or is_disturbed
        assert lease["state"] not in ("queued", "active") or now < lease["ends_at"]

    @invariant()
    def nodes_serve_what_is_active_and_nothing_else(self) -> None:
        active = {(share["node"], lease["id"]) for lease in self.active() for share in lease["shares"]}
        told = set()
        for name in NODES:
            work = self.broker.services.nodes._work(name)
            told |= {(name, lease.id) for lease in work.leases}
        assert told == active

    @invariant()
    def what_a_broker_remembers_is_what_the_database_has(self) -> None:
        pool = self.broker.services.pool
        with pool.store.read() as tx:
            assert pool.picture(tx) == Picture.load(tx, pool.settings.lost_after_s)

    def active(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.broker.json("GET", "/leases?state=active&limit=500")["items"]
        return found


def instant(seconds: float) -> str:
    told = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def run(machine: Callable[[], Pool], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
def test_what_always_holds_of_one_broker() -> None:
    run(Pool, 30)


@pytest.mark.timeout(600)
def test_what_always_holds_of_two_brokers_on_one_database(postgres: Postgres) -> None:
    run(lambda: Pool(postgres.empty_database(), brokers=2), 8)
