"""What each message means for each part. Decides only: its owner holds a lock and performs what it answers.

    message                         goes to
    Create… of a context, program   all parts of the context, with the devices that each has
    CreateKernel                    the parts that the program is built for
    CreateCommandQueue              the part of its device
    CreateBuffer, CreateSubBuffer,  nobody yet: a replica is made where it is first used; but a first content
    CreateImage over a buffer       goes to the part of the context's first device at once
    CreateImage                     the part of the context's first device, where the image stays
    commands                        the part of their queue; what that takes: see `commands.py`
    a user event, its status        all parts of its context

A message that is not known here is refused with INVALID_OPERATION, naming it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from accelpool.constants import command_queue_properties, mem_flags
from accelpool.errors import LogicError
from accelpool.spanning.accesses import read_only_arguments
from accelpool.spanning.commands import Commands
from accelpool.spanning.events import Events
from accelpool.spanning.records import (
    Action,
    Bulk,
    ContextRecord,
    KernelRecord,
    ProgramRecord,
    QueueRecord,
    Site,
    Step,
)
from accelpool.spanning.replicas import Memory, Region
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

HOST_PTR = mem_flags.USE_HOST_PTR | mem_flags.COPY_HOST_PTR
# Migrations read and write replicas from the host's side, whatever the program may.
HOST_ACCESS = mem_flags.HOST_WRITE_ONLY | mem_flags.HOST_READ_ONLY | mem_flags.HOST_NO_ACCESS

AnyRecord = TypeVar("AnyRecord")


class Router:
    """Turns messages to all parts into messages to each.

    Args:
        sites: Where each part is.
        device_counts: How many devices each part has; the session numbers them one part after the other.
        new_handle: Makes handles that no part has used.
        ending: How an event of a part ended: its status; None while that is not known here.
        new_ticket: Makes secrets that authorise one migration each.

    Attributes:
        events: The events of all parts.
        commands: What decides about commands; it counts migrations.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        device_counts: Sequence[int],
        new_handle: Callable[[], int],
        ending: Callable[[int, int], int | None],
        new_ticket: Callable[[], bytes],
    ) -> None:
        self._places = [(part, place) for part, count in enumerate(device_counts) for place in range(count)]
        self._parts_of: dict[int, Sequence[int]] = {}  # where each object is that is neither event nor memory
        self._contexts: dict[int, ContextRecord] = {}
        self._programs: dict[int, ProgramRecord] = {}
        self.events: Events = Events(new_handle)
        self.commands: Commands = Commands(sites, self.events, new_handle, ending, new_ticket)
        self._makers: dict[type[m.Message], Callable[[Any, Bulk | None], list[Action]]] = {
            m.CreateContext: self._create_context,
            m.CreateCommandQueue: self._create_command_queue,
            m.CreateBuffer: self._create_buffer,
            m.CreateSubBuffer: self._create_sub_buffer,
            m.CreateImage: self._create_image,
            m.CreateSampler: self._create_sampler,
            m.CreateProgramWithSource: self._create_program_everywhere,
            m.CreateProgramWithBinary: self._create_program_with_binary,
            m.CreateProgramWithIL: self._create_program_everywhere,
            m.CreateProgramWithBuiltInKernels: self._create_program_with_built_in_kernels,
            m.UnloadPlatformCompiler: self._unload_platform_compiler,
            m.SetDefaultDeviceCommandQueue: self._set_default_device_command_queue,
            m.CreateKernel: self._create_kernel,
            m.CreateUserEvent: self._create_user_event,
            m.SetUserEventStatus: self._set_user_event_status,
            m.Flush: self._flush,
        }

    def route(self, message: m.Message, payload: Bulk | None = None) -> list[Action]:
        """Return what a posted message, or a read, means; the message itself comes last.

        Raises:
            LogicError: INVALID_OPERATION: this is not possible over several nodes, and why; INVALID_CONTEXT
                and the like: an object that it names is released.
        """
        maker = self._makers.get(type(message))
        return self.commands.route(message, payload) if maker is None else maker(message, payload)

    def let_go(self, handles: Iterable[int]) -> None:
        """Take into account what the user has released; `events.freed` has what the parts may forget."""
        for handle in handles:
            if not self.events.let_go(handle) and not self.commands.let_go(handle):
                self._let_go_context(handle)
                self._programs.pop(handle, None)
                self.events.freed += [(part, handle) for part in self._parts_of.pop(handle, ())]

    def _let_go_context(self, handle: int) -> None:
        context = self._contexts.pop(handle, None)
        if context is not None:
            self.events.freed += [(mover.part, mover.handle) for mover in context.movers.values()]

    def program(self, handle: int) -> ProgramRecord:
        """Return what is known of a program."""
        return found(self._programs, handle, "program", ErrorCode.INVALID_PROGRAM)

    def part_of_queue(self, queue: int) -> int:
        """Return the part of a queue's device."""
        return self.commands.queue(queue).part

    def part_of_event(self, event: int) -> int:
        """Return the part whose command an event is."""
        home = self.events.home(event)
        if home is None:
            raise LogicError("clWaitForEvents", ErrorCode.INVALID_EVENT, f"event {event} is released")
        return home

    def at(self, place: int) -> tuple[int, int]:
        """Return the part of a device of the session, and its place there."""
        return self._places[place]

    def add_devices(self, part: int, first: int, count: int) -> int:
        """Note devices that a part has from now on; return the first one's place in the session."""
        self._places += [(part, place) for place in range(first, first + count)]
        return len(self._places) - count

    def local(self, places: Iterable[int]) -> dict[int, list[int]]:
        """Return devices of the session by part, as each part numbers them."""
        by_part: dict[int, list[int]] = {}
        for place in places:
            part, local = self._places[place]
            by_part.setdefault(part, []).append(local)
        return by_part

    def parts_of_places(self, places: Iterable[int]) -> list[int]:
        """Return the part of each device of the session."""
        return [self._places[place][0] for place in places]

    # ---- objects -----------------------------------------------------------------------------------------

    def _create_context(self, message: m.CreateContext, _: Bulk | None) -> list[Action]:
        places = self.local(message.devices)
        self._contexts[message.context] = ContextRecord(
            handle=message.context, devices=message.devices, places=places
        )
        self._parts_of[message.context] = list(places)
        return [Step(part, m.CreateContext(message.context, devices)) for part, devices in places.items()]

    def _create_command_queue(self, message: m.CreateCommandQueue, _: Bulk | None) -> list[Action]:
        part, place = self._places[message.device]
        is_in_order = not message.properties & command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE
        queue = QueueRecord(
            handle=message.queue, context=self.context(message.context), part=part, is_in_order=is_in_order
        )
        self.commands.queues[message.queue] = queue
        self._parts_of[message.queue] = [part]
        return [Step(part, msgspec.structs.replace(message, device=place))]

    def _create_buffer(self, message: m.CreateBuffer, payload: Bulk | None) -> list[Action]:
        context = self.context(message.context)
        flags = message.flags if len(context.places) == 1 else message.flags & ~HOST_ACCESS
        memory = Memory(
            handle=message.buffer, context=context.handle, flags=flags & ~HOST_PTR, size=message.size
        )
        self.commands.memory[message.buffer] = memory
        home = context.parts[0]
        if payload is not None:
            memory.fill(home)
        elif len(context.places) > 1:
            return []
        return self.commands.first_replica(memory, home, flags, payload)

    def _create_sub_buffer(self, message: m.CreateSubBuffer, _: Bulk | None) -> list[Action]:
        return self._create_over(message.buffer, message.sub_buffer, message, message.origin)

    def _create_over(
        self, parent: int, handle: int, message: m.CreateSubBuffer | m.CreateImage, origin: int = 0
    ) -> list[Action]:
        """Note what is over a buffer or a region; it is made where it is used, as that is."""
        over = self.commands.memory.get(parent)
        if over is None:
            what = f"memory object {parent} is released"
            raise LogicError("clCreateSubBuffer", ErrorCode.INVALID_MEM_OBJECT, what)
        over.holders += 1
        created = msgspec.structs.replace(message, flags=message.flags & ~HOST_ACCESS)
        origin += over.origin if isinstance(over, Region) else 0
        region = Region(handle=handle, parent=over, created=created, origin=origin)
        self.commands.memory[handle] = region
        return []

    def _create_image(self, message: m.CreateImage, payload: Bulk | None) -> list[Action]:
        """Make an image where it stays, in the part of the context's first device; or where its buffer is."""
        context = self.context(message.context)
        if message.buffer:
            return self._create_over(message.buffer, message.image, message)
        home = context.parts[0]
        image = Memory(
            handle=message.image,
            context=context.handle,
            flags=message.flags,
            size=0,
            is_bound=True,
            name="image",
        )
        return self.commands.bind(image, home, Step(home, message, payload))

    def _create_sampler(self, message: m.CreateSampler, _: Bulk | None) -> list[Action]:
        parts = self._parts_of[message.sampler] = self.context(message.context).parts
        return [Step(part, message) for part in parts]

    def _create_program_everywhere(
        self, message: m.CreateProgramWithSource | m.CreateProgramWithIL, payload: Bulk | None
    ) -> list[Action]:
        context = self.context(message.context)
        self.add_program(message.program, context, context.devices)
        return [Step(part, message, payload) for part in context.parts]

    def _create_program_with_built_in_kernels(
        self, message: m.CreateProgramWithBuiltInKernels, _: Bulk | None
    ) -> list[Action]:
        self.add_program(message.program, self.context(message.context), message.devices)
        local = self.local(message.devices)
        return [Step(part, msgspec.structs.replace(message, devices=each)) for part, each in local.items()]

    def _unload_platform_compiler(self, message: m.UnloadPlatformCompiler, _: Bulk | None) -> list[Action]:
        part, place = self.at(message.device)
        return [Step(part, m.UnloadPlatformCompiler(place))]

    def _set_default_device_command_queue(
        self, message: m.SetDefaultDeviceCommandQueue, _: Bulk | None
    ) -> list[Action]:
        part, place = self.at(message.device)
        return [Step(part, msgspec.structs.replace(message, device=place))]

    def _create_program_with_binary(
        self, message: m.CreateProgramWithBinary, payload: Bulk | None
    ) -> list[Action]:
        context = self.context(message.context)
        self.add_program(message.program, context, message.devices)
        content, at = memoryview(payload or b""), 0
        pieces: dict[int, list[memoryview]] = {}
        for place, size in zip(message.devices, message.sizes, strict=True):
            pieces.setdefault(self._places[place][0], []).append(content[at : at + size])
            at += size
        actions: list[Action] = []
        for part, places in self.local(message.devices).items():
            sizes = [piece.nbytes for piece in pieces[part]]
            created = m.CreateProgramWithBinary(message.program, message.context, places, sizes)
            actions.append(Step(part, created, b"".join(pieces[part])))
        return actions

    def add_program(self, handle: int, context: ContextRecord, devices: list[int]) -> None:
        """Note a program that the parts of these devices have."""
        self._programs[handle] = ProgramRecord(handle=handle, context=context, devices=devices)
        self._parts_of[handle] = list(self.local(devices))

    def _create_kernel(self, message: m.CreateKernel, _: Bulk | None) -> list[Action]:
        program = self.program(message.program)
        parts = list(program.built or self.local(program.devices))
        read_only = read_only_arguments(program.kernels.get(message.name))
        self.commands.kernels[message.kernel] = KernelRecord(
            handle=message.kernel, parts=parts, read_only=read_only
        )
        self._parts_of[message.kernel] = parts
        return [Step(part, message) for part in parts]

    def _create_user_event(self, message: m.CreateUserEvent, _: Bulk | None) -> list[Action]:
        parts = self.context(message.context).parts
        self.events.add(message.event, parts)
        return [Step(part, message) for part in parts]

    def _set_user_event_status(self, message: m.SetUserEventStatus, _: Bulk | None) -> list[Action]:
        return [Step(part, message) for part in self.events.parts(message.event)]

    def _flush(self, message: m.Flush, _: Bulk | None) -> list[Action]:
        return [Step(self.part_of_queue(message.queue), message)]

    def context(self, handle: int) -> ContextRecord:
        """Return what is known of a context."""
        return found(self._contexts, handle, "context", ErrorCode.INVALID_CONTEXT)


def found(records: dict[int, AnyRecord], handle: int, kind: str, code: int) -> AnyRecord:
    """Return the record of a handle.

    Raises:
        LogicError: With `code`: there is none, or it is released.
    """
    record = records.get(handle)
    if record is None:
        raise LogicError("", code, f"{kind} {handle} is released")
    return record
