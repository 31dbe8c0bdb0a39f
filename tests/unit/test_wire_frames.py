"""Frames: the golden ones of docs/wire.md both ways, any split of the stream, limits, payloads into place."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_wire import messages as m
from accelpool_wire.conversation import WITH_PAYLOAD, Conversation, Role, State
from accelpool_wire.errors import FrameTooLarge, LocalProtocolError, RemoteProtocolError
from accelpool_wire.frames import PREFIX, PREFIX_BYTES, READ_BUFFER_BYTES, FrameReader

from ..golden import DOCUMENT, GOLDEN, Golden

MESSAGES: tuple[type[m.Message], ...] = m.kinds(m.Message)
RECORDS = (m.Device, m.Limits, m.ImageFormat, m.LocalMemory, m.ArgInfo, m.WorkGroupInfo, m.KernelInfo)


# ---- the golden frames of the document -------------------------------------------------------------------


def conversation_before(golden: Golden, role: Role) -> Conversation:
    """Return one side's conversation at the point where the message may come."""
    conversation = Conversation(role)
    states = {
        m.Hello: State.NEW,
        m.SessionQuery: State.NEW,
        m.Deliver: State.NEW,
        m.Welcome: State.GREETED,
        m.Awaited: State.OFFERED,
        m.Handover: State.GREETED,
    }
    conversation.state = states.get(type(golden.message), State.OPEN)
    answered = getattr(golden.message, "command", None)
    if answered is not None:
        conversation.pending[answered] = ASKED[type(golden.message)]
    return conversation


ASKED: dict[type[m.Message], type[m.Message]] = {
    m.Done: m.Sync,
    m.Failed: m.Finish,
    m.Data: m.EnqueueReadBuffer,
    m.Built: m.BuildProgram,
    m.Binaries: m.GetProgramBinaries,
    m.EventState: m.GetEvent,
    m.ImageFormats: m.GetSupportedImageFormats,
    m.SubDevices: m.CreateSubDevices,
    m.Info: m.GetInfo,
    m.SVMCreated: m.CreateSVM,
    m.Address: m.GetBufferAddress,
}


def new_reader(body_limit: int = 1 << 20, payload_limit: int = 1 << 20) -> FrameReader:
    return FrameReader(body_limit=body_limit, payload_limit=payload_limit)


def give(reader: FrameReader, content: bytes) -> int:
    """Put as many bytes into a reader as it has room for; return how many."""
    buffer = reader.buffer()
    count = min(len(buffer), len(content))
    buffer[:count] = content[:count]
    reader.received(count)
    return count


def take(reader: FrameReader, frames: list[tuple[bytes, bytearray]]) -> None:
    """Append all frames that have begun to arrive whole; their payloads are filled as they come."""
    while (body := reader.next_body()) is not None:
        payload = bytearray(reader.payload_bytes)
        frames.append((bytes(body), payload))
        if payload:
            reader.payload_into(memoryview(payload))


def read(stream: bytes, step: int) -> list[tuple[bytes, bytes]]:
    """Return the frames of a stream that arrives `step` bytes at a time."""
    reader, frames = new_reader(), []
    while stream:
        stream = stream[give(reader, stream[:step]) :]
        take(reader, frames)
    assert not reader.has_leftover()
    return [(body, bytes(payload)) for body, payload in frames]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: type(golden.message).__name__)
def test_golden_frame_is_written_and_read_as_these_bytes(golden: Golden) -> None:
    sender = conversation_before(golden, golden.role)
    head = sender.send(golden.message, len(golden.payload))
    other = Role.WORKER if golden.role is Role.CLIENT else Role.CLIENT
    whole, bytewise = (read(golden.frame, step) for step in (len(golden.frame), 1))
    [(body, payload)] = whole
    message = conversation_before(golden, other).receive(memoryview(body), len(payload))
    assert (head + golden.payload, message, payload, bytewise) == (
        golden.frame,
        golden.message,
        golden.payload,
        whole,
    )


def test_every_message_has_a_golden_frame() -> None:
    assert {type(golden.message) for golden in GOLDEN} == set(MESSAGES)


def test_every_message_with_a_payload_has_a_golden_frame_with_one() -> None:
    assert {type(golden.message) for golden in GOLDEN if golden.payload} == WITH_PAYLOAD


def documented_fields(name: str) -> list[list[str]]:
    """Return the rows [place, name, type, default] of a message's or record's table."""
    section = re.search(
        rf"(?:^#+ {name}$|^\*\*{name}\*\*).*?(?=^#|^\*\*|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL
    )
    assert section, f"docs/wire.md does not describe {name}"
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| ([^|]+) \| ([^|]+) \|", section[0], re.MULTILINE)
    return [list(row) for row in rows]


def as_documented(default: object) -> str:
    known = {msgspec.NODEFAULT: "required", None: "nil", "": '""'}
    if isinstance(default, bool):
        return "true" if default else "false"
    return known.get(default, str(default))


@pytest.mark.parametrize("kind", [*MESSAGES, *RECORDS], ids=lambda kind: kind.__name__)
def test_document_lists_the_fields_in_order_with_their_defaults(kind: type[m.Message]) -> None:
    first = 1 if issubclass(kind, m.Message) else 0
    fields = enumerate(msgspec.structs.fields(kind), first)
    expected = [[str(place), field.name, as_documented(field.default)] for place, field in fields]
    documented = documented_fields(kind.__name__)
    assert [[place, name, default] for place, name, _, default in documented] == expected


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_document_states_the_tag(kind: type[m.Message]) -> None:
    assert re.search(rf"^#+ {kind.__name__}\n\nTag {kind.__struct_config__.tag}[,.]", DOCUMENT, re.MULTILINE)


# ---- any split of the stream -----------------------------------------------------------------------------

frames_of_any_kind = st.lists(
    st.tuples(st.binary(min_size=1, max_size=40), st.binary(max_size=60)), min_size=1, max_size=6
)


@given(frames=frames_of_any_kind, steps=st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_any_split_of_the_stream_gives_the_same_frames(
    frames: list[tuple[bytes, bytes]], steps: list[int]
) -> None:
    stream = b"".join(PREFIX.pack(len(body), len(payload)) + body + payload for body, payload in frames)
    reader, found, turn = new_reader(), [], 0
    while stream:
        stream = stream[give(reader, stream[: steps[turn % len(steps)]]) :]
        take(reader, found)
        turn += 1
    assert [(body, bytes(payload)) for body, payload in found] == frames


@given(junk=st.binary(max_size=200))
def test_random_bytes_give_frames_or_a_typed_error(junk: bytes) -> None:
    reader, frames = new_reader(body_limit=64, payload_limit=64), []
    try:
        while junk:
            junk = junk[give(reader, junk) :]
            take(reader, frames)
    except (FrameTooLarge, RemoteProtocolError):
        return
    assert all(0 < len(body) <= 64 for body, _ in frames)


def test_stream_longer_than_the_buffer_is_read_whole() -> None:
    body, payload = bytes(1000), bytes(500)
    count = 2 * READ_BUFFER_BYTES // 1512
    stream = (PREFIX.pack(1000, 500) + body + payload) * count
    assert read(stream, 100_000) == [(body, payload)] * count


@pytest.mark.parametrize("before", [0, READ_BUFFER_BYTES // 2])
def test_body_larger_than_the_buffer_makes_it_grow(before: int) -> None:
    small, large = b"s" * (before or 1), b"l" * (READ_BUFFER_BYTES + 10)
    stream = PREFIX.pack(len(small), 0) + small + PREFIX.pack(len(large), 0) + large
    assert read(stream, READ_BUFFER_BYTES) == [(small, b""), (large, b"")]


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_prefix_cut_at_the_end_of_the_buffer_is_put_together(cut: int) -> None:
    first = b"f" * (READ_BUFFER_BYTES - PREFIX_BYTES - cut)
    stream = PREFIX.pack(len(first), 0) + first + PREFIX.pack(4, 2) + b"next" + b"pp"
    reader, frames = new_reader(), []
    given = give(reader, stream)
    assert given == READ_BUFFER_BYTES
    take(reader, frames)
    give(reader, stream[given:])
    take(reader, frames)
    assert frames == [(first, b""), (b"next", b"pp")]


# ---- limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body_bytes", "payload_bytes", "error", "text"),
    [
        (0, 0, RemoteProtocolError, "0 bytes; a message has at least 2"),
        (9, 0, FrameTooLarge, "body has 9 bytes; the limit is 8"),
        (8, 5, FrameTooLarge, "payload has 5 bytes; the limit is 4"),
        (0xFFFFFFFF, 0, FrameTooLarge, "body has 4294967295 bytes"),
        (1, 2**64 - 1, FrameTooLarge, "payload has 18446744073709551615 bytes"),
    ],
)
def test_frame_over_a_limit_is_refused_again_and_again(
    body_bytes: int, payload_bytes: int, error: type[Exception], text: str
) -> None:
    reader = new_reader(body_limit=8, payload_limit=4)
    give(reader, PREFIX.pack(body_bytes, payload_bytes))
    for _ in range(2):
        with pytest.raises(error, match=text):
            reader.next_body()


def test_frame_at_the_limits_is_read() -> None:
    reader, frames = new_reader(body_limit=8, payload_limit=4), []
    give(reader, PREFIX.pack(8, 4) + b"12345678" + b"abcd")
    take(reader, frames)
    assert frames == [(b"12345678", b"abcd")]


# ---- payloads --------------------------------------------------------------------------------------------


def reader_with_payload(payload_bytes: int, arrived: bytes) -> FrameReader:
    reader = new_reader()
    give(reader, PREFIX.pack(1, payload_bytes) + b"b" + arrived)
    assert reader.next_body() == b"b"
    return reader


def test_payload_goes_straight_into_its_place() -> None:
    reader, place = reader_with_payload(6, b"ab"), bytearray(6)
    reader.payload_into(memoryview(place))
    assert (bytes(place), reader.payload_missing) == (b"ab\0\0\0\0", 4)
    reader.buffer()[:4] = b"cdef"
    assert place == b"abcdef"
    reader.received(4)
    assert reader.payload_missing == 0


def test_nothing_is_read_before_the_payload_has_a_place() -> None:
    reader = reader_with_payload(6, b"")
    assert reader.next_body() is None
    with pytest.raises(LocalProtocolError, match="payload_into must say"):
        reader.buffer()


@pytest.mark.parametrize("size", [5, 7])
def test_place_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"6 bytes is due, not of {size}"):
        reader_with_payload(6, b"").payload_into(memoryview(bytearray(size)))


@pytest.mark.parametrize("arrived", [0, 1, 2, 3, 5, 6])
def test_payload_goes_into_one_place_after_the_other(arrived: int) -> None:
    content = b"abcdef"
    reader = reader_with_payload(6, content[:arrived])
    rest, places = content[arrived:], []
    while reader.payload_missing:
        places.append(bytearray(min(4, reader.payload_missing)))
        reader.part_into(memoryview(places[-1]))
        while reader.part_missing:
            rest = rest[give(reader, rest) :]
    assert (places, reader.next_body(), reader.has_leftover()) == ([b"abcd", b"ef"], None, False)


def test_rest_of_a_payload_may_be_unwanted() -> None:
    reader = reader_with_payload(6, b"abc")
    reader.part_into(memoryview(bytearray(2)))
    assert (reader.part_missing, reader.payload_missing) == (0, 4)
    reader.discard_payload()
    give(reader, b"def" + PREFIX.pack(1, 0) + b"n")
    give(reader, PREFIX.pack(1, 0) + b"n")
    assert reader.next_body() == b"n"


@pytest.mark.parametrize("size", [0, 5])
def test_part_of_no_bytes_or_more_than_are_missing_is_refused(size: int) -> None:
    reader = reader_with_payload(6, b"")
    reader.part_into(memoryview(bytearray(2)))
    give(reader, b"ab")
    with pytest.raises(LocalProtocolError, match=f"1 to 4 bytes is due, not of {size}"):
        reader.part_into(memoryview(bytearray(size)))


def test_place_without_a_payload_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="is due"):
        new_reader().payload_into(memoryview(b""))


def test_place_is_given_once() -> None:
    reader = reader_with_payload(2, b"")
    reader.payload_into(memoryview(bytearray(2)))
    with pytest.raises(LocalProtocolError, match="is due"):
        reader.payload_into(memoryview(bytearray(2)))


@pytest.mark.parametrize("arrived", [0, 10, 300_000])
def test_unwanted_payload_is_dropped_and_the_stream_goes_on(arrived: int) -> None:
    size = 300_000
    reader = new_reader()
    stream = PREFIX.pack(1, size) + b"b" + b"x" * size + PREFIX.pack(1, 0) + b"n"
    stream = stream[give(reader, stream[: PREFIX_BYTES + 1 + arrived]) :]
    assert reader.next_body() == b"b"
    reader.discard_payload()
    while stream:
        stream = stream[give(reader, stream) :]
    assert (reader.next_body(), reader.has_leftover()) == (b"n", False)


def test_discarding_nothing_is_refused() -> None:
    reader = reader_with_payload(2, b"ab")
    reader.discard_payload()
    assert reader.payload_missing == 0
    with pytest.raises(LocalProtocolError, match="no payload"):
        reader.discard_payload()


@pytest.mark.parametrize(
    ("arrived", "expected"), [(b"", False), (b"\1", True), (PREFIX.pack(2, 0) + b"a", True)]
)
def test_leftover_tells_a_cut_stream(arrived: bytes, expected: bool) -> None:
    reader = new_reader()
    give(reader, arrived)
    assert (reader.next_body(), reader.has_leftover()) == (None, expected)


def test_unfinished_payload_is_leftover() -> None:
    reader = reader_with_payload(6, b"ab")
    assert reader.has_leftover()
    reader.payload_into(memoryview(bytearray(6)))
    assert reader.has_leftover()
