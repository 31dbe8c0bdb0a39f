"""`PerformanceWarning`: a pool behind a proxy that takes its time, as a tunnel to another city does."""

import contextlib
import socket
import threading
import time
import warnings

import pytest

import accelpool as cl
from accelpool_wire import messages as m

from ..conftest import Pool, lasting_port, running

DELAY_S = 0.005  # each way
MANY = 300
NO_EVENT = 1 << 40


def hand_on(source, target):
    target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            time.sleep(DELAY_S)
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


class DelayingProxy:
    """Hands what comes to an address on to another one, and back, each time a little later."""

    def __init__(self, here, there):
        self._there = there
        self._listener = socket.create_server(here)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(self._there) as server:
            back = threading.Thread(target=hand_on, args=(server, client), daemon=True)
            back.start()
            hand_on(client, server)
            back.join()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def far_pool(tmp_path_factory):
    port = lasting_port()
    options = ("--listen", f"127.0.0.1:{port}", "--advertise", "127.0.0.2")
    with contextlib.closing(DelayingProxy(("127.0.0.2", port), ("127.0.0.1", port))):
        yield from running(
            Pool(folder=tmp_path_factory.mktemp("far-pool"), backend="null:2", options=options)
        )


@pytest.fixture
def ctx(far_pool):
    with cl.connect(far_pool.url, far_pool.token) as broker, broker.acquire(wait=20) as ctx:
        yield ctx


def test_a_program_that_waits_for_each_step_is_told_once_where_it_does(ctx):
    queue = cl.CommandQueue(ctx)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(MANY):
            queue.finish()
    (warning,) = [one for one in caught if one.category is cl.PerformanceWarning]
    assert warning.filename == __file__
    told = str(warning.message)
    assert "of them for Finish" in told
    assert "wait or read once at the end" in told


def test_a_program_that_waits_for_each_event_is_told_too(ctx):
    queue = cl.CommandQueue(ctx)

    def step_by_step():
        for _ in range(MANY):
            cl.enqueue_marker(queue).wait()

    with pytest.warns(cl.PerformanceWarning, match="for WaitEvents"):
        step_by_step()


def test_the_warning_s_own_filter_turns_it_off(ctx):
    queue = cl.CommandQueue(ctx)
    with warnings.catch_warnings():  # all others are errors here
        warnings.simplefilter("ignore", cl.PerformanceWarning)
        for _ in range(MANY):
            queue.finish()


def test_another_queues_failure_does_not_surface_where_the_round_trip_is_measured(ctx):
    fine, other = cl.CommandQueue(ctx), cl.CommandQueue(ctx)
    ctx._session.post(m.EnqueueMarker(other._handle, 0, [NO_EVENT]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cl.PerformanceWarning)
        for _ in range(MANY):
            fine.finish()
    with pytest.raises(cl.Error):
        other.finish()
