"""Traces as files: JSON lines, one job a line. What is malformed is told with its line and its field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO

import msgspec

from accelpool_broker.simulator.errors import TraceError
from accelpool_broker.simulator.job import Job

MAX_JOBS = 1_000_000
MAX_LINE_BYTES = 16_384
AT = re.compile(r"^(?P<detail>.*?)(?: - at `\$\.?(?P<field>[^`]*)`)?$", re.DOTALL)
NAMED = re.compile(r"field `([^`]+)`")


def read_trace(lines: IO[bytes]) -> list[Job]:
    """Return the jobs of a trace, by submission.

    Args:
        lines: A stream of JSON lines; empty ones are passed over.

    Raises:
        TraceError: A line is no job, an id comes twice, there is no job at all, or a limit is exceeded.
    """
    decoder = msgspec.json.Decoder(Job)
    found: dict[str, Job] = {}
    number = 0
    while line := lines.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise TraceError(f"it is longer than {MAX_LINE_BYTES} bytes", line=number)
        if not line.strip():
            continue
        job = _parse(decoder, line, number)
        if job.id in found:
            raise TraceError(f"there is an earlier job {job.id!r}", line=number, field="id")
        if len(found) >= MAX_JOBS:
            raise TraceError(f"there are more than {MAX_JOBS} jobs", line=number)
        found[job.id] = job
    if not found:
        raise TraceError("it has no jobs")
    return sorted(found.values(), key=lambda job: job.submit_s)


def write_trace(jobs: Iterable[Job], lines: IO[bytes]) -> None:
    """Write jobs, one a line."""
    encoder = msgspec.json.Encoder()
    for job in jobs:
        lines.write(encoder.encode(job) + b"\n")


def _parse(decoder: msgspec.json.Decoder[Job], line: bytes, number: int) -> Job:
    try:
        job = decoder.decode(line)
    except msgspec.ValidationError as error:
        match = AT.match(str(error))
        assert match is not None  # it matches any text
        named = NAMED.search(match["detail"])  # a field that is missing, or that nobody knows
        field = match["field"] or (named[1] if named else "")
        raise TraceError(match["detail"], line=number, field=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"it is no JSON: {error}", line=number) from error
    if job.memory_bytes is not None and job.memory_fraction is not None:
        raise TraceError("memory_bytes is given, too", line=number, field="memory_fraction")
    return job
