"""What each message of a client does, and what becomes of a failure.

A posted command that fails leaves its failure where it belongs: with the handle it was to make, with its
event, and with its queue (or the session, if it has none). The next synchronous command there is answered
with it, once.
"""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from accelpool_node.backends.base import Backend
from accelpool_node.worker.builds import Builds
from accelpool_node.worker.commands import Commands
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import EarlierFailure, FailedEvent, Failure, Pace, QueueObject, Share
from accelpool_node.worker.prebuilt import Prebuilt, Products
from accelpool_node.worker.transfers import Intake, Transfers
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, FrameTooLarge, error_for

WATCHERS = 32  # events of one message that are waited for each by itself; more take turns
MAX_WHAT = 256 * 1024  # characters of a build log, or of what went wrong, that are sent
MAX_KEPT = 2000  # characters of what stays with a handle: there may be a million
ANSWERED = (m.Finish, m.BuildProgram, m.GetProgramBinaries, m.GetEvent, m.Sync, m.EnqueueReadBuffer)


class Reply(Protocol):
    """Sends a message to the client, with a payload if any; safe from any thread."""

    def __call__(self, message: m.Message, payload: memoryview | bytes | None = None) -> None:
        """Send it."""
        ...


class Session:
    """One client's session on one node.

    Args:
        backend: Where commands go.
        shares: The session's devices with the memory that may be allocated on each.
        limits: What the client may ask for at most.
        reply: Sends answers and pushes.
        products: Where products of builds come from that were made elsewhere, or None.
    """

    def __init__(
        self,
        backend: Backend,
        shares: Sequence[Share],
        limits: m.Limits,
        reply: Reply,
        products: Products | None = None,
    ) -> None:
        self.completion = Completion(backend, limits.pending)
        self._backend = backend
        self._limits = limits
        self._reply = reply
        self._holdings = Holdings(backend, shares, limits)
        transfers = self._transfers = Transfers(backend, self.completion, limits.staged_bytes)
        commands = self._commands = Commands(backend, self._holdings, transfers, limits)
        builds = Builds(backend, self._holdings, Prebuilt(backend, self._holdings, products), reply)
        self._failure: Failure | None = None
        self._watched: set[int] = set()
        self._intake: Intake | None = None
        self._content: memoryview | None = None
        self._makers: dict[type[m.Message], Callable[[Any], None]] = {
            m.CreateContext: self._holdings.create_context,
            m.CreateCommandQueue: self._holdings.create_command_queue,
            m.CreateBuffer: self._create_buffer,
            m.CreateSubBuffer: self._holdings.create_sub_buffer,
            m.CreateProgramWithSource: self._holdings.create_program_with_source,
            m.CreateProgramWithBinary: self._create_program_with_binary,
            m.CreateKernel: self._holdings.create_kernel,
            m.SetKernelArgs: commands.set_kernel_args,
            m.Release: self._release,
            m.Flush: commands.flush,
            m.WatchEvents: self._watch_events,
        }
        self._numbered: dict[type[m.Message], Callable[[Any, int], None]] = {
            m.EnqueueNDRangeKernel: commands.enqueue_nd_range_kernel,
            m.EnqueueWriteBuffer: self._enqueue_write_buffer,
            m.EnqueueReadBuffer: self._enqueue_read_buffer,
            m.EnqueueCopyBuffer: commands.enqueue_copy_buffer,
            m.EnqueueFillBuffer: commands.enqueue_fill_buffer,
            m.EnqueueMarker: commands.enqueue_marker,
            m.EnqueueBarrier: commands.enqueue_barrier,
            m.Finish: self._finish,
            m.BuildProgram: builds.build_program,
            m.GetProgramBinaries: builds.get_program_binaries,
            m.GetEvent: self._get_event,
            m.Sync: self._sync,
        }

    # ---- one message -------------------------------------------------------------------------------------

    def open_payload(self, message: m.Message, size: int, command: int) -> memoryview | None:
        """Return where a message's payload goes, or None if it failed already and nobody wants it."""
        self._intake = self._content = None
        try:
            if isinstance(message, m.EnqueueWriteBuffer):
                self._intake = self._commands.open_write(message, size)
                return self._intake.view
            self._check_content(message, size)
            self._content = memoryview(bytearray(size))
            return self._content
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the session goes on
            self._stick(message, _as_error(error, message), command)
            return None

    def execute(self, message: m.Message, command: int) -> None:
        """Do what a message asks for. A failure sticks or is answered; it is never raised."""
        kind = type(message)
        try:
            if kind in self._numbered:
                self._numbered[kind](message, command)
            else:
                self._makers[kind](message)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the session goes on
            self._stick(message, _as_error(error, message), command)

    # ---- failures ----------------------------------------------------------------------------------------

    def _stick(self, message: m.Message, error: Error, command: int) -> None:
        """Leave a failure where it belongs."""
        if isinstance(error, EarlierFailure):
            culprit, what = error.failure.command, error.what
        else:
            limit = MAX_WHAT if isinstance(message, ANSWERED) else MAX_KEPT
            culprit, what = command, f"command {command} ({type(message).__name__}): {error.what[:limit]}"
        failure = Failure(command=culprit, routine=error.routine, code=error.code, what=what)
        for table, handle in self._holdings.made_by(message):
            table.fail(handle, failure)
        if not isinstance(message, m.GetEvent):
            self._holdings.fail_event(getattr(message, "event", 0), failure)
        if isinstance(message, ANSWERED):
            self._answer_failed(command, failure)
            return
        queue = self._holdings.queues.items.get(getattr(message, "queue", 0))
        if queue is None:
            self._failure = self._failure or failure
        else:
            queue.failure = queue.failure or failure

    def _answer_failed(self, command: int, failure: Failure) -> None:
        """Answer with a failure, which is thereby reported."""
        self._forget(failure)
        self._reply(m.Failed(command, failure.command, failure.routine, failure.code, failure.what))

    def _forget(self, failure: Failure) -> None:
        """Let a failure that was reported surface no more; nor another with the same cause."""
        if self._failure is not None and self._failure.command == failure.command:
            self._failure = None
        for queue in list(self._holdings.queues.items.values()):
            if queue.failure is not None and queue.failure.command == failure.command:
                queue.failure = None

    def _surface(self, command: int, queue: QueueObject, event: int = 0) -> bool:
        """Answer a synchronous command with the failure that sticks to its queue or session, if any."""
        failure = queue.failure or self._failure
        if failure is None:
            return False
        self._holdings.fail_event(event, failure)
        self._answer_failed(command, failure)
        return True

    def _release(self, message: m.Release) -> None:
        unreported = self._holdings.release(message)
        self._failure = self._failure or unreported

    # ---- what has a payload ------------------------------------------------------------------------------

    def _check_content(self, message: m.Message, size: int) -> None:
        """Refuse a payload that cannot become a buffer's content, or binaries, before it is received."""
        if isinstance(message, m.CreateBuffer):
            routine, expected, limit = "clCreateBuffer", message.size, message.size
            context = self._holdings.contexts.get(message.context, routine)
            self._holdings.ledger.check(context, message.size, routine)
        else:
            routine, limit = "clCreateProgramWithBinary", self._limits.staged_bytes
            expected = sum(getattr(message, "sizes", ()))
        if size != expected or size > limit:
            what = f"a payload of {size} bytes; the message says {expected}, the limit is {limit}"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)

    def _take_content(self) -> memoryview | None:
        content, self._content = self._content, None
        return content

    def _create_buffer(self, message: m.CreateBuffer) -> None:
        self._holdings.create_buffer(message, self._take_content())

    def _create_program_with_binary(self, message: m.CreateProgramWithBinary) -> None:
        content = self._take_content()
        if content is None:
            raise error_for("clCreateProgramWithBinary", ErrorCode.INVALID_VALUE, "no binaries came with it")
        self._holdings.create_program_with_binary(message, content)

    def _enqueue_write_buffer(self, message: m.EnqueueWriteBuffer, command: int) -> None:
        intake, self._intake = self._intake, None
        self._commands.enqueue_write_buffer(message, intake, command)

    def _enqueue_read_buffer(self, message: m.EnqueueReadBuffer, command: int) -> None:
        queue = self._holdings.queue(message.queue, "clEnqueueReadBuffer")
        if self._surface(command, queue, message.event):
            return
        outlet = self._commands.enqueue_read_buffer(message, command)

        def send() -> None:
            status = self.completion.status(outlet.event)
            if status < 0:
                self._answer_failed(command, _run_failure(command, "clEnqueueReadBuffer", status))
            else:
                self._reply(m.Data(command, self.completion.times(outlet.event)), outlet.view)
            try:
                self._transfers.close_read(outlet, queue)
            except Error as error:
                failure = Failure(command=command, routine=error.routine, code=error.code, what=error.what)
                queue.failure = queue.failure or failure

        self.completion.when_complete(outlet.event, send, queue.pace)

    # ---- events ------------------------------------------------------------------------------------------

    def _watch_events(self, message: m.WatchEvents) -> None:
        if len(message.events) > self._limits.handles:
            what = f"{len(message.events)} events to watch; the limit is {self._limits.handles}"
            raise error_for("clWaitForEvents", ErrorCode.INVALID_VALUE, what)
        with contextlib.suppress(Error):  # what is wrong with a queue is for its own commands to say
            for queue in self._holdings.queues.items.values():
                self._backend.flush(queue.handle)
        status, pending = self.completion.status, []
        for handle in message.events:
            event = self._holdings.event_or_failure(handle)
            if status(event) <= 0:
                self._push_done(handle, event)
            elif handle not in self._watched:
                self._watched.add(handle)
                pending.append((event, functools.partial(self._push_done, handle, event)))
        for event, push in pending[:WATCHERS]:
            pace = self._pace_of(event) if len(pending) == 1 else Pace()
            self.completion.when_complete(event, push, pace, is_watch=True)
        if len(pending) > WATCHERS:
            self.completion.in_turn(pending[WATCHERS:], is_watch=True)

    def _pace_of(self, event: Any) -> Pace:
        """Return the pace of the queue whose newest event this is; an event that nobody knows takes long."""
        queues = self._holdings.queues.items.values()
        return next((queue.pace for queue in queues if queue.newest is event), None) or Pace()

    def _push_done(self, handle: int, event: Any) -> None:
        self._watched.discard(handle)
        status, times, failure = self._state_of(event)
        self._reply(m.EventDone(handle, status, times, failure))

    def _get_event(self, message: m.GetEvent, command: int) -> None:
        event = self._holdings.events.get(message.event, "clGetEventInfo")
        status, times, failure = self._state_of(event)
        self._reply(m.EventState(command, status, times, failure))

    def _state_of(self, event: Any) -> tuple[int, list[int] | None, list[str] | None]:
        """Return an event's status, times and failure; a failure told is reported."""
        status = self.completion.status(event)
        if isinstance(event, FailedEvent):
            self._forget(event.failure)
            return status, None, [event.failure.routine, event.failure.what]
        if status < 0:
            return status, None, ["clWaitForEvents", "the command failed while it ran"]
        return status, self.completion.times(event) if status == 0 else None, None

    # ---- synchronous -------------------------------------------------------------------------------------

    def _finish(self, message: m.Finish, command: int) -> None:
        queue = self._holdings.queue(message.queue, "clFinish")
        self._backend.flush(queue.handle)
        self._transfers.drop_written()
        newest, number = queue.newest, queue.newest_command
        if not queue.is_in_order:
            newest = self._backend.enqueue_marker(queue.handle, None)

        def answer() -> None:
            status = 0 if newest is None else self.completion.status(newest)
            if status < 0 and queue.failure is None:
                queue.failure = _run_failure(number, "clFinish", status)
            if not self._surface(command, queue):
                self._reply(m.Done(command))

        if newest is None:
            answer()
        else:
            self.completion.when_complete(newest, answer, queue.pace)

    def _sync(self, _message: m.Sync, command: int) -> None:
        failures = [queue.failure for queue in self._holdings.queues.items.values() if queue.failure]
        if self._failure is not None:
            failures.append(self._failure)
        if failures:
            self._answer_failed(command, min(failures, key=lambda failure: failure.command))
        else:
            self._reply(m.Done(command))


def _as_error(error: Exception, message: m.Message) -> Error:
    """Return OpenCL's error for whatever was raised while a message was carried out."""
    if isinstance(error, Error):
        return error
    routine, what = type(message).__name__, f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return error_for(routine, ErrorCode.OUT_OF_HOST_MEMORY, what)
    if isinstance(error, FrameTooLarge):
        return error_for(routine, ErrorCode.OUT_OF_RESOURCES, f"the answer is too large: {error}")
    traceback.print_exception(error)
    return error_for(routine, ErrorCode.OUT_OF_RESOURCES, what)


def _run_failure(command: int, routine: str, code: int) -> Failure:
    return Failure(command=command, routine=routine, code=code, what=f"command {command} failed while it ran")
