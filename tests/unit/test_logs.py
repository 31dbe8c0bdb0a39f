"""Lines of the log, as text and as JSON: what they tell, and that nobody forges one."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_wire import request_id
from accelpool_wire.errors import Invalid, NotFound
from accelpool_wire.logs import INDENT, MAX_FIELD, JsonFormatter, LogFormat, TextFormatter, choose, of_error


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("a.logger", logging.INFO, __file__, 1, message, args, None)
    made.created, made.msecs = 1795741323.456, 456.0
    made.__dict__.update(extra)
    return made


def failed(message: str) -> logging.LogRecord:
    made = record("it failed")
    try:
        raise ValueError(message)
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def as_json(one: logging.LogRecord, **fields: str) -> dict[str, Any]:
    line = JsonFormatter(fields).format(one)
    assert line.isascii()
    assert line.isprintable()
    return json.loads(line)


def as_text(one: logging.LogRecord) -> str:
    return TextFormatter().format(one)


def test_json_has_when_how_grave_who_what_and_the_fields():
    told = as_json(record("lease %s ends", "lea_1", lease="lea_1", status=410), node="n1")
    assert told == {
        "at": "2026-11-27T01:02:03.456Z",
        "level": "info",
        "logger": "a.logger",
        "message": "lease lea_1 ends",
        "node": "n1",
        "lease": "lea_1",
        "status": 410,
    }


def test_text_is_as_ever_with_the_requests_id_at_its_end():
    line = as_text(record("lease %s ends", "lea_1", lease="lea_1", request_id="req_1"))
    assert line.partition(" INFO ")[2] == "a.logger: lease lea_1 ends [req_1]"
    assert as_text(record("nothing asked")).endswith("a.logger: nothing asked")


def test_what_is_no_field_is_not_told():
    assert "secret" not in json.dumps(as_json(record("x", token="secret", lease="")))


def test_each_line_of_a_request_has_its_id():
    before = request_id.current.set("req_7")
    try:
        assert as_json(record("x"))["request_id"] == "req_7"
        assert as_text(record("x")).endswith(" [req_7]")
        assert as_json(record("x", request_id="other"))["request_id"] == "other"
    finally:
        request_id.current.reset(before)


def test_a_field_is_cut_where_it_would_be_too_long():
    assert as_json(record("x", lease="l" * 5000))["lease"] == "l" * MAX_FIELD


@given(st.text())
def test_a_message_is_one_line_whatever_is_in_it(name):
    assert as_text(record("node %s", name)).isprintable()
    assert as_json(record("node %s", name), node=name)["message"] == f"node {name}"


@given(st.text())
def test_a_traceback_forges_no_line(message):
    _, *below = as_text(failed(message)).split("\n")
    assert all(line.startswith(INDENT) and line.isprintable() for line in below)


def test_a_traceback_is_one_member_of_json():
    told = as_json(failed("one\n2026-01-01 INFO forged"))
    assert told["exception"].endswith("ValueError: one\n2026-01-01 INFO forged")


def test_an_errors_request_is_a_field():
    assert of_error(NotFound("no such node", request_id="req_5")) == {"request_id": "req_5"}
    assert of_error(ValueError()) == {}


@pytest.mark.parametrize(
    ("option", "environ", "wanted"),
    [
        (None, {}, LogFormat.TEXT),
        (None, {"ACCELPOOL_LOG_FORMAT": ""}, LogFormat.TEXT),
        (None, {"ACCELPOOL_LOG_FORMAT": "json"}, LogFormat.JSON),
        (LogFormat.TEXT, {"ACCELPOOL_LOG_FORMAT": "json"}, LogFormat.TEXT),
    ],
)
def test_an_option_comes_before_the_environment(option, environ, wanted):
    assert choose(option, environ) is wanted


def test_an_unknown_format_says_which_there_are():
    with pytest.raises(Invalid, match="ACCELPOOL_LOG_FORMAT is text or json, not yaml"):
        choose(None, {"ACCELPOOL_LOG_FORMAT": "yaml"})


@pytest.mark.parametrize("id", ["a", "req_x-1.y", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "a" * 64])
def test_a_well_formed_id_is_kept(id):
    assert request_id.accept(id) == id


@pytest.mark.parametrize("id", [None, "", "-", "a" * 65, "a b", "a\n", "a\nb", "ä", "a;b", "\u0661"])
def test_one_that_is_not_well_formed_gives_way_to_a_new_one(id):
    made = request_id.accept(id)
    assert made != id
    assert request_id.accept(made) == made
