"""The messages of the data plane, as typed records.

A message is a msgpack array: its tag (an int), then its fields in the order given here. Trailing fields
may be missing and then have their defaults; unknown trailing fields are ignored.

    tag    direction         what
    0-9    both              the handshake and the end
    10-39  client to worker  posted: nothing is answered, failures stick (see docs/wire.md)
    40-59  client to worker  synchronous: exactly one reply each
    60-79  worker to client  replies and pushes

Numbers:
    handle   chosen by the client, > 0, used once in a session; 0 means none
    command  a client's message by its place in the session: Hello is 0, the next is 1, and so on
    times    nanoseconds of the device's clock
    sizes    bytes, or work-items
Flags, properties, info names and error codes are OpenCL's own numbers (OpenCL 3.0 API specification).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Handle: TypeAlias = int
InfoValue: TypeAlias = int | str | bool | list[int] | None


class Message(msgspec.Struct, frozen=True, array_like=True):
    """The base of all messages."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The base of records inside messages: an array without a tag."""


# ---- the handshake and the end -----------------------------------------------------------------------


class Hello(Message, frozen=True, tag=0):
    """The client's first message: what it speaks, and by what right."""

    versions: list[int]
    features: list[str]
    token: str
    client: str = ""


class Device(Part, frozen=True):
    """A device of the session; `info` maps OpenCL's device info names (numbers) to values."""

    name: str
    platform: dict[int, InfoValue]
    info: dict[int, InfoValue]


class Limits(Part, frozen=True):
    """What a session may ask for at most; past it comes a typed error."""

    body_bytes: int = 16 << 20
    payload_bytes: int = 1 << 40
    handles: int = 1 << 20
    wait_list: int = 4096
    kernel_args: int = 1024
    pending: int = 256
    pattern_bytes: int = 128
    staged_bytes: int = 256 << 20


class Welcome(Message, frozen=True, tag=1):
    """The worker's first message: the session is open."""

    version: int
    features: list[str]
    session: str
    limits: Limits
    devices: list[Device]


class Refused(Message, frozen=True, tag=2):
    """The connection is of no further use: a problem's name (see `errors.py`) and what happened."""

    problem: str
    detail: str


class Goodbye(Message, frozen=True, tag=3):
    """The client's last message: end the session and everything in it."""


class SessionQuery(Message, frozen=True, tag=4):
    """Instead of Hello: what became of a session? Answered by Refused, which says how it ended."""

    token: str
    session: str


# ---- posted: objects ---------------------------------------------------------------------------------


class CreateContext(Message, frozen=True, tag=10):
    """Make a context over devices of the session, given by their places in Welcome."""

    context: Handle
    devices: list[int]


class CreateCommandQueue(Message, frozen=True, tag=11):
    """Make a command queue; `properties` is OpenCL's bit field."""

    queue: Handle
    context: Handle
    device: int
    properties: int = 0


class CreateBuffer(Message, frozen=True, tag=12):
    """Make a buffer; a payload, if any, is its first content (COPY_HOST_PTR)."""

    buffer: Handle
    context: Handle
    flags: int
    size: int


class CreateSubBuffer(Message, frozen=True, tag=13):
    """Make a buffer over a region of another."""

    sub_buffer: Handle
    buffer: Handle
    flags: int
    origin: int
    size: int


class CreateProgramWithSource(Message, frozen=True, tag=14):
    """Make a program from OpenCL C source."""

    program: Handle
    context: Handle
    source: str


class CreateProgramWithBinary(Message, frozen=True, tag=15):
    """Make a program from one binary per device; the payload is the binaries one after the other."""

    program: Handle
    context: Handle
    devices: list[int]
    sizes: list[int]


class CreateKernel(Message, frozen=True, tag=16):
    """Make a kernel of a built program."""

    kernel: Handle
    program: Handle
    name: str


class LocalMemory(Part, frozen=True):
    """A kernel argument that is local memory of a size."""

    size: int


# A buffer by its handle, the bytes of a scalar or struct, local memory, or a null buffer.
KernelArg: TypeAlias = int | bytes | LocalMemory | None


class SetKernelArgs(Message, frozen=True, tag=17):
    """Set arguments of a kernel from place `first` on; they stay until set again."""

    kernel: Handle
    first: int
    args: list[KernelArg]


class Release(Message, frozen=True, tag=18):
    """Give back objects and events; what still uses them keeps them alive."""

    handles: list[Handle]


# ---- posted: commands --------------------------------------------------------------------------------
# `event` is the handle that the client chose for the command's event, 0 for none.


class EnqueueNDRangeKernel(Message, frozen=True, tag=20):
    """Launch a kernel; `args`, if any, first become all its arguments, from place 0 on."""

    queue: Handle
    kernel: Handle
    global_size: list[int]
    local_size: list[int] | None = None
    event: Handle = 0
    args: list[KernelArg] | None = None
    wait_for: list[Handle] | None = None
    offset: list[int] | None = None


class EnqueueWriteBuffer(Message, frozen=True, tag=21):
    """Write the payload to a buffer."""

    queue: Handle
    buffer: Handle
    offset: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueReadBuffer(Message, frozen=True, tag=22):
    """Read from a buffer; answered by Data, or Failed, when the command is complete, in any order.

    `is_blocking` says that the client enqueues nothing more on the queue before it has the answer: the worker
    may then send device memory itself, and holds the queue while it does.
    """

    queue: Handle
    buffer: Handle
    offset: int
    size: int
    event: Handle = 0
    wait_for: list[Handle] | None = None
    is_blocking: bool = False


class EnqueueCopyBuffer(Message, frozen=True, tag=23):
    """Copy between buffers of the session."""

    queue: Handle
    source: Handle
    target: Handle
    source_offset: int
    target_offset: int
    size: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueFillBuffer(Message, frozen=True, tag=24):
    """Fill a region with a repeated pattern."""

    queue: Handle
    buffer: Handle
    pattern: bytes
    offset: int
    size: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueMarker(Message, frozen=True, tag=25):
    """An event complete when the given ones are, or all before it in the queue."""

    queue: Handle
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueBarrier(Message, frozen=True, tag=26):
    """As EnqueueMarker, and later commands of the queue wait for it."""

    queue: Handle
    event: Handle = 0
    wait_for: list[Handle] | None = None


class Flush(Message, frozen=True, tag=27):
    """Submit what is enqueued."""

    queue: Handle


class WatchEvents(Message, frozen=True, tag=28):
    """Push EventDone for each event as soon as it is complete or failed."""

    events: list[Handle]


# ---- synchronous -------------------------------------------------------------------------------------


class Finish(Message, frozen=True, tag=40):
    """Answered by Done when all commands of the queue are complete, or by Failed."""

    queue: Handle


class BuildProgram(Message, frozen=True, tag=41):
    """Answered by Built, or by Failed with the build logs in its message."""

    program: Handle
    devices: list[int]
    options: str = ""


class GetProgramBinaries(Message, frozen=True, tag=42):
    """Answered by Binaries."""

    program: Handle


class GetEvent(Message, frozen=True, tag=43):
    """Answered by EventState: how far a command is, and its times."""

    event: Handle


class Sync(Message, frozen=True, tag=44):
    """Answered by Done once all earlier messages are carried out, or by Failed with the oldest failure."""


# ---- replies and pushes ------------------------------------------------------------------------------


class Done(Message, frozen=True, tag=60):
    """A synchronous command succeeded."""

    command: int


class Failed(Message, frozen=True, tag=61):
    """A synchronous command failed.

    Attributes:
        command: The command that this answers.
        culprit: The command that really failed: itself, or an earlier posted one.
        routine: The OpenCL function that failed.
        code: OpenCL's error code.
        what: What failed and why, for people.
    """

    command: int
    culprit: int
    routine: str
    code: int
    what: str


class Data(Message, frozen=True, tag=62):
    """The payload is what EnqueueReadBuffer read; `times` as in EventState."""

    command: int
    times: list[int] | None = None


class ArgInfo(Part, frozen=True):
    """What the compiler says of a kernel argument; qualifiers are OpenCL's numbers."""

    name: str
    type_name: str
    address_qualifier: int
    access_qualifier: int
    type_qualifier: int


class WorkGroupInfo(Part, frozen=True):
    """What a device says of a kernel."""

    work_group_size: int
    compile_work_group_size: list[int]
    local_mem_size: int
    preferred_work_group_size_multiple: int
    private_mem_size: int


class KernelInfo(Part, frozen=True):
    """A kernel of a built program; `args` is empty where the compiler keeps no argument info."""

    name: str
    num_args: int
    attributes: str
    args: list[ArgInfo]
    work_groups: list[WorkGroupInfo]


class Built(Message, frozen=True, tag=63):
    """A program is built: its kernels, and one log per device."""

    command: int
    kernels: list[KernelInfo]
    logs: list[str]


class Binaries(Message, frozen=True, tag=64):
    """The payload is a program's binaries, one per device, one after the other."""

    command: int
    sizes: list[int]


class EventState(Message, frozen=True, tag=65):
    """An event's execution status (OpenCL's number, negative for an error) and its profiling times.

    Attributes:
        command: The command that this answers.
        status: 0 complete, 1 running, 2 submitted, 3 queued, or a negative error code.
        times: [queued, submit, start, end] in nanoseconds, or None without profiling or before the end.
        failure: Of a failed one: [routine, what].
    """

    command: int
    status: int
    times: list[int] | None = None
    failure: list[str] | None = None


class EventDone(Message, frozen=True, tag=66):
    """Pushed once for a watched event; fields as in EventState."""

    event: Handle
    status: int
    times: list[int] | None = None
    failure: list[str] | None = None


class SessionEnding(Message, frozen=True, tag=67):
    """Pushed before the worker ends the session by itself: a problem's name and what happened."""

    problem: str
    detail: str


ClientMessage: TypeAlias = (
    Hello | Goodbye | SessionQuery
    | CreateContext | CreateCommandQueue | CreateBuffer | CreateSubBuffer
    | CreateProgramWithSource | CreateProgramWithBinary | CreateKernel | SetKernelArgs | Release
    | EnqueueNDRangeKernel | EnqueueWriteBuffer | EnqueueReadBuffer | EnqueueCopyBuffer | EnqueueFillBuffer
    | EnqueueMarker | EnqueueBarrier | Flush | WatchEvents
    | Finish | BuildProgram | GetProgramBinaries | GetEvent | Sync
)  # fmt: skip

WorkerMessage: TypeAlias = (
    Welcome | Refused | Done | Failed | Data | Built | Binaries | EventState | EventDone | SessionEnding
)

Reply: TypeAlias = Done | Failed | Data | Built | Binaries | EventState
