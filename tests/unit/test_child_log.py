"""What children write on their standard errors, as it is told in the agent's log."""

from __future__ import annotations

import pytest

from accelpool_node.agent.child_log import (
    CHILD_BYTES,
    CHILD_BYTES_PER_S,
    MAX_LINE,
    Allowance,
    Told,
    allowance_of_node,
    printable,
)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def told(lines: list[str]) -> Told:
    return Told(lines.append, allowance_of_node(0.0), 0.0)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_are_whole_however_they_come(told, lines, size):
    content = b"one\ntwo and three\n\nfour"
    for at in range(0, len(content), size):
        told.take(content[at : at + size], 0.0)
    assert lines == ["one", "two and three"]
    told.end(0.0)
    assert lines == ["one", "two and three", "four"]


def test_long_lines_are_cut(told, lines):
    for _ in range(3):
        told.take(b"a" * MAX_LINE, 0.0)
    told.take(b"\nnext\n", 0.0)
    assert lines == ["a" * MAX_LINE, f"({2 * MAX_LINE} bytes more are left out)", "next"]


def test_a_child_tells_so_much_and_no_more_until_it_has_been_quiet(told, lines):
    line = b"x" * 99 + b"\n"
    told.take(line * 10_000, 0.0)
    assert len(lines) == CHILD_BYTES // 99
    told.take(b"late\n", 10.0)
    left_out = 99 * (10_000 - CHILD_BYTES // 99)
    assert lines[-2:] == [f"({left_out} bytes more are left out)", "late"]
    told.take(line * 10_000, 10.0)
    told_bytes = sum(len(one) for one in lines if one.startswith("x"))
    assert told_bytes <= CHILD_BYTES + 10 * CHILD_BYTES_PER_S


def test_all_children_of_a_node_together_have_an_allowance_too(lines):
    node = Allowance(1000, 1.0, 0.0)
    for _ in range(100):
        child = Told(lines.append, node, 0.0)
        child.take(b"x" * 99 + b"\n", 0.0)
        child.end(0.0)
    assert sum(line.startswith("x") for line in lines) == 10


def test_nothing_of_a_line_is_obeyed_by_a_terminal():
    assert printable("grün\t\x1b[2Jü\r\u202e".encode()) == "grün\\t\\x1b[2Jü\\r\\u202e"
    assert printable(b"\xff\x00") == "\\xff\\x00"
