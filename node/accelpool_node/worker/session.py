"""What each message of a client does, and what becomes of a failure.

A posted command that fails leaves its failure where it belongs: with the handle it was to make, with its
event, and with its queue (or the session, if it has none). The next synchronous command there is answered
with it, once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from accelpool_node.backends.base import Backend
from accelpool_node.worker.addresses import Addresses
from accelpool_node.worker.builds import Builds
from accelpool_node.worker.commands import Commands
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.failures import as_error, run_failure
from accelpool_node.worker.gates import TransferEvent, gate_of
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.image_commands import ImageCommands
from accelpool_node.worker.images import Images
from accelpool_node.worker.loaded_images import LoadedImages
from accelpool_node.worker.objects import EarlierFailure, Failure, Pace, QueueObject, Share, failure_of
from accelpool_node.worker.parting import Parting
from accelpool_node.worker.payloads import Opener, Payloads
from accelpool_node.worker.peer_line import Patience
from accelpool_node.worker.peer_regions import PeerRegions
from accelpool_node.worker.peers import Connect, Peers, connect_nowhere
from accelpool_node.worker.prebuilt import Prebuilt, Products
from accelpool_node.worker.rectangles import Rectangles
from accelpool_node.worker.svm import SharedVirtualMemory
from accelpool_node.worker.transfers import Outlet, Pieces, Transfers
from accelpool_node.worker.turn_taking import TurnTaking
from accelpool_node.worker.user_events import UserEvents
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

WATCHERS = 32  # events of one message that are waited for each by itself; more take turns
MAX_WHAT = 256 * 1024  # characters of a build log, or of what went wrong, that are sent
MAX_KEPT = 2000  # characters of what stays with a handle: there may be a million


class Reply(Protocol):
    """Sends a message to the client, with a payload if any; safe from any thread."""

    def __call__(self, message: m.Message, payload: Pieces | memoryview | bytes | None = None) -> None:
        """Send it."""


class Session:
    """One client's session on one node.

    Args:
        backend: Where commands go.
        shares: The session's devices with the memory that may be allocated on each.
        limits: What the client may ask for at most.
        reply: Sends answers and pushes.
        products: Where products of builds come from that were made elsewhere, or None.
        addresses: Where buffers may be sent to: "host:port", IPv6 in brackets.
        patience: How long transfers between nodes wait for what.
        connect: Returns a connection to one of the addresses; see `Peers`.

    Attributes:
        completion: Knows how far commands are.
        holdings: Its objects.
        loaded_images: What is loaded on the devices.
        peers: Moves buffers to and from other nodes.
        turns: Those that commands wait for; None if the lease has its devices for itself.
    """

    def __init__(
        self,
        backend: Backend,
        shares: Sequence[Share],
        limits: m.Limits,
        reply: Reply,
        *,
        products: Products | None = None,
        addresses: Sequence[str] = (),
        patience: Patience | None = None,
        connect: Connect = connect_nowhere,
    ) -> None:
        self.completion = Completion(backend, limits.pending, lambda: not user_events.unset)
        self._backend = backend
        self._limits = limits
        self._reply = reply
        holdings = self.holdings = self._holdings = Holdings(backend, shares, limits)
        transfers = self._transfers = Transfers(backend, self.completion, limits.staged_bytes)
        user_events = self._user_events = UserEvents(backend, self._holdings)
        commands = Commands(backend, self._holdings, transfers, user_events, limits)
        images = Images(backend, self._holdings, reply)
        image_commands = ImageCommands(backend, self._holdings, commands)
        rectangles = Rectangles(backend, self._holdings, commands)
        openers: dict[type[m.Message], Opener] = {
            m.EnqueueWriteBuffer: commands.open_write,
            m.EnqueueWriteImage: image_commands.open_write,
            m.EnqueueWriteBufferRect: rectangles.open_write,
        }
        payloads = self._payloads = Payloads(self._holdings, images, limits, openers)
        self.loaded_images = LoadedImages()
        self._turn = threading.Lock()  # messages, and the ends of transfers, one after the other
        regions = PeerRegions(backend, holdings, self.completion, user_events, self._stick_to, self._turn)
        self.peers = Peers(regions, addresses, patience or Patience(), connect)
        prebuilt = Prebuilt(backend, self._holdings, products)
        builds = self._builds = Builds(backend, self._holdings, prebuilt, self.loaded_images, reply)
        parting = Parting(backend, holdings, reply)
        addresses_of = Addresses(backend, holdings, reply)
        self.turns: TurnTaking | None = None
        self._failure: Failure | None = None
        self._watched: set[int] = set()
        self._makers: dict[type[m.Message], Callable[[Any], None]] = {
            m.CreateContext: self._holdings.create_context,
            m.CreateCommandQueue: self._holdings.create_command_queue,
            m.CreateBuffer: payloads.with_content(self._holdings.create_buffer),
            m.CreateSubBuffer: self._holdings.create_sub_buffer,
            m.CreateImage: payloads.with_content(images.create_image),
            m.CreateSampler: images.create_sampler,
            m.CreateProgramWithSource: self._holdings.create_program_with_source,
            m.CreateProgramWithBinary: payloads.with_content(self._holdings.create_program_with_binary),
            m.CreateProgramWithIL: payloads.with_content(builds.create_program_with_il),
            m.CreateProgramWithBuiltInKernels: builds.create_program_with_built_in_kernels,
            m.CreateKernel: self._holdings.create_kernel,
            m.SetKernelArgs: commands.set_kernel_args,
            m.CreateUserEvent: user_events.create,
            m.Flush: commands.flush,
            m.WatchEvents: self._watch_events,
            m.UnloadPlatformCompiler: parting.unload_platform_compiler,
            m.SetDefaultDeviceCommandQueue: parting.set_default_device_command_queue,
        }
        self._numbered: dict[type[m.Message], Callable[[Any, int], None]] = {
            m.EnqueueNDRangeKernel: commands.enqueue_nd_range_kernel,
            m.EnqueueWriteBuffer: payloads.writing(commands.enqueue_write_buffer),
            m.EnqueueReadBuffer: self._reading("clEnqueueReadBuffer", commands.enqueue_read_buffer),
            m.EnqueueCopyBuffer: commands.enqueue_copy_buffer,
            m.EnqueueFillBuffer: commands.enqueue_fill_buffer,
            m.EnqueueWriteImage: payloads.writing(image_commands.enqueue_write_image),
            m.EnqueueReadImage: self._reading("clEnqueueReadImage", image_commands.enqueue_read_image),
            m.EnqueueCopyImage: image_commands.enqueue_copy_image,
            m.EnqueueCopyImageToBuffer: image_commands.enqueue_copy_image_to_buffer,
            m.EnqueueCopyBufferToImage: image_commands.enqueue_copy_buffer_to_image,
            m.EnqueueFillImage: image_commands.enqueue_fill_image,
            m.EnqueueWriteBufferRect: payloads.writing(rectangles.enqueue_write_buffer_rect),
            m.EnqueueReadBufferRect: self._reading(
                "clEnqueueReadBufferRect", rectangles.enqueue_read_buffer_rect
            ),
            m.EnqueueCopyBufferRect: rectangles.enqueue_copy_buffer_rect,
            m.SendBuffer: self.peers.send_buffer,
            m.ReceiveBuffer: self.peers.receive_buffer,
            m.EnqueueMarker: commands.enqueue_marker,
            m.EnqueueBarrier: commands.enqueue_barrier,
            m.EnqueueMigrateMemObjects: commands.enqueue_migrate_mem_objects,
            m.Release: self._release,
            m.SetUserEventStatus: user_events.set_status,
            m.Finish: self._finish,
            m.BuildProgram: builds.build_program,
            m.CompileProgram: builds.compile_program,
            m.LinkProgram: builds.link_program,
            m.GetProgramBinaries: self._get_program_binaries,
            m.GetSupportedImageFormats: images.get_supported_image_formats,
            m.SetProgramSpecializationConstant: builds.set_specialization_constant,
            m.SetKernelAttribute: builds.set_kernel_attribute,
            m.GetInfo: builds.get_info,
            m.CreateSubDevices: parting.create_sub_devices,
            m.CreateSVM: SharedVirtualMemory(backend, self._holdings, reply).create_svm,
            m.GetBufferAddress: addresses_of.get_buffer_address,
            m.CreateVariableBuffer: addresses_of.create_variable_buffer,
            m.GetEvent: self._get_event,
            m.Sync: self._sync,
        }

    # ---- one message -------------------------------------------------------------------------------------

    def open_payload(self, message: m.Message, size: int, command: int) -> memoryview | None:
        """Return where a message's payload goes, or None if it failed already and nobody wants it.

        Args:
            message: Whose payload.
            size: Bytes of it that are still to come. If the memory has fewer, ask again for the rest.
            command: The message's number.
        """
        with self._turn:
            return self._open_payload(message, size, command)

    def _open_payload(self, message: m.Message, size: int, command: int) -> memoryview | None:
        try:
            return self._payloads.open(message, size)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the session goes on
            self._stick(message, as_error(error, message), command)
            return None

    def execute(self, message: m.Message, command: int) -> None:
        """Do what a message asks for. A failure sticks or is answered; it is never raised."""
        if (turns := self.turns) is None:
            with self._turn:
                self._execute(message, command)
            return
        turns.admit(message)
        with self._turn:
            self._execute(message, command)
            turns.note(command)

    def between_messages(self, do: Callable[[], None]) -> None:
        """Do something from another thread, unless a message is being carried out."""
        if self._turn.acquire(blocking=False):
            try:
                do()
            finally:
                self._turn.release()

    def _execute(self, message: m.Message, command: int) -> None:
        kind = type(message)
        try:
            if kind in self._numbered:
                self._numbered[kind](message, command)
            else:
                self._makers[kind](message)
            if self._user_events.unset:
                self._user_events.note(message, command)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is, the session goes on
            self._stick(message, as_error(error, message), command)

    # ---- failures ----------------------------------------------------------------------------------------

    def _stick(self, message: m.Message, error: Error, command: int) -> None:
        """Leave a failure where it belongs."""
        if isinstance(error, EarlierFailure):
            culprit, what = error.failure.command, error.what
        else:
            limit = MAX_WHAT if isinstance(message, m.Synchronous) else MAX_KEPT
            culprit, what = command, f"command {command} ({type(message).__name__}): {error.what[:limit]}"
        failure = Failure(command=culprit, routine=error.routine, code=error.code, what=what)
        for table, handle in self._holdings.made_by(message):
            table.fail(handle, failure)
        if not isinstance(message, m.GetEvent):
            self._holdings.fail_event(getattr(message, "event", 0), failure)
        if isinstance(message, m.Synchronous):
            self._answer_failed(command, failure)
            return
        self._stick_to(self._holdings.queues.items.get(getattr(message, "queue", 0)), failure)

    def _stick_to(self, queue: QueueObject | None, failure: Failure) -> None:
        """Leave a failure with a queue, or with the session if there is none."""
        if queue is None or queue.is_released:
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

    def _release(self, message: m.Release, command: int) -> None:
        self._user_events.release(message, command)
        unreported = self._holdings.release(message)
        self._failure = self._failure or unreported

    # ---- reads -------------------------------------------------------------------------------------------

    def _reading(self, routine: str, enqueue: Callable[[Any, int], Outlet]) -> Callable[[Any, int], None]:
        """Return what carries out a read, given what enqueues it."""

        def read(message: Any, command: int) -> None:
            queue = self._holdings.queue(message.queue, routine)
            if not self._surface(command, queue, message.event):
                outlet = enqueue(message, command)
                then = functools.partial(self._send, routine, outlet, queue, command)
                if isinstance(outlet.payload, Pieces):  # the queue must go no further before all are read
                    then(self.completion.wait(outlet.event))
                else:
                    self.completion.when_complete(outlet.event, then, queue.pace)

        return read

    def _send(self, routine: str, outlet: Outlet, queue: QueueObject, command: int, status: int) -> None:
        """Answer a read that is complete, or has failed."""
        if status < 0:
            failure = run_failure(command, routine, status)
            if (cause := failure_of(outlet.event)) is not None:
                failure = dataclasses.replace(failure, command=cause.command, what=cause.what)
            self._answer_failed(command, failure)
        else:
            times = self.completion.times(outlet.event) if queue.is_profiled else None
            self._reply(m.Data(command, times), outlet.payload)
        try:
            self._transfers.close_read(outlet, queue)
        except Error as error:
            failure = Failure(command=command, routine=error.routine, code=error.code, what=error.what)
            queue.failure = queue.failure or failure

    # ---- events ------------------------------------------------------------------------------------------

    def _watch_events(self, message: m.WatchEvents) -> None:
        if len(message.events) > self._limits.handles:
            what = f"{len(message.events)} events to watch; the limit is {self._limits.handles}"
            raise error_for("clWaitForEvents", ErrorCode.INVALID_VALUE, what)
        with contextlib.suppress(Error):  # what is wrong with a queue is for its own commands to say
            for queue in self._holdings.queues.items.values():
                if not queue.is_on_device:
                    self._backend.flush(queue.handle)
        status, pending = self.completion.status, []
        for handle in message.events:
            event = self._holdings.event_or_failure(handle)
            if (reached := status(event)) <= 0:
                self._push_done(handle, event, reached)
            elif handle not in self._watched:
                self._watched.add(handle)
                wait = (event, functools.partial(self._push_done, handle, event))
                if gate_of(event) is None:
                    pending.append(wait)
                else:
                    self.completion.when_complete(*wait, Pace(), is_watch=True)
        for event, push in pending[:WATCHERS]:
            pace = self._pace_of(event) if len(pending) == 1 else Pace()
            self.completion.when_complete(event, push, pace, is_watch=True)
        if len(pending) > WATCHERS:
            self.completion.in_turn(pending[WATCHERS:], is_watch=True)

    def _pace_of(self, event: Any) -> Pace:
        """Return the pace of the queue whose newest event this is; an event that nobody knows takes long."""
        queues = self._holdings.queues.items.values()
        return next((queue.pace for queue in queues if queue.newest is event), None) or Pace()

    def _push_done(self, handle: int, event: Any, status: int) -> None:
        self._watched.discard(handle)
        self._reply(m.EventDone(handle, *self._state_of(event, status)))

    def _get_event(self, message: m.GetEvent, command: int) -> None:
        event = self._holdings.events.get(message.event, "clGetEventInfo")
        self._reply(m.EventState(command, *self._state_of(event, self.completion.status(event))))

    def _state_of(self, event: Any, status: int) -> tuple[int, list[int] | None, list[str] | None]:
        """Return an event's status, times and failure; a failure told is reported."""
        failure = failure_of(event)
        if failure is not None:
            self._forget(failure)
            return status, None, [failure.routine, failure.what]
        if status < 0:
            return status, None, ["clWaitForEvents", "the command failed while it ran"]
        return status, self.completion.times(event) if status == 0 else None, None

    # ---- synchronous -------------------------------------------------------------------------------------

    def _finish(self, message: m.Finish, command: int) -> None:
        queue = self._holdings.queue(message.queue, "clFinish")
        self._backend.flush(queue.handle)
        number = queue.newest_command
        newest = queue.newest if queue.is_in_order else self._backend.enqueue_marker(queue.handle, None)
        newest = self._user_events.gated(message, queue, newest)

        def answer(status: int) -> None:
            queue.over = newest
            if status < 0 and newest is not queue.told and not isinstance(newest, TransferEvent):
                queue.told = newest  # once is enough
                queue.failure = queue.failure or run_failure(number, "clFinish", status)
            if not self._surface(command, queue):
                self._reply(m.Done(command))

        if newest is None:
            answer(0)
        else:
            self.completion.when_complete(newest, answer, queue.pace)
        self._transfers.drop_written()  # now that nobody waits for it

    def _get_program_binaries(self, message: m.GetProgramBinaries, command: int) -> None:
        binaries = self._builds.get_program_binaries(message)
        self._reply(m.Binaries(command, [len(binary) for binary in binaries]), b"".join(binaries))

    def _sync(self, _message: m.Sync, command: int) -> None:
        kept = (self._failure, *(queue.failure for queue in self._holdings.queues.items.values()))
        if failures := [failure for failure in kept if failure is not None]:
            self._answer_failed(command, min(failures, key=lambda failure: failure.command))
        else:
            self._reply(m.Done(command))
