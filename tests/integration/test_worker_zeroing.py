"""New memory of a device that outlives processes shows nobody what another tenant left there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from accelpool_node.backends.null.objects import NullBuffer
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from . import scripted_device
from .scripted_device import CONTEXT, QUEUE, Device, ScriptedBackend, failure

SECRET = b"another tenant's"
NEW, SVM = 40, 41


class DirtyBackend(ScriptedBackend):
    """A device whose new memory holds what was there before."""

    kind = "gpu"

    def devices(self) -> list[Any]:
        return [dataclasses.replace(device, kind=self.kind) for device in super().devices()]

    def create_buffer(self, context: Any, flags: int, size: int, content: Any) -> NullBuffer:
        made = super().create_buffer(context, flags, size, content)
        if content is None:
            made.content[:] = (SECRET * (size // len(SECRET) + 1))[:size]
        return made

    def create_svm(self, *args: Any) -> Any:
        made = super().create_svm(*args)
        made.memory.content[:16] = SECRET
        return made


class DirtyCpuBackend(DirtyBackend):
    kind = "cpu"


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    monkeypatch.setattr(scripted_device, "ScriptedBackend", DirtyBackend)
    return Device()


def content(device: Device, buffer: int, size: int = 16) -> bytes:
    command = device.say(m.EnqueueReadBuffer(QUEUE, buffer, 0, size, 0, is_blocking=True))
    device.answer_to(command)
    return device.contents[command]


@pytest.mark.parametrize("flags", [1, 2, 4, 1 << 4 | 1, 1 << 9 | 1])
def test_a_new_buffer_holds_nothing(device: Device, flags: int) -> None:
    device.say(m.CreateBuffer(NEW, CONTEXT, flags, 100))
    assert content(device, NEW, 100) == bytes(100)


def test_a_buffer_with_content_holds_that(device: Device) -> None:
    device.say(m.CreateBuffer(NEW, CONTEXT, 1, 16), b"its own, 16bytes")
    assert content(device, NEW) == b"its own, 16bytes"


def test_new_shared_virtual_memory_holds_nothing(device: Device) -> None:
    device.say(m.CreateSVM(SVM, CONTEXT, 1, 16, 16))
    assert content(device, SVM) == bytes(16)


def test_memory_that_cannot_be_zeroed_is_not_given(device: Device) -> None:
    device.backend.raising["enqueue_fill_buffer"] = failure(-4)
    device.say(m.CreateBuffer(NEW, CONTEXT, 1, 100))
    command = device.say(m.EnqueueReadBuffer(QUEUE, NEW, 0, 16, 0, is_blocking=True))
    answer = device.answer_to(command)
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE


def test_a_cpus_memory_is_the_kernels_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted_device, "ScriptedBackend", DirtyCpuBackend)
    device = Device()
    began = len(device.backend.running)
    device.say(m.CreateBuffer(NEW, CONTEXT, 1, 100))
    assert len(device.backend.running) == began
