"""What all messages are made of."""

from __future__ import annotations

import functools
import operator
from typing import ClassVar, TypeAlias, TypeVar

import msgspec

Handle: TypeAlias = int
InfoValue: TypeAlias = int | str | bool | list[int | tuple[int, str]] | None


class Message(msgspec.Struct, frozen=True, array_like=True):
    """The base of all messages."""

    has_payload: ClassVar[bool] = False


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The base of records inside messages: an array without a tag."""


class ClientMessage(Message, frozen=True):
    """A message that clients send."""


class WorkerMessage(Message, frozen=True):
    """A message that workers send."""


class Reply(WorkerMessage, frozen=True):
    """The one answer to a synchronous command, told by its number."""

    command: int


class Push(WorkerMessage, frozen=True):
    """What a worker says unasked."""


class Posted(ClientMessage, frozen=True):
    """A message that nothing answers; its failure sticks (see docs/wire.md)."""


class Synchronous(ClientMessage, frozen=True):
    """A message that exactly one reply answers: one of class `answer`, or `Failed`."""

    answer: ClassVar[type[Reply]]


AnyMessage = TypeVar("AnyMessage", bound=Message)


def kinds(base: type[AnyMessage]) -> tuple[type[AnyMessage], ...]:
    """Return the messages of a base class: its subclasses that have a tag."""
    found = [] if base.__struct_config__.tag is None else [base]
    return (*found, *(kind for part in base.__subclasses__() for kind in kinds(part)))


def decoder(base: type[Message]) -> msgspec.msgpack.Decoder[Message]:
    """Return what makes a body one of the messages of a base class."""
    return msgspec.msgpack.Decoder(functools.reduce(operator.or_, kinds(base)))
