"""A connection that needs no pool: it notes what is sent and answers what it was told to.

fake = FakeConnection()
ctx = fake_context(fake)
queue = accelpool.CommandQueue(ctx)
assert fake.posted[-1] == messages.CreateCommandQueue(...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from accelpool.connections import SessionConnection
from accelpool.constants import channel_order, channel_type, device_info, device_type, platform_info
from accelpool.context import Context
from accelpool.errors import ProblemError, SessionLost
from accelpool.lease import LeaseKeeper
from accelpool.records import EndpointRecord, LeaseRecord
from accelpool.rest import RestClient
from accelpool.session import Session
from accelpool.session_devices import session_devices
from accelpool.spanning import spanning
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead, Connection, PendingRead
from accelpool_wire.conversation import FEATURES
from accelpool_wire.inbox import Waits

PLATFORM: dict[int, m.InfoValue] = {
    platform_info.NAME: "Fake platform",
    platform_info.VENDOR: "accelpool",
    platform_info.VERSION: "OpenCL 1.2 fake",
}
DEVICE: dict[int, m.InfoValue] = {
    device_info.NAME: "Fake device",
    device_info.VENDOR: "accelpool",
    device_info.VENDOR_ID: 0,
    device_info.VERSION: "OpenCL 1.2 fake",
    device_info.TYPE: device_type.ACCELERATOR,
    device_info.MAX_COMPUTE_UNITS: 4,
    device_info.MAX_WORK_ITEM_DIMENSIONS: 3,
    device_info.MAX_WORK_ITEM_SIZES: [256, 256, 64],
    device_info.MAX_WORK_GROUP_SIZE: 256,
    device_info.MAX_MEM_ALLOC_SIZE: 1 << 30,
    device_info.GLOBAL_MEM_SIZE: 4 << 30,
    device_info.MEM_BASE_ADDR_ALIGN: 1024,
    device_info.QUEUE_PROPERTIES: 3,
    device_info.IMAGE_SUPPORT: 1,
    device_info.IMAGE2D_MAX_WIDTH: 8192,
    device_info.IMAGE2D_MAX_HEIGHT: 8192,
    device_info.IMAGE3D_MAX_WIDTH: 2048,
    device_info.IMAGE3D_MAX_HEIGHT: 2048,
    device_info.IMAGE3D_MAX_DEPTH: 2048,
    device_info.IMAGE_MAX_BUFFER_SIZE: 65536,
    device_info.IMAGE_MAX_ARRAY_SIZE: 2048,
}
FORMATS = [
    m.ImageFormat(order, kind)
    for order in (channel_order.R, channel_order.RG, channel_order.RGBA)
    for kind in (channel_type.UNSIGNED_INT8, channel_type.UNORM_INT8, channel_type.FLOAT)
]


class FakeStats:
    """What a fake connection has cost."""

    def __init__(self) -> None:
        self.round_trips = 0
        self.waited_s: float = 0.0
        self.network_s: float = 0.0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.by_call: dict[str, Waits] = {}


class FakeRead:
    """A read that is done when it is waited for."""

    def __init__(self, into: memoryview, content: bytes | Exception) -> None:
        self.into = into
        self.content = content
        self.is_done: bool = False
        self.then: Callable[[], None] | None = None

    def tell(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at once."""
        callback()
        return lambda: None

    def wait(self, timeout_s: float | None = None) -> m.Data:  # noqa: ARG002 - the real one's signature
        """Put the bytes in place."""
        self.is_done = True
        if isinstance(self.content, Exception):
            raise self.content
        self.into[:] = self.content[: self.into.nbytes].ljust(self.into.nbytes, b"\0")
        if self.then is not None:
            self.then()
        return m.Data(0, [1, 2, 3, 4])


class FakeConnection:
    """Stands for a `Connection`.

    Attributes:
        posted: The posted messages, in order. payloads: Their payloads, as bytes, or None. asked: The
        synchronous messages, reads included. answers: What to answer, by type of message: an answer, an error
        to raise, or a function. endings: How events end, by handle; else they are complete. held: Set to a
        list, it gathers the calls back of watched events, for a test to make; None calls at once. watched:
        Events whose end is to be told. content: What reads read, or the error that they raise. released:
        Handles given back. end: What every use raises, once it is set.
    """

    def __init__(self, devices: Iterable[m.Device] | None = None) -> None:
        one = m.Device("Fake device", dict(PLATFORM), dict(DEVICE))
        self.devices: list[m.Device] = [one] if devices is None else list(devices)
        self.features: frozenset[str] = frozenset(FEATURES)
        self.session = "fake"
        self.limits: m.Limits = m.Limits()
        self.stats: FakeStats = FakeStats()
        self.posted: list[m.Message] = []
        self.payloads: list[bytes | None] = []
        self.asked: list[m.Message] = []
        self.answers: dict[type[m.Message], Any] = {
            m.Finish: m.Done(0),
            m.Sync: m.Done(0),
            m.GetEvent: m.EventState(0, 0, [1, 2, 3, 4]),
            m.GetSupportedImageFormats: m.ImageFormats(0, list(FORMATS)),
        }
        self.endings: dict[int, m.EventDone] = {}
        self.held: list[Callable[[], None]] | None = None
        self.watched: list[int] = []
        self.content: bytes | Exception = b""
        self.released: list[int] = []
        self.end: Exception | None = None
        self.is_open: bool = True
        self.can_send = True
        self._last_handle = 0

    def new_handle(self) -> int:
        """Return the next handle."""
        self._last_handle += 1
        return self._last_handle

    def release(self, handle: int) -> None:
        """Note a handle that is given back."""
        self.released.append(handle)

    def post(self, message: m.Message, payload: bytes | bytearray | memoryview | None = None) -> int:
        """Note a posted message."""
        self._check()
        self.posted.append(message)
        self.payloads.append(None if payload is None else bytes(payload))
        return len(self.posted)

    def ask(self, message: m.Message, answer: type[m.Message], timeout_s: float | None = None) -> Any:  # noqa: ARG002
        """Answer as told."""
        self._check()
        self.asked.append(message)
        self.stats.round_trips += 1
        found = self.answers[type(message)]
        if isinstance(found, Exception):
            raise found
        return found(message) if callable(found) else found

    def read(self, message: AnyRead, into: memoryview) -> PendingRead:
        """Start a read of `content`."""
        self._check()
        self.asked.append(message)
        return cast(PendingRead, FakeRead(into, self.content))

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:  # noqa: ARG002
        """Return how the events end."""
        self._check()
        self.stats.round_trips += 1
        return [self.endings.get(event, m.EventDone(event, 0, [1, 2, 3, 4])) for event in events]

    def hear(self) -> None:
        """Do nothing: what there is to know is known."""

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended, if that was told."""
        return self.endings.get(event)

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call back at once, or when the test does."""
        if self.held is None:
            callback(self.wait_events([event])[0])
        else:
            self.held.append(lambda: callback(self.wait_events([event])[0]))

    def tell(self, event: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back as `on_event_done` does; nothing is taken back."""
        self.on_event_done(event, lambda _: callback())
        return lambda: None

    def watch(self, events: Iterable[int]) -> None:
        """Note events whose end is to be told."""
        self.watched += events

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return one made-up binary per device."""
        self._check()
        return [f"binary of {program}".encode()] * len(self.devices)

    def flush(self) -> None:
        """Do nothing: all is sent."""

    def close(self) -> None:
        """Let every later use raise."""
        self.is_open = False
        self.end = self.end or SessionLost("closed")

    def abandon(self, reason: ProblemError) -> None:
        """Let every later use raise `reason`."""
        self.is_open = False
        self.end = self.end or reason

    def _check(self) -> None:
        if self.end is not None:
            raise self.end


def fake_context(fake: FakeConnection, rest: RestClient | None = None) -> Context:
    """Return a context over all devices of a fake connection; its lease is nobody's and is not renewed."""
    record = _fake_lease(1)
    return _context_over(cast(Connection, fake), [fake.devices], record, rest)


def fake_spanning_context(fakes: Sequence[FakeConnection], rest: RestClient | None = None) -> Context:
    """Return a context over all devices of several fake connections, as over as many nodes."""
    record = _fake_lease(len(fakes))
    connection = spanning(record.endpoints, [cast(Connection, fake) for fake in fakes])
    return _context_over(connection, [fake.devices for fake in fakes], record, rest)


def _fake_lease(count: int) -> LeaseRecord:
    endpoints = [
        EndpointRecord(node=f"fake-node-{number}", host="127.0.0.1", port=9 + number, token="fake")  # noqa: S106
        for number in range(count)
    ]
    return LeaseRecord(id="lse_fake", state="active", ttl_s=1e9, endpoints=endpoints)


def _context_over(
    connection: SessionConnection,
    told: Sequence[Sequence[m.Device]],
    record: LeaseRecord,
    rest: RestClient | None,
) -> Context:
    rest = rest or RestClient("http://127.0.0.1:9", "fake")
    keeper = LeaseKeeper(rest)
    session = Session(connection, keeper.adopt(record, connection), keeper, rest)
    session.devices = session_devices(told, record, None, session)
    return Context._over_session(session)


def built(*kernels: m.KernelInfo, log: str = "") -> m.Built:
    """Return the answer to BuildProgram with these kernels."""
    return m.Built(0, list(kernels), [log])


def kernel_info(name: str, *args: str) -> m.KernelInfo:
    """Return what a compiler says of a kernel; arguments are as "global float* x" or "int n"."""
    infos = []
    for declared in args:
        type_name, name_ = declared.rsplit(" ", 1)
        space, _, pointed = type_name.partition(" ")
        address = {"global": 0x119B, "local": 0x119C, "constant": 0x119D}.get(space, 0x119E)
        infos.append(m.ArgInfo(name_, pointed if address != 0x119E else type_name, address, 0x11A3, 0))
    group = m.WorkGroupInfo(256, [0, 0, 0], 0, 8, 0)
    return m.KernelInfo(name, len(infos), "", infos, [group])
