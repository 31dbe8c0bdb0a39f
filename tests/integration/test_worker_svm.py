"""How long a worker keeps shared virtual memory: as long as commands may use it, and no longer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from accelpool_node.backends.base import BackendDevice
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from .scripted_device import CONTEXT, LARGE, QUEUE, SHARE_BYTES, Device, failure, fill

SVM, KERNEL, PAGE = 50, 60, 4096


def allocation_of(device: Device, size: int = LARGE) -> weakref.ref[Any]:
    """Have memory under the handle `SVM`; return what tells whether it is freed."""
    assert isinstance(device.ask(m.CreateSVM(SVM, CONTEXT, 1, size, PAGE)), m.SVMCreated)
    return weakref.ref(device.session.holdings.buffers.items[SVM].allocation)


def is_freed(allocation: weakref.ref[Any]) -> bool:
    gc.collect()
    return allocation() is None


def test_memory_that_nothing_uses_is_freed_with_its_handle(device: Device) -> None:
    allocation = allocation_of(device)
    assert not is_freed(allocation)
    device.say(m.Release([SVM]))
    assert is_freed(allocation)


def test_memory_that_a_command_uses_is_freed_after_it(device: Device) -> None:
    allocation = allocation_of(device)
    used = device.shares[0].used_bytes
    device.backend.is_holding = True
    device.say(fill(buffer=SVM))
    device.say(m.Release([SVM]))
    device.session.holdings.ledger.sweep()
    assert not is_freed(allocation)
    assert device.shares[0].used_bytes == used
    device.end_all()
    device.session.holdings.ledger.sweep()
    assert is_freed(allocation)
    assert device.shares[0].used_bytes == used - LARGE - PAGE


def test_a_region_keeps_it(device: Device) -> None:
    allocation = allocation_of(device)
    device.say(m.CreateSubBuffer(SVM + 1, SVM, 0, 0, 1024))
    device.say(m.Release([SVM]))
    assert not is_freed(allocation)
    device.say(m.Release([SVM + 1]))
    assert is_freed(allocation)


def test_a_kernel_that_has_it_as_an_argument_does_not_keep_it(device: Device) -> None:
    device.say(m.CreateProgramWithSource(40, CONTEXT, "__kernel void f(__global int *a) {}"))
    device.ask(m.BuildProgram(40, [0]))
    device.say(m.CreateKernel(KERNEL, 40, "f"))
    allocation = allocation_of(device)
    device.say(m.SetKernelArgs(KERNEL, 0, [{SVM: 64}]))
    device.say(m.Release([SVM]))
    assert is_freed(allocation)
    device.say(m.EnqueueNDRangeKernel(QUEUE, KERNEL, [1]))
    answer = device.ask(m.Finish(QUEUE))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.INVALID_MEM_OBJECT


def test_a_read_that_is_being_sent_keeps_it(device: Device) -> None:
    allocation = allocation_of(device)
    holdings, transfers = device.session.holdings, device.session._transfers
    queue, memory = holdings.queues.items[QUEUE], holdings.buffers.items[SVM]
    outlet = transfers.open_read(queue, memory, 0, LARGE, None, None, may_map=True)
    device.say(m.Release([SVM]))
    assert not is_freed(allocation)
    transfers.close_read(outlet, queue)
    del outlet, memory
    assert is_freed(allocation)


def test_memory_that_the_driver_refuses_takes_nothing(device: Device) -> None:
    used = device.shares[0].used_bytes
    device.backend.raising["create_svm"] = failure(ErrorCode.OUT_OF_RESOURCES)
    answer = device.ask(m.CreateSVM(SVM, CONTEXT, 1, LARGE, PAGE))
    assert isinstance(answer, m.Failed)
    assert (answer.code, device.shares[0].used_bytes) == (ErrorCode.OUT_OF_RESOURCES, used)


def test_memory_beyond_the_share_is_refused_before_the_driver_is_asked(device: Device) -> None:
    device.backend.raising["create_svm"] = AssertionError("the driver is asked")
    answer = device.ask(m.CreateSVM(SVM, CONTEXT, 1, SHARE_BYTES - PAGE + 1, PAGE))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE


@pytest.mark.parametrize("told", [None, 0, 14], ids=str)
def test_a_device_without_such_memory_refuses_it(device: Device, told: int | None) -> None:
    known = device.shares[0].device
    info = {number: value for number, value in known.info.items() if number != 0x1053}
    info |= {} if told is None else {0x1053: told}
    device.shares[0].device = BackendDevice(
        name=known.name, platform=known.platform, info=info, kind=known.kind, api=known.api
    )
    answer = device.ask(m.CreateSVM(SVM, CONTEXT, 1, LARGE, PAGE))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.INVALID_OPERATION
