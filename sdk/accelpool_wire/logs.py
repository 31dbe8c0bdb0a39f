"""How broker and agent log to the standard error: a line for each record, as text or as JSON.

text   2026-11-27 01:02:03,456 INFO accelpool_broker.request_log: POST /leases 201 in 4.1 ms [req_k2Vw0c1u]
json   {"at": "2026-11-27T01:02:03.456Z", "level": "info", "logger": "accelpool_broker.request_log",
        "message": "POST /leases 201 in 4.1 ms", "request_id": "req_k2Vw0c1u", "lease": "lea_...", ...}

A record's fields are given as `extra`; only those of `FIELDS` are told, so that nothing gets into a log by
accident. Names that clients choose forge no line: text has everything escaped that is not printable, and
what follows a record's first line (a traceback) is indented; JSON is ASCII on one line.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from accelpool_wire import request_id, traces
from accelpool_wire.errors import Invalid, ProblemError

VARIABLE = "ACCELPOOL_LOG_FORMAT"
FIELDS = (
    "request_id", "trace_id", "account", "lease", "session", "node", "method", "route", "status",
    "duration_ms",
)  # fmt: skip
MAX_FIELD = 200  # characters
INDENT = "    "


class LogFormat(StrEnum):
    """What a log's lines are."""

    TEXT = "text"
    JSON = "json"


def choose(option: LogFormat | None, environ: Mapping[str, str]) -> LogFormat:
    """Return the format that an option says, else the environment, else text.

    Raises:
        Invalid: The environment says something else.
    """
    said = option or environ.get(VARIABLE) or LogFormat.TEXT
    try:
        return LogFormat(said)
    except ValueError as error:
        raise Invalid(f"{VARIABLE} is {' or '.join(LogFormat)}, not {printable(said)}") from error


def log_to_stderr(format: LogFormat, *, is_verbose: bool, **fields: str) -> None:
    """Have this process log to its standard error.

    Args:
        format: What the lines are.
        is_verbose: Whether debug messages are told, too.
        **fields: What each line of JSON has, such as the node's name.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(fields) if format is LogFormat.JSON else TextFormatter())
    logging.captureWarnings(True)
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if is_verbose else logging.INFO)


def of_error(error: BaseException) -> dict[str, str]:
    """Return the fields of a message about an error: the id of the request that was refused."""
    return {"request_id": error.request_id} if isinstance(error, ProblemError) else {}


def printable(text: str) -> str:
    """Return a text with everything escaped that a terminal would obey, and every end of a line."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class TextFormatter(logging.Formatter):
    """Lines for people: a record's message, and the id of the request that it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line, and below it, indented, the traceback that it comes with."""
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {record.getMessage()}"
        about = _fields(record).get("request_id")
        below = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        whole = f"{line} [{about}]" if about else line
        return "\n".join([printable(whole), *(INDENT + printable(one) for one in below)])


class JsonFormatter(logging.Formatter):
    """Lines for programs: an object for each record.

    Args:
        fields: What each has besides its own.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._fields = dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **_fields(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a record has, strings of a bounded length."""
    here = {"request_id": request_id.current.get(), "trace_id": traces.trace_id()}
    given = here | record.__dict__
    told = {name: given[name] for name in FIELDS if given.get(name)}
    return {name: value[:MAX_FIELD] if isinstance(value, str) else value for name, value in told.items()}
