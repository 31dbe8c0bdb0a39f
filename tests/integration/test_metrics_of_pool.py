"""What broker and agent tell of a lease on a real pool, from its grant to its end."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from accelpool.rest import RestClient
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import Error

from ..conftest import Pool, running
from ..metrics_rig import Exposition

MIB = 1 << 20


@pytest.fixture
def pool(tmp_path: Any) -> Iterator[Pool]:
    yield from running(Pool(folder=tmp_path, backend="null:2", options=("--metrics", "127.0.0.1:0")))


@pytest.fixture
def rest(pool: Pool) -> Iterator[RestClient]:
    client = RestClient(pool.url, pool.token)
    yield client
    client.close()


def of_broker(pool: Pool) -> Exposition:
    answer = requests.get(
        f"{pool.url}/metrics", headers={"Authorization": f"Bearer {pool.token}"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return Exposition(answer.text)


def of_agent(pool: Pool) -> Exposition:
    answer = requests.get(f"http://127.0.0.1:{pool.agent.ready['metrics_port']}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    return Exposition(answer.text)


def lease_of(rest: RestClient, **wanted: Any) -> dict[str, Any]:
    return rest.request(
        "POST", "/leases", json={"ttl_s": 3600, **wanted}, params={"wait_s": 20}, wait_s=20
    ).body


def connect(lease: dict[str, Any]) -> Connection:
    endpoint = lease["endpoints"][0]
    return Connection.open((endpoint["host"], endpoint["port"]), endpoint["token"])


def test_the_values_follow_a_lease_that_is_granted_used_fails_and_is_released(
    pool: Pool, rest: RestClient, wait_until: Callable[..., Any]
) -> None:
    assert of_broker(pool).value("accelpool_devices", state="free") == 2
    lease = lease_of(rest, memory_bytes=64 * MIB, compute=0.5)
    told = of_broker(pool)
    assert told.value("accelpool_device_memory_granted_bytes", node="node-1") == 64 * MIB
    assert told.value("accelpool_device_compute_granted_ratio") == 0.5
    assert told.value("accelpool_leases", state="active", tenant="default") == 1
    assert told.value("accelpool_lease_wait_seconds_count") == 1

    with connect(lease) as session:
        session.post(m.CreateContext(1, [0]))
        session.post(m.CreateCommandQueue(2, 1, 0))
        session.post(m.CreateBuffer(3, 1, 0, MIB), bytes(MIB))
        session.ask(m.Finish(2), m.Done)
        session.post(m.CreateBuffer(4, 1, 0, 128 * MIB))
        with pytest.raises(Error, match="of the share are free"):
            session.ask(m.Sync(), m.Done)
        wait_until(lambda: of_agent(pool).value("accelpool_agent_failures_total") == 1)
        told = of_agent(pool)
        assert told.value("accelpool_agent_sessions") == 1
        assert told.value("accelpool_agent_device_memory_limit_bytes") == 64 * MIB
        assert told.value("accelpool_agent_device_memory_allocated_bytes") == MIB
        assert told.value("accelpool_agent_device_compute_limit_ratio") == 0.5
        assert told.value("accelpool_agent_received_bytes_total", peer="client") > MIB
        assert told.value("accelpool_agent_commands_total") == 6
        assert told.value("accelpool_agent_round_trips_total") == 2
        assert told.labels("accelpool_agent_failures_total", "code") == ["MEM_OBJECT_ALLOCATION_FAILURE"]
        wait_until(lambda: of_broker(pool).value("accelpool_node_sessions", node="node-1") == 1)

    rest.request("DELETE", f"/leases/{lease['id']}")
    told = of_broker(pool)
    assert told.value("accelpool_device_memory_granted_bytes") == 0
    assert told.value("accelpool_lease_endings_total", state="released", reason="given-back") == 1
    assert told.value("accelpool_tenant_device_seconds_total", tenant="default") > 0
    wait_until(lambda: of_agent(pool).value("accelpool_agent_sessions") == 0)
    told = of_agent(pool)
    assert told.value("accelpool_agent_sessions_ended_total", cause="goodbye") == 1
    assert told.value("accelpool_agent_device_memory_allocated_bytes") == 0
    assert lease["id"] not in told.text


def test_a_worker_that_crashes_and_an_agent_that_stops_are_counted(
    pool: Pool, rest: RestClient, wait_until: Callable[..., Any]
) -> None:
    with connect(lease_of(rest)) as session:
        os.kill(worker_of(pool, session.session, wait_until), signal.SIGKILL)
    wait_until(lambda: of_agent(pool).value("accelpool_agent_sessions_ended_total", cause="crashed") == 1)
    assert of_agent(pool).value("accelpool_agent_worker_starts_total") >= 2
    pool.agent.process.terminate()
    wait_until(lambda: of_broker(pool).value("accelpool_lease_endings_total", reason="node-stopped") == 1)
    told = of_broker(pool)
    assert told.value("accelpool_node_up", node="node-1") == 0
    assert told.value("accelpool_devices", state="lost") == 2


def worker_of(pool: Pool, session: str, wait_until: Callable[..., Any]) -> int:
    """Return the process that serves a session, as the agent's log names it."""
    told, log = re.compile(rf"session {re.escape(session)} of .* in worker (\d+)\n"), pool.agent.log
    wait_until(lambda: told.search(log.read_text()))
    found = told.search(log.read_text())
    assert found is not None
    return int(found[1])
