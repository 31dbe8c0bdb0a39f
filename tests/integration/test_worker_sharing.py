"""Worker processes that share a device: its memory and its time, whoever of them is killed, and when."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import pytest

from accelpool_node import control
from accelpool_node.backends.null.objects import PAUSE
from accelpool_node.sharing import ledger
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from ..conftest import wait_until
from .wire_client import Client
from .worker_rig import NULL_TARGET, Worker

SHARE = 1_000_003
SOURCE = f"__kernel void {PAUSE}(ulong ns) {{}} __kernel void nothing() {{}}"
MS = 1_000_000
LONG_MS, SOONER_S = 60_000, 45.0  # as long as a null device pauses, and less


@dataclass
class Member:
    """A session, its worker, and its place in the ledger."""

    worker: Worker
    slot: int
    client: Client
    context: int = field(init=False)
    queue: int = field(init=False)
    kernel: int = field(init=False)

    def __post_init__(self):
        client = self.client
        self.context = client.context()
        self.queue = client.queue(self.context)
        program = client.program(self.context, SOURCE)
        client.build(program)
        self.kernel = client.kernel(program, PAUSE)

    def pause(self, length_ms, count=1):
        """Use the device for so long."""
        for _ in range(count):
            last = self.client.launch(self.queue, self.kernel, [1], (length_ms * MS).to_bytes(8, "little"))
        return last

    def can_take(self, size):
        """Whether a buffer of a size can be made; it is released again."""
        buffer = self.client.buffer(self.context, size)
        errors = self.client.failures()
        assert all(error.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE for error in errors)
        self.client.release(buffer)
        self.client.sync()
        return not errors


class SharedDevice:
    """A ledger, and sessions that are in it."""

    def __init__(self, stack):
        self.registry = ledger.Registry(ledger.create())
        self._stack = stack

    def join(self, lease="L1", compute=1.0, thread_percentage=None):
        if lease not in self.registry.leases():
            self.registry.set_limits(lease, SHARE, compute)
        slot = self.registry.add_session(lease)
        seat = self.registry.ledger, slot
        worker = Worker(NULL_TARGET, seat=seat, thread_percentage=thread_percentage)
        self._stack.enter_context(worker)
        return Member(worker, slot, Client(self._stack.enter_context(worker.connect(SHARE))))

    def kill(self, member):
        """Kill a worker, and do what the agent does when it is gone."""
        member.worker.process.kill()
        member.worker.process.wait()
        self.registry.remove_session(member.slot)

    def device_ns(self, member):
        return self.registry.ledger.device_ns(member.slot)


@pytest.fixture
def device():
    with contextlib.ExitStack() as stack:
        yield SharedDevice(stack)


# ---- memory -----------------------------------------------------------------------------------------


def test_two_sessions_of_a_lease_have_its_share_together_to_the_byte(device):
    one, other = device.join(), device.join()
    held = one.client.buffer(one.context, 600_000)
    one.client.sync()
    assert not other.can_take(SHARE - 600_000 + 1)
    assert other.can_take(SHARE - 600_000)
    one.client.release(held)
    one.client.sync()
    assert other.can_take(SHARE)


def test_a_buffer_released_while_it_is_used_comes_free_for_the_others(device):
    one, other = device.join(), device.join()
    held = one.client.buffer(one.context, SHARE)
    user_event = one.client.new()
    one.client.post(m.CreateUserEvent(user_event, one.context))
    one.client.fill(one.queue, held, b"x", SHARE, wait_for=[user_event])
    one.client.release(held)
    one.client.sync()
    assert not other.can_take(1)
    one.client.post(m.SetUserEventStatus(user_event, 0))
    one.client.sync()
    wait_until(lambda: other.can_take(SHARE))  # the session itself does nothing more


def test_the_share_is_whole_again_after_a_session_was_killed(device):
    one, other = device.join(), device.join()
    one.client.buffer(one.context, SHARE)
    one.client.sync()
    assert not other.can_take(1)
    device.kill(one)
    assert other.can_take(SHARE)


def test_sessions_that_allocate_at_once_never_have_more_than_the_share(device):
    members = [device.join(), device.join()]
    size = SHARE // 100

    def allocate(member):
        for _ in range(80):
            member.client.buffer(member.context, size)

    threads = [threading.Thread(target=allocate, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = [member.client.failures() for member in members]
    assert device.registry.ledger.used_bytes(0) == 100 * size
    assert any(failures)  # of the one that is behind, at least


def test_a_share_is_changed_while_sessions_run(device):
    one = device.join()
    held = one.client.buffer(one.context, 600_000)
    one.client.sync()
    device.registry.set_limits("L1", 500_000, 1.0)
    assert not one.can_take(1)
    one.client.release(held)
    assert one.can_take(500_000)
    assert not one.can_take(500_001)
    device.registry.set_limits("L1", 2 * SHARE, 1.0)
    assert one.can_take(2 * SHARE)


# ---- time -------------------------------------------------------------------------------------------


def test_under_mps_a_session_computes_beside_another_ones_command(device):
    one, other = (device.join(lease, 0.5, thread_percentage=50) for lease in ("L1", "L2"))
    event = one.pause(LONG_MS)
    one.client.connection.watch([event])
    other.pause(1)
    other.client.finish(other.queue)
    one.client.connection.hear()
    assert one.client.connection.event_state(event) is None, "it waited for the other one's command to end"
    assert other.can_take(SHARE)
    assert not other.can_take(SHARE + 1)


def keep_busy(members, until):
    """Have sessions want all of the device until something is so."""
    stop = threading.Event()

    def work(member, queue):
        while not stop.is_set():
            args = (4 * MS).to_bytes(8, "little")
            for _ in range(16):  # much more than goes by before a busy machine lets this thread go on
                member.client.launch(queue, member.kernel, [1], args)
            member.client.finish(queue)

    threads = [
        threading.Thread(target=work, args=(member, member.client.queue(member.context)))
        for member in members
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(until, 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_two_leases_that_want_all_of_a_device_get_their_shares_of_its_time(device):
    large, small = device.join("L1", 0.75), device.join("L2", 0.25)
    members = [large, small]
    keep_busy(members, lambda: sum(map(device.device_ns, members)) > 3_000 * MS)
    used = [device.device_ns(member) for member in members]
    assert 0.6 < used[0] / sum(used) < 0.88, used


def test_the_sessions_of_a_lease_share_its_time(device):
    members = [device.join("L1", 0.5), device.join("L1", 0.5), device.join("L2", 0.5)]
    keep_busy(members, lambda: sum(map(device.device_ns, members)) > 3_000 * MS)
    used = [device.device_ns(member) for member in members]
    assert 0.35 < (used[0] + used[1]) / sum(used) < 0.65, used
    assert min(used[:2]) > 0.5 * max(used[:2]), used


def test_one_alone_has_the_whole_device_whatever_its_share(device):
    one, _ = device.join("L1", 0.1), device.join("L2", 0.9)
    began_at = time.monotonic()
    one.client.wait(one.pause(100, 4))
    elapsed_ns = (time.monotonic() - began_at) * 1e9
    assert device.device_ns(one) <= elapsed_ns
    assert elapsed_ns < 10 * 400 * MS  # a tenth of the device would take 4 s


def test_whoever_waits_goes_on_when_the_turns_holder_is_killed(device):
    dead, other = device.join("L1", 0.5), device.join("L2", 0.5)
    dead.pause(LONG_MS)
    wait_until(lambda: device.registry.ledger.holder() == dead.slot)
    event = other.pause(1)
    wait_until(device.registry.ledger.contenders)
    device.kill(dead)
    other.client.wait(event, timeout_s=SOONER_S)


def test_a_process_killed_with_the_lock_keeps_nobody_out(device):
    one = device.join("L1", 0.5)
    descriptor = device.registry.ledger.descriptor
    code = (
        f"import fcntl, sys; fcntl.lockf({descriptor}, fcntl.LOCK_EX, 1); print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        pass_fds=[descriptor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    one.client.buffer(one.context, 1)
    event = one.pause(1)
    process.kill()
    process.communicate()
    one.client.wait(event)


def test_waiting_for_a_turn_is_no_hang_and_signs_of_life_go_on(device):
    one, other = device.join("L1", 0.5), device.join("L2", 0.5)
    one.pause(LONG_MS)
    wait_until(lambda: device.registry.ledger.holder() == one.slot)
    event = other.pause(1)
    wait_until(device.registry.ledger.contenders)
    heard = len(other.worker.heard)

    def alive():
        return [said for said in other.worker.heard[heard:] if isinstance(said, control.Alive)]

    wait_until(lambda: len(alive()) >= 2)
    assert all(said.busy_s == 0 for said in alive())
    device.kill(one)
    other.client.wait(event, timeout_s=SOONER_S)


def test_a_client_that_goes_while_its_session_waits_ends_it(device):
    one, other = device.join("L1", 0.5), device.join("L2", 0.5)
    one.pause(LONG_MS)
    wait_until(lambda: device.registry.ledger.holder() == one.slot)
    other.pause(1)
    wait_until(device.registry.ledger.contenders)
    other.client.connection._channel.close()
    assert other.worker.ended(SOONER_S).cause is control.Cause.DISCONNECTED


def test_a_lease_made_smaller_takes_turns_from_then_on(device):
    one, other = device.join("L1", 1.0), device.join("L2", 0.5)
    one.client.wait(one.pause(1))
    assert device.registry.ledger.holder() == -1
    device.registry.set_limits("L1", SHARE, 0.5)

    def has_turn():
        one.client.wait(one.pause(1))
        return device.registry.ledger.holder() == one.slot

    wait_until(has_turn)
    other.client.wait(other.pause(1))


def test_a_whole_device_pays_nothing(device):
    one = device.join("L1", 1.0)
    one.client.wait(one.pause(1, 10))
    assert device.device_ns(one) == 0
    assert device.registry.ledger.holder() == -1


def test_what_a_session_worked_is_told(device):
    one = device.join("L1", 1.0)
    one.client.wait(one.pause(1))
    one.client.connection.close()
    assert 0 < one.worker.last_word().worked_s < 1
