"""What children write on their standard errors, as it is told in the agent's log."""

from __future__ import annotations

import pytest

from accelpool_node.agent.child_log import (
    CHILD_BYTES,
    CHILD_BYTES_PER_S,
    MAX_LINE,
    MAX_LINES,
    READ_BYTES,
    Allowance,
    Told,
    allowance_of_node,
)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def told(lines: list[str]) -> Told:
    return Told(lines.append, allowance_of_node(0.0), 0.0)


def in_reads(content: bytes) -> list[bytes]:
    return [content[at : at + READ_BYTES] for at in range(0, len(content), READ_BYTES)]


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
    for content in in_reads(line * 10_000):
        told.take(content, 0.0)
    assert len(lines) == CHILD_BYTES // 99
    told.take(b"late\n", 10.0)
    left_out = 99 * (10_000 - CHILD_BYTES // 99)
    assert lines[-2:] == [f"({left_out} bytes more are left out)", "late"]
    for content in in_reads(line * 10_000):
        told.take(content, 10.0)
    told_bytes = sum(len(one) for one in lines if one.startswith("x"))
    assert told_bytes <= CHILD_BYTES + 10 * CHILD_BYTES_PER_S


def test_so_many_lines_of_a_read_are_looked_at_and_the_others_are_counted(told, lines):
    told.take(b"a\n" * (MAX_LINES + 100) + b"b", 0.0)
    assert lines == ["a"] * MAX_LINES
    told.take(b"c\n", 0.0)
    assert lines[MAX_LINES:] == ["(100 bytes more are left out)", "bc"]


def test_blank_lines_are_looked_at_no_longer_than_others(told, lines):
    told.take(b"\n" * READ_BYTES + b"after", 0.0)
    told.end(0.0)
    assert lines == ["after"]


def test_all_children_of_a_node_together_have_an_allowance_too(lines):
    node = Allowance(1000, 1.0, 0.0)
    for _ in range(100):
        child = Told(lines.append, node, 0.0)
        child.take(b"x" * 99 + b"\n", 0.0)
        child.end(0.0)
    assert sum(line.startswith("x") for line in lines) == 10


def test_nothing_of_a_line_is_obeyed_by_a_terminal(told, lines):
    told.take("grün\t\x1b[2Jü\r\u202e\n".encode() + b"\xff\x00\n", 0.0)
    assert lines == ["grün\\t\\x1b[2Jü\\r\\u202e", "\\xff\\x00"]
