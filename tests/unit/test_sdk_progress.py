"""How far waits, uploads and builds are, for who wants to know."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console
from rich.progress import Progress
from tests.unit.broker_rig import FakeBroker

import accelpool
from accelpool import aio
from accelpool.acquisition import Acquisition
from accelpool.lease_request import LeaseRequest
from accelpool.progress_bars import Bars, words
from accelpool.progress_reports import LARGE_BYTES, ProgressKind, ProgressStep, ticking, transfer_report
from accelpool.settings import Settings
from accelpool.testing import FakeConnection, FakeRead, fake_context, fake_spanning_context
from accelpool_wire import messages as m

UPLOAD = ProgressStep(kind=ProgressKind.UPLOAD, name="u", done=1 << 20, total=4 << 20)


def test_a_wait_in_the_queue_is_reported_until_it_is_over() -> None:
    steps: list[ProgressStep] = []
    broker = FakeBroker("queued", "queued", "queued", "active")
    with accelpool.progress(steps.append):
        Acquisition(rest=broker, request=LeaseRequest()).run()
    assert [(step.kind, step.position, step.is_over) for step in steps[-2:]] == [
        (ProgressKind.QUEUE, 3, False), (ProgressKind.QUEUE, 3, True),
    ]  # fmt: skip
    assert steps[0].reason == "all are taken"


def test_without_a_listener_the_broker_is_asked_no_more_than_before() -> None:
    broker = FakeBroker("queued", "active")
    Acquisition(rest=broker, request=LeaseRequest()).run()
    assert broker.calls == [("POST", "/leases"), ("GET", "/leases/L")]


def test_small_transfers_and_those_that_nobody_wants_to_know_of_are_not_reported() -> None:
    assert transfer_report(LARGE_BYTES) is None
    with accelpool.progress(print):
        assert transfer_report(LARGE_BYTES) is print
        assert transfer_report(LARGE_BYTES - 1) is None
    assert transfer_report(LARGE_BYTES) is None


class SlowConnection(FakeConnection):
    """One whose reads last until somebody was told of them; half of the bytes come before that."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[ProgressStep] = []
        self._is_told = threading.Event()

    def report(self, step: ProgressStep) -> None:
        """Note a step."""
        self.steps.append(step)
        if step.done:
            self._is_told.set()

    def read(self, message: m.Message, into: memoryview) -> FakeRead:
        """Start a slow read."""
        slow, half = self, into.nbytes // 2

        class SlowRead(FakeRead):
            def wait(self, timeout_s: float | None = None) -> m.Data:
                if not self.is_done:
                    slow.stats.bytes_received += half
                    assert into.nbytes < LARGE_BYTES or slow._is_told.wait(30)
                    slow.stats.bytes_received += into.nbytes - half
                return super().wait(timeout_s)

            def tell(self, callback: Callable[[], None]) -> Callable[[], None]:
                threading.Thread(target=lambda: (self.wait(), callback())).start()
                return lambda: None

        self.asked.append(message)
        return SlowRead(into, b"")


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_download_is_reported_while_it_is_waited_for(nodes: int, is_blocking: bool) -> None:
    slow = SlowConnection()
    ctx = fake_context(slow) if nodes == 1 else fake_spanning_context([slow, FakeConnection()])
    queue, total = accelpool.CommandQueue(ctx, ctx.devices[0]), 4 * LARGE_BYTES
    buffer = accelpool.Buffer(ctx, 0, total)
    with accelpool.progress(slow.report):
        accelpool.enqueue_copy(queue, bytearray(LARGE_BYTES - 1), buffer)
        assert slow.steps == []
        slow.stats.bytes_received = 0
        accelpool.enqueue_copy(queue, bytearray(total), buffer, is_blocking=is_blocking).wait()
    first, last = next(step for step in slow.steps if step.done), slow.steps[-1]
    assert (first.kind, first.done, first.total) == (ProgressKind.DOWNLOAD, total // 2, total)
    assert (last.done, last.is_over) == (total, True)


@pytest.mark.anyio
async def test_a_download_is_reported_in_asyncio_too() -> None:
    slow = SlowConnection()
    ctx = fake_context(slow)
    queue, buffer = accelpool.CommandQueue(ctx), accelpool.Buffer(ctx, 0, LARGE_BYTES)
    with accelpool.progress(slow.report):
        await aio.enqueue_copy(queue, bytearray(LARGE_BYTES), buffer)
    assert {step.kind for step in slow.steps} == {ProgressKind.DOWNLOAD}


@pytest.mark.anyio
async def test_what_two_events_wait_for_is_counted_once() -> None:
    slow = SlowConnection()
    ctx = fake_context(slow)
    queue, buffer = accelpool.CommandQueue(ctx), accelpool.Buffer(ctx, 0, LARGE_BYTES)
    with accelpool.progress(slow.report):
        copies = [
            accelpool.enqueue_copy(queue, bytearray(LARGE_BYTES), buffer, is_blocking=False) for _ in range(2)
        ]
        await aio.wait_for_events(copies)
    assert {step.total for step in slow.steps} == {2 * LARGE_BYTES}


def test_what_takes_its_time_is_reported_again_and_again_and_at_its_end() -> None:
    steps: list[ProgressStep] = []
    enough = threading.Event()

    def report(step: ProgressStep) -> None:
        steps.append(step)
        if len(steps) >= 2:
            enough.set()

    with ticking(report, lambda: UPLOAD):
        assert enough.wait(30)
    assert not steps[0].is_over
    assert [step.is_over for step in steps].count(True) == 1
    assert steps[-1].is_over


def test_what_is_over_within_a_moment_is_not_reported() -> None:
    steps: list[ProgressStep] = []
    with ticking(steps.append, lambda: UPLOAD):
        pass
    assert steps == []


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (UPLOAD, "uploading 1 of 4 MiB"),
        (replace(UPLOAD, kind=ProgressKind.DOWNLOAD), "downloading 1 of 4 MiB"),
        (ProgressStep(kind=ProgressKind.BUILD, name="a program"), "building a program"),
        (ProgressStep(kind=ProgressKind.QUEUE, name="l", position=2, reason="all\x1b are taken"),
         "waiting at position 2: all  are taken"),
        (ProgressStep(kind=ProgressKind.QUEUE, name="l", earliest_at="soon"),
         "waiting; at the earliest at soon"),
    ],
)  # fmt: skip
def test_a_step_is_told_in_a_line(step: ProgressStep, told: str) -> None:
    assert words(step) == told


def test_a_bar_is_there_for_as_long_as_its_step() -> None:
    shown = Progress(console=Console(file=io.StringIO()), auto_refresh=False)
    bars = Bars(shown)
    bars(UPLOAD)
    assert [(task.completed, task.total) for task in shown.tasks] == [(1 << 20, 4 << 20)]
    bars(ProgressStep(kind=ProgressKind.UPLOAD, name="u", is_over=True))
    assert shown.tasks == []


@pytest.mark.parametrize(("said", "wanted"), [("1", True), ("0", False), ("", None)])
def test_the_environment_says_where_there_are_bars(said: str, wanted: bool | None) -> None:
    assert Settings.from_environment({"ACCELPOOL_PROGRESS": said}).has_progress is wanted


def test_in_a_pipe_there_are_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    with accelpool.progress():
        assert transfer_report(LARGE_BYTES) is None
    assert capsys.readouterr().err == ""
