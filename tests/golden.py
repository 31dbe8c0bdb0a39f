"""The golden frames of docs/wire.md: what both clients of the protocol, in Python and in C, are tested by."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from accelpool_wire import messages as m
from accelpool_wire.conversation import Role

DOCUMENT = (Path(__file__).parents[1] / "docs" / "wire.md").read_text()


class Golden(NamedTuple):
    """An example of the document: who sends which message, with which payload, as which bytes."""

    role: Role
    message: m.Message
    payload: bytes
    frame: bytes


def build(node: ast.AST) -> Any:
    """Return the message or value that an expression such as `Hello(versions=[1])` writes."""
    match node:
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            return getattr(m, name)(**{keyword.arg: build(keyword.value) for keyword in keywords})
        case ast.List(elts=items):
            return [build(item) for item in items]
        case _:
            return ast.literal_eval(node)


def golden_frames() -> Iterator[Golden]:
    for block in re.findall(r"```golden\n(.*?)```", DOCUMENT, re.DOTALL):
        head, *lines = block.strip().splitlines()
        role, _, expression = head.partition(": ")
        split = [line.partition(";") for line in lines]
        payload = b"".join(bytes.fromhex(digits) for digits, _, note in split if note == " payload")
        frame = b"".join(bytes.fromhex(digits) for digits, _, _ in split)
        yield Golden(Role(role), build(ast.parse(expression, mode="eval").body), payload, frame)


GOLDEN = list(golden_frames())
