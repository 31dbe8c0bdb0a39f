"""Devices and contexts: which is current, whose lease it is, how errors are CUDA's."""

from __future__ import annotations

import threading

import pytest
from tests.unit.cuda_rig import INFO, FakeCuda, cuda_context

import accelpool
import accelpool.cuda.driver as cuda
from accelpool import errors, pool_devices
from accelpool.cuda import acquire, contexts, devices, over
from accelpool.cuda.errors import calling, cuda_error
from accelpool.testing import fake_context
from accelpool_wire import messages as m


@pytest.fixture
def fake():
    return FakeCuda()


def listed(number, api="cuda", **more):
    """A device as a broker lists it."""
    return {
        "id": f"dev_{number}", "name": f"cuda/GPU-{number}", "node": "n", "environment": "cuda",
        "kind": "gpu", "api": api, "capacity": {"memory_bytes": 1 << 34, "compute_units": 100},
        "state": "free",
        "attributes": {
            "name": f"GPU {number}", "compute_capability": "8.6", "hardware": f"0000:{number:02x}:00",
            "warp_size_nv": 32,
        },
        **more,
    }  # fmt: skip


class FakeBroker:
    """A pool of three devices; contexts are over a fake connection."""

    def __init__(self, fake):
        self.fake = fake
        self.asked = []

    def devices(self):
        return [listed(1), listed(2, state="lost"), listed(3, api="opencl"), listed(4)]

    def acquire(self, kind="any", **options):
        self.asked.append((kind, options))
        return fake_context(self.fake)

    def _session_for(self, wanted):
        self.asked.append([device.pool_id for device in wanted])
        session = fake_context(self.fake)._session
        session.devices[0]._key = wanted[0]._key
        return session


@pytest.fixture
def broker(fake, monkeypatch):
    broker = FakeBroker(fake)
    for module in (devices, contexts):
        monkeypatch.setattr(module, "default_broker", lambda *_: broker)
    monkeypatch.setattr(cuda.Device, "_told", {})
    return broker


def test_the_pools_cuda_devices_are_numbered(broker):
    cuda.init()
    assert cuda.Device.count() == 2
    device = cuda.Device(1)
    assert (device.name(), device.compute_capability(), device.total_memory()) == ("GPU 4", (8, 6), 1 << 34)
    assert (device.multiprocessor_count, device.warp_size) == (100, 32)
    assert device.pci_bus_id() == "0000:04:00.0"
    assert device == cuda.Device("0000:04:00.0") != cuda.Device(0)
    assert hash(device) == hash(cuda.Device(1))
    assert str(cuda.device_attribute.WARP_SIZE) == "WARP_SIZE"
    assert device.get_attributes()[cuda.device_attribute.WARP_SIZE] == 32


@pytest.mark.parametrize("wrong", [-1, 2, "0000:09:00.0", "nonsense"])
def test_a_device_that_is_not_there_is_a_logic_error(broker, wrong):
    with pytest.raises(cuda.LogicError):
        cuda.Device(wrong)


def test_what_the_pool_does_not_tell_is_told_under_a_lease(broker):
    device = cuda.Device(0)
    with pytest.raises(cuda.LogicError, match="under a lease"):
        device.get_attribute(cuda.device_attribute.CLOCK_RATE)
    with pytest.raises(AttributeError):
        device.colour  # noqa: B018 - it asks
    assert not device.can_access_peer(device)


def test_pyopencls_platforms_have_no_cuda_devices(fake):
    found = pool_devices.platforms([listed(1), listed(3, api="opencl")], None)
    assert [device.pool_id for platform in found for device in platform.get_devices()] == ["dev_3"]


def test_a_devices_context_leases_that_device_and_is_current(broker, fake, monkeypatch):
    device = cuda.Device(1)
    monkeypatch.setattr(device._device, "_broker", broker)
    context = device.make_context()
    assert broker.asked == [["dev_4"]]
    assert cuda.Context.get_current() is context
    context.pop()
    assert cuda.Context.get_current() is None
    context.detach()


def test_acquire_asks_for_one_device_that_speaks_cuda(broker):
    with acquire("gpu", memory="1GiB") as context:
        assert broker.asked == [("gpu", {"memory": "1GiB", "api": "cuda"})]
        assert cuda.Context.get_device() == context._device
    assert context._lower._is_released
    assert cuda.Context.get_current() is None


def test_acquire_takes_a_demand(broker):
    with acquire(accelpool.Demand("gpu", api="cuda")) as context:
        assert cuda.Context.get_current() is context


@pytest.mark.parametrize(
    "wrong", [lambda: acquire(count=2), lambda: acquire(api="opencl"), lambda: acquire(accelpool.Demand())]
)
def test_acquire_refuses_what_is_no_context_of_cuda(broker, wrong):
    with pytest.raises(errors.Invalid):
        wrong()


def test_contexts_are_a_stack_of_each_thread(fake):
    first, second = cuda_context(fake), cuda_context(FakeCuda())
    assert cuda.Context.get_current() is second
    cuda.Context.pop()
    assert cuda.Context.get_current() is first
    seen = []
    thread = threading.Thread(target=lambda: seen.append(cuda.Context.get_current()))
    thread.start()
    thread.join()
    assert seen == [None]
    second.push()
    second.detach()
    second.detach()
    assert cuda.Context.get_current() is first
    first.detach()
    with pytest.raises(cuda.LogicError, match="invalid context"):
        cuda.Context.pop()


def test_without_a_context_every_call_says_so():
    calls = [
        lambda: cuda.mem_alloc(4), lambda: cuda.memcpy_htod(1, b"a"), cuda.Stream, cuda.Event,
        cuda.Context.synchronize, cuda.Context.get_device, lambda: cuda.module_from_buffer(b"a"),
        cuda.mem_get_info,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(cuda.LogicError, match=r"invalid context .* accelpool\.cuda\.autoinit"):
            call()


def test_a_detached_context_is_of_no_further_use(fake):
    context = cuda_context(fake)
    context._lower.release()
    with pytest.raises(cuda.LogicError, match="context is destroyed"):
        cuda.mem_alloc(4)
    context.detach()
    with pytest.raises(cuda.LogicError):
        context.push()


def test_a_context_knows_its_device(fake):
    with cuda_context(fake) as context:
        device = context.get_device()
        assert (device.name(), device.total_memory()) == ("Fake GPU", INFO[0x101F])
        assert device.compute_capability() == (9, 0)
        assert cuda.get_driver_version() == context.get_api_version() == 12040
        assert context.lease.id == "lse_fake"


def test_hints_of_a_context_are_taken(fake):
    with cuda_context(fake):
        cuda.Context.set_limit(cuda.limit.STACK_SIZE, 4096)
        assert cuda.Context.get_limit(cuda.limit.STACK_SIZE) == 4096
        cuda.Context.set_cache_config(cuda.func_cache.PREFER_L1)
        cuda.Context.set_shared_config(cuda.shared_config.EIGHT_BYTE_BANK_SIZE)
        assert cuda.Context.get_cache_config() == cuda.func_cache.PREFER_NONE
        assert cuda.Context.get_shared_config() == cuda.shared_config.DEFAULT_BANK_SIZE


def test_a_reservations_context_can_be_cudas(fake):
    with over(fake_context(fake)) as context:
        assert cuda.Context.get_current() is context


@pytest.mark.parametrize(
    ("code", "what", "kind", "number"),
    [
        (-4, "the share is full", cuda.MemoryError, 2),
        (-5, "", cuda.LaunchError, 701),
        (-14, "", cuda.LaunchError, 719),
        (-30, "", cuda.LogicError, 1),
        (-46, "", cuda.LogicError, 500),
        (-42, "", cuda.LogicError, 200),
        (-1, "", cuda.RuntimeError, 100),
        (-7, "", cuda.Error, 999),
        (-5, "CUDA_ERROR_LAUNCH_TIMEOUT: slow", cuda.LaunchError, 702),
        (-5, "x: CUDA_ERROR_ILLEGAL_ADDRESS: bad", cuda.LogicError, 700),
        (-5, "CUDA_ERROR_NO_SUCH_NAME: bad", cuda.LaunchError, 701),
    ],
)
def test_errors_are_cudas(code, what, kind, number):
    error = cuda_error("cuX", errors.error_for("clX", code, what))
    assert (type(error), error.routine, error.code) == (kind, "cuX", number)
    assert isinstance(error, errors.AccelpoolError)


def test_a_device_that_failed_for_good_is_cudas_error_and_other_ends_are_not():
    with pytest.raises(cuda.LogicError, match="illegal address"), calling("cuCtxSynchronize"):
        raise errors.SessionLost("the device failed: CUDA_ERROR_ILLEGAL_ADDRESS")
    with pytest.raises(errors.SessionLost), calling("cuCtxSynchronize"):
        raise errors.SessionLost("the node is gone")


def test_an_error_may_be_made_of_words_as_pycudas():
    assert str(cuda.LogicError("order must be F or C")) == "order must be F or C"


def test_a_failed_synchronize_is_cudas(fake):
    with cuda_context(fake):
        fake.answers[m.Finish] = errors.error_for(
            "clEnqueueNDRangeKernel", -52, "CUDA_ERROR_INVALID_VALUE: args"
        )
        with pytest.raises(cuda.LogicError, match="cuCtxSynchronize failed: invalid value"):
            cuda.Context.synchronize()


def test_an_attached_context_is_current_once_more(fake):
    with cuda_context(fake) as context:
        assert cuda.Context.attach() is context
        cuda.Context.pop()
        assert cuda.Context.get_current() is context
    with pytest.raises(cuda.LogicError, match="no context is current"):
        cuda.Context.attach()
