"""What a session makes of commands that hang, fail while they run, or break in ways nobody foresaw."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import FrameTooLarge

from ..conftest import wait_until
from .scripted_device import BUFFER, CONTEXT, LARGE, QUEUE, Device, failure, fill, read

# ---- which command is to blame ---------------------------------------------------------------------------


def test_an_answer_names_the_earlier_command_that_failed(device: Device) -> None:
    culprit = device.say(fill(buffer=99))
    answer = device.ask(m.Finish(QUEUE))
    assert isinstance(answer, m.Failed)
    assert (answer.culprit, answer.code) == (culprit, ErrorCode.INVALID_MEM_OBJECT)


def test_an_answer_names_the_command_whose_object_is_missing(device: Device) -> None:
    culprit = device.say(m.CreateBuffer(50, CONTEXT, 1, 0))
    device.say(fill(buffer=50, event=60))
    device.say(m.EnqueueMarker(QUEUE, 61, [60]))
    answer = device.ask(m.Finish(QUEUE))
    assert isinstance(answer, m.Failed)
    assert (answer.culprit, answer.code) == (culprit, ErrorCode.INVALID_BUFFER_SIZE)
    assert device.ask(m.Sync()) == m.Done(device.answers[-1].command)


def test_a_failed_read_is_its_own_culprit(device: Device) -> None:
    command = device.say(read(size=0))
    answer = device.answer_to(command)
    assert isinstance(answer, m.Failed)
    assert answer.culprit == command


# ---- commands that fail while they run -------------------------------------------------------------------


def test_a_command_that_fails_while_it_runs_surfaces_at_finish(device: Device) -> None:
    device.backend.is_holding = True
    culprit = device.say(fill(event=60))
    finish = device.say(m.Finish(QUEUE))
    device.backend.running[0].end(ErrorCode.OUT_OF_RESOURCES)
    answer = device.answer_to(finish)
    assert isinstance(answer, m.Failed)
    assert (answer.culprit, answer.code) == (culprit, ErrorCode.OUT_OF_RESOURCES)
    state = device.ask(m.GetEvent(60))
    assert isinstance(state, m.EventState)
    assert state.status == ErrorCode.OUT_OF_RESOURCES


@pytest.mark.parametrize("size", [4, LARGE])
@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_read_that_fails_while_it_runs_is_answered_and_its_queue_goes_on(
    device: Device, size: int, is_blocking: bool
) -> None:
    device.backend.is_holding = True
    command = device.say(read(size, is_blocking=is_blocking))
    device.backend.running[0].end(ErrorCode.OUT_OF_RESOURCES)
    answer = device.answer_to(command)
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.OUT_OF_RESOURCES
    device.end_all()
    assert isinstance(in_time(device, read(size, is_blocking=is_blocking)), m.Data)


def test_a_large_write_whose_mapping_fails_is_a_failed_write(device: Device) -> None:
    device.backend.enqueue_map_buffer = failed_mapping(device)
    command = device.say(m.EnqueueWriteBuffer(QUEUE, BUFFER, 0, 60), b"x" * LARGE)
    answer = device.ask(m.Finish(QUEUE))
    assert isinstance(answer, m.Failed)
    assert (answer.culprit, answer.routine) == (command, "clEnqueueWriteBuffer")
    assert answer.code == ErrorCode.MAP_FAILURE


def failed_mapping(device: Device) -> Any:
    original = device.backend.enqueue_map_buffer

    def enqueue_map_buffer(*args: Any) -> Any:
        mapping, view, event = original(*args)
        event.end(ErrorCode.MAP_FAILURE)
        return mapping, view, event

    return enqueue_map_buffer


@pytest.mark.parametrize("method", ["enqueue_map_buffer", "enqueue_unmap", "flush"])
def test_a_large_read_that_the_driver_refuses_does_not_hold_its_queue(device: Device, method: str) -> None:
    device.backend.raising[method] = failure(ErrorCode.MAP_FAILURE)
    assert in_time(device, read(LARGE, is_blocking=True)) is not None
    device.backend.raising.clear()
    in_time(device, m.Finish(QUEUE))
    assert isinstance(in_time(device, read(LARGE, is_blocking=True)), m.Data)


def test_a_large_read_with_an_event_handle_in_use_does_not_hold_its_queue(device: Device) -> None:
    device.say(m.EnqueueMarker(QUEUE, 60))
    assert isinstance(in_time(device, read(LARGE, is_blocking=True, event=60)), m.Failed)
    assert isinstance(in_time(device, m.Finish(QUEUE)), m.Done)


def in_time(device: Device, message: m.Message) -> m.Message:
    """Carry a message out in a thread, so that a session that hangs fails the test and not the run."""
    found: list[m.Message] = []
    thread = threading.Thread(target=lambda: found.append(device.ask(message)), daemon=True)
    thread.start()
    thread.join(60)
    assert found, f"{message} hangs"
    return found[0]


# ---- what nobody foresaw ---------------------------------------------------------------------------------

SURPRISES = [
    (MemoryError("no room"), ErrorCode.OUT_OF_HOST_MEMORY),
    (ZeroDivisionError("a bug"), ErrorCode.OUT_OF_RESOURCES),
    (OverflowError("too large"), ErrorCode.OUT_OF_RESOURCES),
    (RecursionError("too deep"), ErrorCode.OUT_OF_RESOURCES),
]


@pytest.mark.parametrize(("surprise", "code"), SURPRISES)
@pytest.mark.parametrize("method", ["enqueue_fill_buffer", "create_buffer", "create_program_with_source"])
def test_whatever_a_posted_command_raises_is_a_typed_failure(
    device: Device, method: str, surprise: Exception, code: int
) -> None:
    device.backend.raising[method] = surprise
    messages = {
        "enqueue_fill_buffer": fill(),
        "create_buffer": m.CreateBuffer(50, CONTEXT, 1, 4),
        "create_program_with_source": m.CreateProgramWithSource(50, CONTEXT, ""),
    }
    culprit = device.say(messages[method])
    answer = device.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert (answer.culprit, answer.code) == (culprit, code)
    assert type(surprise).__name__ in answer.what
    assert isinstance(device.ask(m.Sync()), m.Done)


@pytest.mark.parametrize(("surprise", "code"), SURPRISES)
@pytest.mark.parametrize("method", ["build_program", "program_kernels", "build_logs"])
def test_whatever_a_build_raises_is_its_answer(
    device: Device, method: str, surprise: Exception, code: int
) -> None:
    device.say(m.CreateProgramWithSource(50, CONTEXT, "__kernel void nop() {}"))
    device.backend.raising[method] = surprise
    answer = device.ask(m.BuildProgram(50, [0]))
    assert isinstance(answer, m.Failed)
    assert answer.code == code


def test_a_buffer_that_could_not_be_made_for_any_reason_takes_no_memory(device: Device) -> None:
    device.backend.raising["create_buffer"] = ZeroDivisionError()
    device.say(m.CreateBuffer(50, CONTEXT, 1, (1 << 24) - 200_000))
    device.ask(m.Sync())
    device.backend.raising.clear()
    device.say(m.CreateBuffer(51, CONTEXT, 1, (1 << 24) - 200_000))
    assert isinstance(device.ask(m.Sync()), m.Done)


def test_content_for_which_the_worker_has_no_room_is_a_typed_failure(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(size: int) -> bytearray:
        raise MemoryError

    monkeypatch.setattr("accelpool_node.worker.payloads.bytearray", no_room, raising=False)
    device.say(m.CreateBuffer(50, CONTEXT, 1, 4), b"four")
    answer = device.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.OUT_OF_HOST_MEMORY


def test_an_answer_too_large_to_send_is_a_typed_failure(device: Device) -> None:
    device.say(m.CreateProgramWithSource(50, CONTEXT, "__kernel void nop() {}"))
    device.refused[m.Built] = FrameTooLarge("20 MiB")
    answer = device.ask(m.BuildProgram(50, [0]))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.OUT_OF_RESOURCES


def test_a_build_log_is_cut_to_what_fits_a_frame(device: Device) -> None:
    device.backend.build_program = lambda *_: raise_long()
    device.say(m.CreateProgramWithSource(50, CONTEXT, ""))
    answer = device.ask(m.BuildProgram(50, [0]))
    assert isinstance(answer, m.Failed)
    assert 10_000 < len(answer.what) < device.limits.body_bytes // 4


def raise_long() -> None:
    error = failure(ErrorCode.BUILD_PROGRAM_FAILURE)
    error.what = "warning: é\n" * (4 << 20)
    raise error


def test_an_answer_that_breaks_on_its_way_leaves_its_wait_for_the_watchdog_to_see(
    device: Device, capfd: pytest.CaptureFixture[str]
) -> None:
    device.backend.is_holding = True
    device.say(fill())
    device.refused[m.Done] = ZeroDivisionError("a bug")
    device.say(m.Finish(QUEUE))
    device.end_all()
    wait_until(lambda: "a bug" in capfd.readouterr().err)
    wait_until(lambda: device.session.completion.oldest_s() > 0)
