"""Contexts, sessions and devices: who shares a lease, who ends it, and what is said when it is gone."""

import gc

import pytest

import accelpool as cl
from accelpool import errors
from accelpool.broker import Broker
from accelpool.lease import LeaseKeeper
from accelpool.rest import Answer
from accelpool.testing import FakeConnection, built, fake_context, kernel_info
from accelpool_wire import messages as m


class FakeRest:
    """Answers GETs from `answer`, all else with nothing."""

    def __init__(self, answer=None):
        self.answer = answer
        self.requests = []

    def request(self, method, path, **options):
        self.requests.append((method, path))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(body=self.answer, retry_after_s=None)


def lease(state, reason="because"):
    return {"id": "lse_fake", "state": state, "reason": reason}


@pytest.fixture
def rest():
    return FakeRest()


@pytest.fixture
def ctx(fake, rest):
    return fake_context(fake, rest)


def test_a_context_is_one_posted_message(fake, ctx):
    assert fake.posted == [m.CreateContext(ctx._handle, [0])]
    assert (ctx.num_devices, ctx.reference_count, ctx.properties) == (1, 1, [])
    assert (ctx.round_trips, ctx.lease.id) == (0, "lse_fake")
    assert (ctx.migrations, ctx.migrated_bytes) == (0, 0)
    with pytest.raises(cl.LogicError):
        ctx.get_info(5)


def test_releasing_gives_the_lease_back_once(fake, rest, ctx):
    with ctx:
        pass
    ctx.release()
    assert not fake.is_open
    assert rest.requests == [("DELETE", "/leases/lse_fake")]


def test_using_a_released_context_says_so(ctx):
    queue = cl.CommandQueue(ctx)
    ctx.release()
    with pytest.raises(errors.SessionLost, match="its context is released"):
        queue.finish()
    with pytest.raises(errors.SessionLost, match="its context is released"):
        cl.Buffer(ctx, 0, 64)


def test_contexts_on_the_same_devices_share_the_session_and_the_last_one_ends_it(fake, ctx):
    other = cl.Context(ctx.devices)
    assert other._session is ctx._session
    ctx.release()
    assert fake.is_open
    cl.CommandQueue(other).finish()
    other.release()
    assert not fake.is_open


def test_a_session_that_nothing_refers_to_is_dropped(fake, rest):
    dropped = []
    ctx = fake_context(fake, rest)
    ctx._session._keeper.drop = dropped.append
    lease = ctx._session.lease
    queue = cl.CommandQueue(ctx)
    del ctx
    gc.collect()
    assert dropped == []
    del queue
    gc.collect()
    assert dropped == [lease]


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (lease("revoked", "drained"), errors.LeaseRevoked, "drained"),
        (lease("lost", "node gone"), errors.LeaseLost, "node gone"),
        (lease("expired"), errors.LeaseExpired, "because"),
        (lease("active"), errors.SessionLost, "worker died"),
        (errors.ConnectError("away"), errors.SessionLost, "worker died"),
        ({"bad": 1}, errors.SessionLost, "worker died"),
    ],
)
def test_a_lost_session_is_explained_by_the_broker_if_it_knows(fake, rest, ctx, answer, error, told):
    queue = cl.CommandQueue(ctx)
    fake.end, rest.answer = errors.SessionLost("worker died"), answer
    for use in (queue.finish, lambda: cl.enqueue_marker(queue), queue.finish):
        with pytest.raises(error, match=told):
            use()
    assert rest.requests.count(("GET", "/leases/lse_fake")) == 1


def test_every_way_to_wait_explains_a_lost_session(fake, rest, ctx):
    queue, buffer = cl.CommandQueue(ctx), cl.Buffer(ctx, 0, 8)
    event = cl.enqueue_marker(queue)
    fake.end, rest.answer = errors.SessionLost("worker died"), lease("lost")
    for use in (
        event.wait,
        lambda: cl.enqueue_copy(queue, bytearray(8), buffer),
        lambda: ctx._session.fetch_binaries(1),
    ):
        with pytest.raises(errors.LeaseLost):
            use()


def test_a_lease_that_could_not_be_kept_is_what_the_next_call_raises(fake, ctx):
    queue = cl.CommandQueue(ctx)
    ctx._session.lease.failure = errors.LeaseExpired("not renewed")
    fake.close()
    assert not ctx._session.is_open
    with pytest.raises(errors.LeaseExpired, match="not renewed") as caught:
        cl.enqueue_marker(queue)
    assert caught.value.__cause__ is None  # that the session was closed then is no reason
    assert caught.value.__suppress_context__


def test_typed_errors_of_the_worker_are_raised_as_they_are(fake, ctx):
    queue = cl.CommandQueue(ctx)
    fake.end = errors.LeaseRevoked("taken back")
    with pytest.raises(errors.LeaseRevoked, match="taken back"):
        queue.finish()


# ---- devices -----------------------------------------------------------------------------------------


def item(name="gpu-0", kind="gpu", state="free", node="n1", **attributes):
    return {
        "id": f"dev_{name}",
        "name": name,
        "node": node,
        "environment": "default",
        "kind": kind,
        "api": "opencl",
        "state": state,
        "capacity": {"memory_bytes": 1 << 30, "compute_units": 8},
        "attributes": {"platform_name": "Some CL", "platform_vendor": "ACME", "vendor": "ACME", **attributes},
    }


class FakePool:
    """A broker's lists, without HTTP."""

    def __init__(self, *items):
        self.items = list(items)

    def pages(self, path):
        return self.items if path == "/devices" else [{"path": path}]

    def close(self):
        pass


def broker(*items):
    return Broker("http://pool", "t", rest=FakePool(*items))


def test_the_pools_devices_have_what_their_nodes_tell():
    (platform,) = broker(item(extensions=["a", "b"], max_work_group_size=256)).get_platforms()
    (device,) = platform.get_devices()
    assert (platform.name, platform.vendor) == ("Some CL", "ACME")
    assert (device.name, device.vendor, device.type) == ("gpu-0", "ACME", cl.device_type.GPU)
    assert (device.global_mem_size, device.max_compute_units) == (1 << 30, 8)
    assert (device.max_work_group_size, device.extensions) == (256, "a b")
    assert (device.node, device.pool_id, device.platform) == ("n1", "dev_gpu-0", platform)
    assert device.reference_count == 1


def test_a_platform_may_be_told_in_full():
    told = {"platform_version": "OpenCL 3.0 x", "platform_profile": "FULL_PROFILE"}
    (platform,) = broker(item(**told)).get_platforms()
    assert (platform.version, platform.profile) == ("OpenCL 3.0 x", "FULL_PROFILE")
    assert platform._get_cl_version() == (3, 0)


def test_devices_are_grouped_by_platform_and_what_cannot_be_leased_is_left_out():
    items = [item("a"), item("b", kind="cpu"), item("c", state="lost"), item("d", platform_name="Other CL")]
    first, second = broker(*items).get_platforms()
    assert [device.name for device in first.get_devices()] == ["a", "b"]
    assert [device.name for device in first.get_devices(cl.device_type.CPU)] == ["b"]
    assert [device.name for device in first.get_devices(cl.device_type.DEFAULT)] == ["a"]
    assert [device.name for device in second.get_devices()] == ["d"]


def test_what_a_device_does_not_know_is_a_logic_error(ctx):
    with pytest.raises(cl.LogicError, match="WARP_SIZE_NV") as caught:
        _ = ctx.devices[0].warp_size_nv
    assert caught.value.code == -30
    with pytest.raises(cl.LogicError):
        _ = ctx.devices[0].platform.host_timer_resolution
    with pytest.raises(cl.LogicError):
        cl.CommandQueue(ctx).get_info(5)


def test_devices_and_platforms_are_equal_where_they_are_the_same():
    one, other = (broker(item("a"), item("b")).get_platforms()[0] for _ in range(2))
    assert one == other
    assert len({one, other}) == 1
    assert one.get_devices() == other.get_devices()
    assert one.get_devices()[0] != one.get_devices()[1]
    assert one != 5
    assert len({*one.get_devices(), *other.get_devices()}) == 2


def test_a_model_is_the_same_for_all_devices_of_it(ctx):
    identifier = ctx.devices[0].hashable_model_and_version_identifier
    assert identifier == ("v1", "accelpool", 0, "Fake device", "OpenCL 1.2 fake")


def test_what_is_no_device_is_no_broker():
    with pytest.raises(errors.RemoteProtocolError, match="malformed"):
        broker({"id": 5}).get_platforms()


def test_the_other_lists_are_told_as_they_are():
    pool = broker()
    assert [pool.leases(), pool.nodes(), pool.kernels(), pool.devices()] == [
        [{"path": "/leases"}],
        [{"path": "/nodes"}],
        [{"path": "/kernels"}],
        [],
    ]
    assert "http://pool" in repr(pool)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda d: cl.Context([]), -30),
        (lambda d: cl.Context([5]), -30),
        (lambda d: cl.Context(d, dev_type=cl.device_type.CPU), -30),
    ],
)
def test_a_context_needs_devices(ctx, make, code):
    with pytest.raises(cl.LogicError) as caught:
        make(ctx.devices)
    assert caught.value.code == code


def test_devices_of_a_session_that_is_over_are_refused(ctx):
    devices = ctx.devices
    ctx.release()
    with pytest.raises(cl.LogicError, match="session is over"):
        cl.Context(devices)


def test_a_closed_broker_acquires_nothing():
    pool = broker(item())
    with pool:
        pass
    with pytest.raises(errors.LocalProtocolError, match="closed"):
        pool.acquire()


class ClockedPool(FakePool):
    """A broker that always grants, on a clock of its own."""

    url = "http://pool"
    now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def request(self, method, path, **options):
        endpoint = {"node": "n", "environment": "e", "host": "h", "port": 1, "token": "t"}
        return Answer(body={**lease("active"), "endpoints": [endpoint]}, retry_after_s=None)


@pytest.fixture
def granting(monkeypatch):
    """A broker, and the answers of its node, the last one again and again."""
    answers = []

    def open_connection(address, token, *, certificate_sha256, client):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("accelpool.broker.Connection.open", open_connection)
    with Broker("http://pool", "t", rest=ClockedPool()) as broker:
        yield broker, answers


def test_a_node_that_cannot_answer_now_is_asked_again(fake, granting):
    broker, answers = granting
    answers += [errors.Unavailable("no worker yet"), fake]
    with broker.acquire() as ctx:
        assert ctx._session.connection is fake


def test_a_node_that_cannot_answer_for_long_is_unavailable(granting):
    broker, answers = granting
    answers += [errors.Unavailable("no worker at all")]
    with pytest.raises(errors.Unavailable, match="no worker at all"):
        broker.acquire()


def places(monkeypatch, *nodes, bodies=None):
    """Let leases be granted at these nodes, and note what was asked for."""
    endpoints = [
        {"node": node, "environment": "default", "host": "h", "port": 1, "token": "t"} for node in nodes
    ]
    names = {node: f"{node}/Fake device" for node in nodes}
    shares = [
        {"device": f"dev_{name}", "name": name, "node": node, "environment": "default"}
        for node, name in names.items()
    ]
    body = {**lease("active"), "endpoints": endpoints[::-1], "shares": shares}

    def grant(*_, json=None, **__):
        if json is not None and bodies is not None:
            bodies.append(json)
        return Answer(body=body, retry_after_s=None)

    monkeypatch.setattr(ClockedPool, "request", grant)


def test_a_lease_in_several_places_is_one_context_over_all_devices(granting, monkeypatch):
    broker, answers = granting
    places(monkeypatch, "n1", "n2")
    answers += [FakeConnection(), FakeConnection()]
    first, second = list(answers)
    with broker.acquire(count=2) as ctx:
        assert [device.node for device in ctx.devices] == ["n2", "n1"]
        assert cl.Context(ctx.devices[1:])._session is ctx._session
        assert (ctx.migrations, ctx.migrated_bytes) == (0, 0)
    assert not ctx._session.is_open
    assert not first.is_open
    assert not second.is_open


def test_several_chosen_devices_of_the_pool_are_leased_together(granting, monkeypatch):
    broker, answers = granting
    bodies = []
    broker._rest.items = [item(f"{node}/Fake device", node=node) for node in ("n1", "n2")]
    places(monkeypatch, "n1", "n2", bodies=bodies)
    answers += [FakeConnection(), FakeConnection()]
    (platform,) = broker.get_platforms()
    with cl.Context(platform.get_devices()) as ctx:
        assert ctx.devices == platform.get_devices()
        assert cl.Context(platform.get_devices()[:1])._session is ctx._session
    assert (bodies[0]["devices"], bodies[0]["count"]) == (["dev_n1/Fake device", "dev_n2/Fake device"], 2)


def test_a_node_that_cannot_be_reached_leaves_no_session_on_the_others(fake, granting, monkeypatch):
    broker, answers = granting
    places(monkeypatch, "n1", "n2")
    answers += [fake, errors.ConnectError("nobody there")]
    with pytest.raises(errors.ConnectError):
        broker.acquire(count=2)
    assert not fake.is_open


@pytest.mark.parametrize(("nodes", "told"), [((), "no endpoint"), (("n1",), "without a device")])
def test_a_lease_without_a_device_is_the_pools_error(granting, monkeypatch, nodes, told):
    broker, answers = granting
    places(monkeypatch, *nodes)
    answers += [FakeConnection([])]
    with pytest.raises(errors.RemoteProtocolError, match=told):
        broker.acquire()


def test_a_keeper_is_not_started_by_a_fake_context(ctx):
    keeper = ctx._session._keeper
    assert isinstance(keeper, LeaseKeeper)
    assert keeper._thread is None


def test_a_kernel_launch_with_arguments_is_one_message_and_no_round_trip(fake, ctx):
    fake.answers[m.BuildProgram] = built(kernel_info("nop", "int n"))
    queue = cl.CommandQueue(ctx)
    kernel = cl.Program(ctx, "source").build().nop
    kernel(queue, (1,), None, 0)
    count, trips = len(fake.posted), ctx.round_trips
    for number in range(100):
        kernel.set_args(number)
        cl.enqueue_nd_range_kernel(queue, kernel, (1,), None)
    assert (len(fake.posted) - count, ctx.round_trips - trips) == (100, 0)
