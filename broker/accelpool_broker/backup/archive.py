"""A backup's file: gzip, and in it lines of JSON.

    first   {"accelpool_backup": 1, "made_at": ..., "version": ..., "revision": ..., "signing_key": ...,
            "tokens": ...}: `Header`
    then    ["TABLE", {"COLUMN": VALUE, ...}] for each row; rows come after those that they refer to
    last    {"rows": COUNT, "sha256": HEX}: of all lines before, with their ends

A file without the last line was cut off.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, BinaryIO

import msgspec

from accelpool_wire.errors import Invalid

FORM = 1
MOST_LINE_BYTES = 64 << 20
LEVEL = 6

Row = tuple[str, dict[str, Any]]
Instant = Annotated[float, msgspec.Meta(ge=0, lt=1 << 36)]  # a year of four digits has it
Secret = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]+\Z")]
Revision = Annotated[str, msgspec.Meta(pattern=r"^\w+\Z")]  # Alembic would take more, such as a range


class Header(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a backup is of.

    Attributes:
        accelpool_backup: The file's form.
        made_at: The moment that it shows, in seconds since the Unix epoch.
        version: The broker that wrote it.
        revision: The version of the database's tables.
        signing_key: The private key that signs lease tokens, in PEM; None if it was left out.
        tokens: The tokens of the broker's file; none if they were left out.
    """

    accelpool_backup: int = FORM
    made_at: Instant
    version: str
    revision: Revision
    signing_key: str | None
    tokens: dict[str, Secret]


class End(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many rows there are, and the checksum of all before."""

    rows: int
    sha256: str


def write(stream: BinaryIO, header: Header, rows: Iterable[Row]) -> int:
    """Write a backup and return how many rows it has."""
    count, digest = 0, hashlib.sha256()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=LEVEL, filename="", mtime=0) as file:

        def put(record: object) -> None:
            line = msgspec.json.encode(record) + b"\n"
            digest.update(line)
            file.write(line)

        put(header)
        for row in rows:
            put(row)
            count += 1
        put(End(rows=count, sha256=digest.hexdigest()))
    return count


class Archive:
    """A backup that is read, once.

    Args:
        stream: The file.

    Raises:
        Invalid: It is no backup, or of a form that is not known here.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=stream, mode="rb")
        self._digest = hashlib.sha256()
        self.header: Header = _decode(self._line(), Header, "the file is no backup of a broker")
        if self.header.accelpool_backup != FORM:
            raise Invalid(f"the backup is of form {self.header.accelpool_backup}, expected {FORM}")

    def rows(self) -> Iterator[Row]:
        """Return the rows; after the last one it is sure that all of them are as they were written.

        Raises:
            Invalid: The file was cut off, or is not as it was written.
        """
        count, so_far = 0, self._digest.hexdigest()
        while (line := self._line()).startswith(b"["):
            yield _decode(line, Row, "a line of the backup is no row")
            count, so_far = count + 1, self._digest.hexdigest()
        end = _decode(line, End, "the backup has been cut off")
        if (end.rows, end.sha256) != (count, so_far):
            raise Invalid("the backup is not as it was written: its checksum is another one")

    def _line(self) -> bytes:
        try:
            line = self._file.readline(MOST_LINE_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise Invalid(f"the backup cannot be read: {error}") from error
        self._digest.update(line)
        return line


def _decode(line: bytes, kind: Any, otherwise: str) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except RecursionError as error:
        raise Invalid(f"{otherwise}: it is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise Invalid(f"{otherwise}: {error}") from error
