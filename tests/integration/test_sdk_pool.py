"""The SDK against a real broker and agent with null devices: leases, waiting, sharing, giving back."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np
import pytest

import accelpool as cl
from accelpool import credentials, errors
from accelpool.acquisition import Acquisition
from accelpool.credentials import Credentials

from ..conftest import wait_until

DEVICES = 4


@pytest.fixture
def broker(null_pool):
    with cl.connect(null_pool.url, null_pool.token) as broker:
        yield broker


def states(broker):
    return {lease["id"]: lease["state"] for lease in broker.leases()}


def free(broker):
    return sum(device["state"] == "free" for device in broker.devices())


def finish_for(queue, seconds):
    """Use a session again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        queue.finish()
        time.sleep(0.01)


@pytest.fixture
def full(broker, wait_until):
    """All devices are taken by this process."""
    wait_until(lambda: free(broker) == DEVICES)
    held = [broker.acquire(wait=10) for _ in range(DEVICES)]
    yield held
    for ctx in held:
        ctx.release()


def test_a_with_block_gives_its_device_back(broker):
    with broker.acquire(wait=10) as ctx:
        lease = ctx.lease.id
        assert states(broker)[lease] == "active"
        cl.CommandQueue(ctx).finish()
    assert states(broker)[lease] == "released"


def test_what_a_context_has_cost_is_counted_by_call(broker):
    with broker.acquire(wait=10) as ctx:
        queue, before = cl.CommandQueue(ctx), ctx.stats
        for _ in range(3):
            queue.finish()
        cl.enqueue_copy(queue, np.empty(1000, np.uint8), cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1000))
        cost = ctx.stats - before
    assert {call: each.round_trips for call, each in cost.by_call.items()} == {"Finish": 3, "Read": 1}
    assert cost.round_trips == 4
    assert 0 <= cost.network_s <= cost.waited_s
    assert cost.bytes_received > 1000 > cost.bytes_sent > 0


def test_a_context_that_nothing_refers_to_gives_its_device_back(broker, wait_until):
    ctx = broker.acquire(wait=10)
    lease = ctx.lease.id
    del ctx
    gc.collect()
    wait_until(lambda: states(broker)[lease] == "released")


def test_closing_the_broker_gives_all_back(null_pool, broker):
    with cl.connect(null_pool.url, null_pool.token) as other:
        leases = [other.acquire(wait=10).lease.id for _ in range(2)]
    assert [states(broker)[lease] for lease in leases] == ["released", "released"]


def test_a_full_pool_refuses_who_does_not_wait(broker, full):
    with pytest.raises(errors.LeaseTimeout):
        broker.acquire(wait=False)
    with pytest.raises(errors.LeaseTimeout, match="position 1"):
        broker.acquire(wait=0.2)
    assert "queued" not in states(broker).values()


@contextmanager
def once_one_waits(pool, act):
    """Do something in another thread as soon as a request is queued, and expect that it was."""

    def watch():
        with cl.connect(pool.url, pool.token) as other:
            wait_until(lambda: "queued" in states(other).values())
        act()

    with ThreadPoolExecutor(1) as threads:
        watching = threads.submit(watch)
        yield
        watching.result()


def test_who_waits_is_served_as_soon_as_a_device_is_free(null_pool, broker, full):
    with once_one_waits(null_pool, full[0].release), broker.acquire(wait=20):
        pass


def test_ctrl_c_while_waiting_withdraws_the_request(null_pool, broker, full):
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    with once_one_waits(null_pool, interrupt), pytest.raises(KeyboardInterrupt):
        broker.acquire(wait=30)
    assert "queued" not in states(broker).values()


def test_what_no_device_has_is_refused_at_once(broker):
    with pytest.raises(errors.Unsatisfiable) as caught:
        broker.acquire(memory="500 TB")
    assert len(caught.value.members["devices"]) == DEVICES


def test_a_wrong_token_is_refused(null_pool):
    with cl.connect(null_pool.url, "wrong") as stranger, pytest.raises(errors.Unauthorized):
        stranger.acquire()


def test_nobody_at_the_url_is_a_connect_error():
    with cl.connect("http://127.0.0.1:9", "t") as nobody, pytest.raises(errors.ConnectError):
        nobody.acquire()


def test_a_nonsense_request_is_invalid(broker):
    with pytest.raises(errors.Invalid):
        broker.acquire("toaster")


def test_a_device_can_be_asked_for(broker):
    wanted = broker.devices()[1]
    with broker.acquire(device=wanted["id"], wait=10) as ctx:
        assert ctx.devices[0].pool_id == wanted["id"]
        assert ctx.devices[0] in broker.get_platforms()[0].get_devices()


def test_a_lease_is_renewed_while_its_client_lives(broker, wait_until):
    def expires_at():
        return next(lease["expires_at"] for lease in broker.leases() if lease["id"] == ctx.lease.id)

    with broker.acquire(wait=10, ttl=5) as ctx:
        first = expires_at()
        wait_until(lambda: expires_at() > first)
        cl.CommandQueue(ctx).finish()


def test_a_revoked_lease_is_what_the_next_call_raises(broker):
    with broker.acquire(wait=10) as ctx:
        queue = cl.CommandQueue(ctx)
        broker._rest.request("DELETE", f"/leases/{ctx.lease.id}")
        with pytest.raises(errors.LeaseRevoked):
            finish_for(queue, 60)


def test_contexts_over_a_device_of_the_pool_share_its_lease(broker):
    device = broker.get_platforms()[0].get_devices()[0]
    first, second = cl.Context([device]), cl.Context([device])
    assert first.lease.id == second.lease.id
    assert first.devices == [device]
    queue = cl.CommandQueue(second, device)
    first.release()
    queue.finish()
    second.release()
    assert states(broker)[first.lease.id] == "released"
    third = cl.Context(first.devices)
    assert third.lease.id != first.lease.id
    third.release()


def test_the_module_finds_the_pool_that_up_has_started(null_pool, broker, tmp_path, monkeypatch):
    path = tmp_path / "accelpool" / "credentials.json"
    credentials.save(Credentials(url=null_pool.url, token=null_pool.token), path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for variable in ("ACCELPOOL_URL", "ACCELPOOL_TOKEN", "PYOPENCL_CTX"):
        monkeypatch.delenv(variable, raising=False)
    with cl.acquire(wait=10) as ctx, cl.create_some_context(interactive=False) as other:
        assert ctx.lease.id != other.lease.id
    with cl.create_some_context(answers=["0", "1"]) as chosen:
        assert chosen.devices == [cl.get_platforms()[0].get_devices()[1]]


def test_several_sessions_compute_at_once(broker):
    failures = []

    def work(number):
        try:
            with broker.acquire(wait=30) as ctx:
                queue = cl.CommandQueue(ctx)
                data = np.full(1 << 16, number, np.uint8)
                buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=data)
                out = np.empty_like(data)
                cl.enqueue_copy(queue, out, buffer)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2 * DEVICES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_a_lease_that_cannot_be_opened_is_given_back(broker, monkeypatch):
    monkeypatch.setattr(
        cl.broker.Connection, "open", lambda *a, **k: (_ for _ in ()).throw(errors.ConnectError("x"))
    )
    withdrawn = []
    withdraw = Acquisition.withdraw
    monkeypatch.setattr(
        Acquisition, "withdraw", lambda self: (withdraw(self), withdrawn.append(self.record.id))
    )
    with pytest.raises(errors.ConnectError):
        broker.acquire(wait=10)
    assert states(broker)[withdrawn[0]] == "released"


def test_a_lease_of_several_devices_is_one_context(broker):
    with broker.acquire(count=2, wait=10) as ctx:
        assert len({device.pool_id for device in ctx.devices}) == 2
        data, out = np.arange(8, dtype=np.uint8), np.zeros(8, np.uint8)
        buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=data)
        for device in ctx.devices:
            cl.enqueue_copy(cl.CommandQueue(ctx, device), out, buffer)
        assert np.array_equal(out, data)


@pytest.mark.parametrize("end", ["", "import os; os._exit(0)"], ids=["normally", "abruptly"])
def test_a_process_that_ends_gives_its_device_back(null_pool, broker, wait_until, end):
    program = f"import accelpool; ctx = accelpool.acquire(wait=10); print(ctx.lease.id, flush=True); {end}"
    environment = {**os.environ, "ACCELPOOL_URL": null_pool.url, "ACCELPOOL_TOKEN": null_pool.token}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    wait_until(lambda: states(broker)[done.stdout.strip()] == "released")


def test_a_fork_that_waits_for_an_inherited_read_takes_nothing_from_its_parent(broker):
    with broker.acquire(wait=10) as ctx:
        queue, data, out = cl.CommandQueue(ctx), np.arange(8), np.zeros(8, int)
        buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=data)
        event = cl.enqueue_copy(queue, out, buffer, is_blocking=False)
        child = os.fork()
        if not child:
            try:
                event.wait()
            except errors.SessionLost as error:
                os._exit(0 if f"process {os.getppid()}" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        event.wait()
        assert np.array_equal(out, data)


def test_a_fork_that_lives_on_does_not_keep_its_parents_session_open(null_pool, broker, wait_until):
    program = (
        "import os, signal, accelpool; ctx = accelpool.acquire(wait=10, ttl=3600)\n"
        "if not (child := os.fork()): signal.pause()\n"
        "print(ctx.lease.id, child, flush=True); os._exit(0)"
    )
    environment = {**os.environ, "ACCELPOOL_URL": null_pool.url, "ACCELPOOL_TOKEN": null_pool.token}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        lease, child = parent.stdout.readline().split()
        try:
            wait_until(lambda: states(broker)[lease] == "released")
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_a_reservation_begins_by_itself_and_ends_by_itself(null_pool, broker, wait_until):
    now = time.time()
    made = broker.reserve(count=2, starts_at=now + 2.0, ends_at=now + 8.0)
    assert states(broker)[made.id] == "queued"
    with (
        cl.connect(null_pool.url, null_pool.token) as other,
        other.reservation(made.id).acquire(wait=30) as ctx,
    ):
        assert time.time() >= now + 2.0
        assert len(ctx.devices) == 2
        cl.CommandQueue(ctx).finish()
        wait_until(lambda: states(broker)[made.id] == "expired")
    assert time.time() >= now + 8.0


def test_acquire_waits_for_the_start_of_what_it_reserves(broker):
    starts_at = datetime.now() + timedelta(seconds=2)
    with broker.acquire(starts_at=starts_at, ends_at=starts_at + timedelta(minutes=1), wait=30) as ctx:
        assert datetime.now() >= starts_at
        cl.CommandQueue(ctx).finish()


def test_what_is_leased_without_an_end_cannot_be_reserved(broker, full):
    with pytest.raises(errors.Conflict, match="in the way") as caught:
        broker.reserve(starts_at=time.time() + 60, ends_at=time.time() + 90)
    assert set(caught.value.members["leases"]) == {ctx.lease.id for ctx in full}
    assert "queued" not in states(broker).values()
