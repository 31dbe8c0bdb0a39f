"""The state machine: every state, message and role; numbers, answers and limits; messages from any bytes."""

from __future__ import annotations

import itertools
from typing import Any, get_origin

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accelpool_wire import messages as m
from accelpool_wire.conversation import OF_CLIENT, POSTED, REPLIES, WITH_PAYLOAD, Conversation, Role, State
from accelpool_wire.errors import FrameTooLarge, LocalProtocolError, ProtocolError, RemoteProtocolError
from accelpool_wire.frames import PREFIX, PREFIX_BYTES

CLIENT_KINDS: tuple[type[m.Message], ...] = m.kinds(m.ClientMessage)
WORKER_KINDS: tuple[type[m.Message], ...] = m.kinds(m.WorkerMessage)
WELCOME = m.Welcome(1, [], "s", m.Limits(), [])

# Where each message leads from each state; what is not here may not come. Answers need a question: see below.
ALLOWED: dict[State, dict[type[m.Message], State]] = {
    State.NEW: {
        m.Hello: State.GREETED,
        m.SessionQuery: State.ASKED,
        m.Deliver: State.OFFERED,
        m.Refused: State.CLOSED,
    },
    State.GREETED: {m.Welcome: State.OPEN, m.Refused: State.CLOSED, m.Handover: State.GREETED},
    State.ASKED: {m.Refused: State.CLOSED},
    State.OFFERED: {m.Awaited: State.AWAITED, m.Refused: State.CLOSED, m.Handover: State.OFFERED},
    State.AWAITED: {m.Refused: State.CLOSED},
    State.OPEN: {
        **dict.fromkeys((*POSTED, *REPLIES, m.EventDone), State.OPEN),
        **dict.fromkeys((m.Goodbye, m.Refused, m.SessionEnding), State.CLOSED),
    },
    State.CLOSED: {},
}


def example(kind: type[m.Message]) -> m.Message:
    """Return some message of a kind: its required fields, and the defaults of the others."""
    values: dict[Any, Any] = {int: 7, str: "s", bytes: b"p", bool: True, list: [], m.Limits: m.Limits()}
    values[m.ImageFormat] = m.ImageFormat(1, 2)
    required = [field.type for field in msgspec.structs.fields(kind) if field.required]
    return kind(*(values[get_origin(type) or type] for type in required))


def body_of(message: object) -> memoryview:
    return memoryview(msgspec.msgpack.encode(message))


def in_state(role: Role, state: State = State.OPEN, limits: m.Limits | None = None) -> Conversation:
    conversation = Conversation(role, limits)
    conversation.state = state
    conversation.command = 0
    return conversation


CASES = list(itertools.product(State, (*CLIENT_KINDS, *WORKER_KINDS), Role))


@pytest.mark.parametrize(
    ("state", "kind", "role"), CASES, ids=[f"{s.value}-{k.__name__}-{r.value}" for s, k, r in CASES]
)
def test_sending(state: State, kind: type[m.Message], role: Role) -> None:
    conversation = in_state(role, state)
    is_mine = (kind in CLIENT_KINDS) is (role is Role.CLIENT)
    if is_mine and kind in ALLOWED[state]:
        conversation.send(example(kind))
        assert conversation.state is ALLOWED[state][kind]
    else:
        with pytest.raises(LocalProtocolError, match=kind.__name__):
            conversation.send(example(kind))
        assert (conversation.state, conversation.command, conversation.pending) == (state, 0, {})


@pytest.mark.parametrize(
    ("state", "kind", "role"), CASES, ids=[f"{s.value}-{k.__name__}-{r.value}" for s, k, r in CASES]
)
def test_receiving(state: State, kind: type[m.Message], role: Role) -> None:
    conversation = in_state(role, state)
    is_theirs = (kind in CLIENT_KINDS) is not (role is Role.CLIENT)
    message = example(kind)
    if is_theirs and kind in ALLOWED[state]:
        assert conversation.receive(body_of(message)) == message
        assert conversation.state is ALLOWED[state][kind]
    else:
        with pytest.raises(RemoteProtocolError):
            conversation.receive(body_of(message))
        assert (conversation.state, conversation.command, conversation.pending) == (state, 0, {})


def test_every_message_belongs_to_one_side() -> None:
    assert set(CLIENT_KINDS) == OF_CLIENT
    assert not OF_CLIENT & set(WORKER_KINDS)


def test_a_delivery_is_over_when_it_is_answered() -> None:
    ours, theirs = Conversation(Role.CLIENT), Conversation(Role.WORKER)
    deliver, done = m.Deliver("s", bytes(16)), m.Done(0)
    assert theirs.receive(memoryview(ours.send(deliver, 5))[PREFIX_BYTES:], 5) == deliver
    assert ours.receive(memoryview(theirs.send(m.Awaited()))[PREFIX_BYTES:]) == m.Awaited()
    assert ours.receive(memoryview(theirs.send(done))[PREFIX_BYTES:]) == done
    assert (ours.state, theirs.state) == (State.CLOSED, State.CLOSED)


def test_a_delivery_is_message_0() -> None:
    with pytest.raises(LocalProtocolError, match="Done answers command 1"):
        in_state(Role.WORKER, State.AWAITED).send(m.Done(1))
    with pytest.raises(RemoteProtocolError, match="Done answers command 1"):
        in_state(Role.CLIENT, State.AWAITED).receive(body_of(m.Done(1)))


# ---- questions and answers -------------------------------------------------------------------------------

ANSWERS = [kind for kind in WORKER_KINDS if "command" in kind.__struct_fields__]
PAIRS = list(itertools.product(REPLIES, ANSWERS))


def answer(kind: type[m.Message], command: int) -> m.Message:
    return msgspec.structs.replace(example(kind), command=command)


@pytest.mark.parametrize(
    ("asked", "kind"), PAIRS, ids=[f"{asked.__name__}-{kind.__name__}" for asked, kind in PAIRS]
)
def test_only_the_right_answer_answers(asked: type[m.Message], kind: type[m.Message]) -> None:
    client, worker = in_state(Role.CLIENT), in_state(Role.WORKER)
    client.send(example(asked))
    worker.receive(body_of(example(asked)))
    reply = answer(kind, 1)
    if kind in REPLIES[asked]:
        worker.send(reply)
        client.receive(body_of(reply))
        assert client.pending == worker.pending == {}
    else:
        with pytest.raises(LocalProtocolError, match=f"command 1, which asked for {asked.__name__}"):
            worker.send(reply)
        with pytest.raises(RemoteProtocolError, match=f"command 1, which asked for {asked.__name__}"):
            client.receive(body_of(reply))
        assert client.pending == worker.pending == {1: asked}


@pytest.mark.parametrize("command", [-1, 0, 1, 3, 2**63])
def test_answer_to_what_was_not_asked_is_refused(command: int) -> None:
    client = in_state(Role.CLIENT)
    client.send(m.Flush(1))
    client.send(m.Sync())
    with pytest.raises(RemoteProtocolError, match="asked for nothing"):
        client.receive(body_of(m.Done(command)))


def test_answers_come_in_any_order_and_once() -> None:
    client = in_state(Role.CLIENT)
    for _ in range(3):
        client.send(m.Sync())
    for command in (2, 3, 1):
        client.receive(body_of(m.Done(command)))
    with pytest.raises(RemoteProtocolError, match="asked for nothing"):
        client.receive(body_of(m.Done(2)))


def test_both_sides_number_every_message_of_the_client() -> None:
    client, worker = Conversation(Role.CLIENT), Conversation(Role.WORKER)
    hello = m.Hello([1], [], "t")
    for number, message in enumerate([hello, m.Flush(1), m.Sync(), m.Flush(2), m.Goodbye()]):
        worker.receive(memoryview(client.send(message))[PREFIX_BYTES:])
        assert (client.command, worker.command) == (number, number)
        if message is hello:
            client.receive(memoryview(worker.send(WELCOME))[PREFIX_BYTES:])
    assert client.state is worker.state is State.CLOSED


def test_what_never_left_is_taken_back() -> None:
    client = in_state(Role.CLIENT)
    client.send(m.Sync())
    client.send(m.Sync())
    client.send(m.Flush(1))
    client.retract(1)
    assert (client.command, client.pending, client.round_trips) == (1, {1: m.Sync}, 1)


# ---- limits ----------------------------------------------------------------------------------------------


def test_one_question_over_the_limit_of_pending_ones_is_refused_on_both_sides() -> None:
    limits = m.Limits(pending=2)
    client, worker = in_state(Role.CLIENT, limits=limits), in_state(Role.WORKER, limits=limits)
    for _ in range(2):
        worker.receive(memoryview(client.send(m.Sync()))[PREFIX_BYTES:])
    with pytest.raises(FrameTooLarge, match="2 commands await"):
        client.send(m.Sync())
    with pytest.raises(FrameTooLarge, match="2 commands await"):
        worker.receive(body_of(m.Sync()))
    assert client.command == 2
    client.receive(body_of(m.Done(1)))
    client.send(m.Sync())
    assert client.pending == {2: m.Sync, 3: m.Sync}


def test_body_over_the_limit_is_not_sent() -> None:
    client = in_state(Role.CLIENT, limits=m.Limits(body_bytes=10))
    assert client.send(m.CreateKernel(1, 2, "12345")) == PREFIX.pack(10, 0) + body_of(
        m.CreateKernel(1, 2, "12345")
    )
    with pytest.raises(FrameTooLarge, match=r"CreateKernel has 11 \+ 0 bytes; the limits are 10"):
        client.send(m.CreateKernel(1, 2, "123456"))
    assert client.command == 1


def test_payload_over_the_limit_is_not_sent() -> None:
    client = in_state(Role.CLIENT, limits=m.Limits(payload_bytes=4))
    client.send(m.EnqueueWriteBuffer(1, 2, 0), 4)
    with pytest.raises(FrameTooLarge, match=r"\+ 5 bytes; the limits are \d+ \+ 4"):
        client.send(m.EnqueueWriteBuffer(1, 2, 0), 5)
    assert client.command == 1


@pytest.mark.parametrize("kind", [*sorted(POSTED, key=str), *REPLIES], ids=lambda kind: kind.__name__)
def test_only_some_messages_have_a_payload(kind: type[m.Message]) -> None:
    client, worker = in_state(Role.CLIENT), in_state(Role.WORKER)
    if kind in WITH_PAYLOAD:
        head = client.send(example(kind), 3)
        assert PREFIX.unpack_from(head)[1] == 3
        worker.receive(body_of(example(kind)), 3)
    else:
        with pytest.raises(LocalProtocolError, match="has no payload, but 3 bytes"):
            client.send(example(kind), 3)
        with pytest.raises(RemoteProtocolError, match="has no payload, but 3 bytes"):
            worker.receive(body_of(example(kind)), 3)


# ---- bodies from a peer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"\x90",  # no tag
        b"\x03",  # no array
        b"\x91\xcc\xc8",  # no such tag
        b"\x91\xcb\x40\x08\x00\x00\x00\x00\x00\x00",  # a tag of 3.0
        b"\x91\x1b",  # Flush without its queue
        b"\x92\x1b\xc3",  # Flush(true)
        b"\x92\x1b\xa11",  # Flush("1")
        b"\x91\x03\x03",  # something after Goodbye
        b"\x92\x12\xdd\xff\xff\xff\xff",  # Release of four thousand million handles, none of which follow
        b"\x96\x18\x01\x01\xc6\xff\xff\xff\xff",  # a pattern of 4 GiB that does not follow
        b"\x94\x10\x01\x02\xa2\xff\xfe",  # a name that is not UTF-8
        b"\xdd\x00\x00\x00\x02\x03" + b"\x91" * 100_000 + b"\x90",  # an unknown field, nested very deep
    ],
)
def test_malformed_body_is_the_other_sides_fault(body: bytes) -> None:
    worker = in_state(Role.WORKER)
    with pytest.raises(RemoteProtocolError, match="body is no message"):
        worker.receive(memoryview(body))
    assert (worker.state, worker.command) == (State.OPEN, 0)


@given(body=st.binary(min_size=1, max_size=60), role=st.sampled_from(Role))
def test_random_bodies_give_a_message_or_a_protocol_error(body: bytes, role: Role) -> None:
    try:
        message = in_state(role).receive(memoryview(body))
    except ProtocolError:
        return
    assert isinstance(message, m.Message)


@given(
    tag=st.integers(0, 70),
    fields=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
            lambda children: st.lists(children, max_size=3),
            max_leaves=6,
        ),
        max_size=9,
    ),
    role=st.sampled_from(Role),
)
def test_random_fields_give_a_message_or_a_protocol_error(tag: int, fields: list[Any], role: Role) -> None:
    try:
        message = in_state(role).receive(body_of([tag, *fields]))
    except ProtocolError:
        return
    assert message.__struct_config__.tag == tag


def test_unknown_trailing_fields_are_ignored_and_missing_ones_have_their_defaults() -> None:
    worker = in_state(Role.WORKER)
    assert worker.receive(body_of([27, 5, "new", [1, 2]])) == m.Flush(5)
    assert worker.receive(body_of([25, 5])) == m.EnqueueMarker(5, 0, None)


@given(data=st.data(), kind=st.sampled_from((*CLIENT_KINDS, *WORKER_KINDS)))
def test_any_message_round_trips(data: st.DataObject, kind: type[m.Message]) -> None:
    message = data.draw(st.from_type(kind))
    base = m.ClientMessage if kind in CLIENT_KINDS else m.WorkerMessage
    try:
        body = body_of(message)
    except OverflowError:  # msgpack has no such int
        assume(False)
    assert m.decoder(base).decode(body) == message
