"""What a session's objects were made by, so that another session can have the same under the same handles.

    a message that makes an object      is kept while the object lives, or what was made of it
    one that changes an object          likewise: builds, compilations, constants; of those for the same the
                                        last one, unless something was made in between, which saw the earlier
    content of buffers and images       is not here: `contents` reads it when the session is parked
    commands                            are not kept; the handles of their events are

Handles are the client's to choose, so nothing has to be translated.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accelpool.connections import Bulk
from accelpool_wire import messages as m

MAKES: dict[type[m.Message], str] = {
    m.CreateContext: "context",
    m.CreateCommandQueue: "queue",
    m.CreateBuffer: "buffer",
    m.CreateSubBuffer: "sub_buffer",
    m.CreateImage: "image",
    m.CreateSampler: "sampler",
    m.CreateProgramWithSource: "program",
    m.CreateProgramWithBinary: "program",
    m.CreateProgramWithIL: "program",
    m.CreateProgramWithBuiltInKernels: "program",
    m.LinkProgram: "program",
    m.CreateKernel: "kernel",
}
CHANGES: dict[type[m.Message], tuple[str, str]] = {  # what is changed, and of what of it the last one counts
    m.BuildProgram: ("program", "devices"),
    m.CompileProgram: ("program", "devices"),
    m.SetProgramSpecializationConstant: ("program", "constant"),
    m.SetDefaultDeviceCommandQueue: ("queue", "device"),
    m.SetKernelAttribute: ("kernel", "name"),
}
SEES_CONSTANTS = (m.BuildProgram, m.CompileProgram)
CANNOT_BE_KEPT: dict[type[m.Message], tuple[str, str]] = {
    m.CreateSVM: ("svm", "shared virtual memory is at an address that no other device promises to have free"),
    m.GetBufferAddress: ("buffer", "the program knows the address of device memory, as CUDA's do"),
    m.CreateVariableBuffer: ("buffer", "the program uses a variable of a module, as CUDA's do"),
    m.CreateSubDevices: ("", "a device was partitioned into sub-devices"),
    m.CreateUserEvent: ("event", "a user event is not set"),
}
USES = ("context", "buffer", "program", "queue", "kernel")
USES_MANY = ("programs", "headers")
KEEPS_PAYLOAD = (m.CreateProgramWithBinary, m.CreateProgramWithIL)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A message that has made or changed an object.

    Attributes:
        owner: The handle of the object.
        message: The message.
        payload: What belongs to it, but for content of memory.
        needs: The handles of the other objects that it names.
    """

    owner: int
    message: m.Message
    payload: bytes | None
    needs: frozenset[int]


class Journal:
    """The steps to the objects of a session that live. Not safe to use from several threads, but `release`.

    Attributes:
        events: The handles of commands' events that are not given back.
    """

    def __init__(self) -> None:
        self.events: set[int] = set()
        self._steps: dict[int, Step] = {}
        self._of: defaultdict[int, list[int]] = defaultdict(list)
        self._users: defaultdict[int, set[int]] = defaultdict(set)  # steps of others that need an object
        self._gone: set[int] = set()  # released, and still needed
        self._unkept: dict[int, str] = {}
        self._released: deque[int] = deque()
        self._count = 0

    def release(self, handle: int) -> None:
        """Note that a handle is given back. Fit for `__del__`."""
        self._released.append(handle)

    def note(self, message: m.Message, payload: Bulk | None = None) -> None:
        """Note a message that was sent; of a synchronous one, that it was answered well."""
        self._settle()
        kind = type(message)
        if kind in CANNOT_BE_KEPT:
            field, why = CANNOT_BE_KEPT[kind]
            self._unkept[getattr(message, field, 0)] = why
        elif isinstance(message, m.SetUserEventStatus):
            self._unkept.pop(message.event, None)
            self.events.add(message.event)
        elif kind in MAKES or kind in CHANGES:
            self._add(message, payload)
        elif event := getattr(message, "event", 0):
            self.events.add(event)

    def steps(self) -> Iterator[Step]:
        """Yield all steps in their order: taken again they make the same objects."""
        self._settle()
        yield from list(self._steps.values())

    def alive(self) -> set[int]:
        """Return the handles of all objects that are not given back; what is made of others may need more."""
        self._settle()
        return self._of.keys() - self._gone

    def why_not(self) -> str:
        """Return what of the session cannot be kept, "" if all can."""
        self._settle()
        return next(iter(self._unkept.values()), "")

    def _add(self, message: m.Message, payload: Bulk | None) -> None:
        kind = type(message)
        owner: int = getattr(message, MAKES.get(kind) or CHANGES[kind][0])
        content = bytes(payload) if payload is not None and kind in KEEPS_PAYLOAD else None
        step = Step(owner=owner, message=message, payload=content, needs=_needs(message) - {owner, 0})
        self._count += 1
        self._steps[self._count] = step
        self._of[owner].append(self._count)
        for handle in step.needs:
            self._users[handle].add(self._count)
        if kind in CHANGES:
            self._drop_unneeded(self._forget(self._overwritten(owner)))

    def _overwritten(self, owner: int) -> list[int]:
        """Return the steps of an object that a later one has made void before anything saw what they did."""
        void: list[int] = []
        later: set[tuple[type[m.Message], str]] = set()
        for number in sorted([*self._of[owner], *self._users[owner]], reverse=True):
            step = self._steps[number]
            if step.owner != owner:
                later.clear()
            elif (change := _change(step.message)) in later:
                void.append(number)
            elif change:
                if change[0] in SEES_CONSTANTS:
                    later = {other for other in later if other[0] in SEES_CONSTANTS}
                later.add(change)
        return void

    def _settle(self) -> None:
        """Forget what was given back meanwhile, and what only that needed."""
        while self._released:
            handle = self._released.popleft()
            self.events.discard(handle)
            self._unkept.pop(handle, None)
            if handle in self._of:
                self._gone.add(handle)
                self._drop_unneeded([handle])

    def _drop_unneeded(self, handles: Iterable[int]) -> None:
        pending = list(handles)
        while pending:
            handle = pending.pop()
            if handle in self._gone and not self._users.get(handle):
                self._gone.discard(handle)
                self._users.pop(handle, None)
                pending += self._forget(self._of.pop(handle))

    def _forget(self, numbers: Iterable[int]) -> set[int]:
        """Forget steps, and return what they needed."""
        needed: set[int] = set()
        for number in list(numbers):
            step = self._steps.pop(number)
            if (mine := self._of.get(step.owner)) is not None:
                mine.remove(number)
            for handle in step.needs:
                self._users[handle].discard(number)
            needed |= step.needs
        return needed


def _change(message: m.Message) -> tuple[type[m.Message], str] | None:
    """Return what a message changes of its object, None if it makes one."""
    kind = type(message)
    return (kind, repr(getattr(message, CHANGES[kind][1]))) if kind in CHANGES else None


def _needs(message: m.Message) -> frozenset[int]:
    one = {getattr(message, field, 0) for field in USES}
    many = {handle for field in USES_MANY for handle in getattr(message, field, None) or ()}
    return frozenset(one | many)
