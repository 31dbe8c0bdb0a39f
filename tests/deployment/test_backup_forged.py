"""Backups that are whole by their checksum, and not a broker's: refused in words, nothing is changed."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.deployment.backup_rig import run

from accelpool_broker.testing import BrokerInProcess, FakeClock

Row = list[Any]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the lines of a backup, without the last."""
    folder = tmp_path_factory.mktemp("saved")
    with BrokerInProcess(folder / "old", FakeClock()) as old:
        old.register("n1", "gpu")
        old.lease(ttl_s=600)
        assert run("save", folder / "pool.backup", folder / "old", None) == 0
    lines = gzip.decompress((folder / "pool.backup").read_bytes()).splitlines()[:-1]
    return [json.loads(line) for line in lines]


def forge(file: Path, lines: list[bytes]) -> Path:
    body = b"".join(line + b"\n" for line in lines)
    end = {"rows": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    file.write_bytes(gzip.compress(body + json.dumps(end).encode() + b"\n"))
    return file


def written(saved: list[Any], header: dict[str, Any], change: dict[str, dict[str, Any]]) -> list[bytes]:
    rows = [[table, row | change.get(table, {})] for table, row in saved[1:]]
    return [json.dumps(line).encode() for line in (saved[0] | header, *rows)]


def refused(lines: list[bytes], folder: Path, url: str | None, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run("restore", forge(folder / "forged", lines), folder / "new", url) == 1
    assert [
        each.name for each in (folder / "new").iterdir() if each.name in ("signing.key", "tokens.json")
    ] == []
    told = capsys.readouterr().err
    with BrokerInProcess(folder / "new", FakeClock(), database_url=url) as new:
        assert new.json("GET", "/nodes")["items"] == []
    return told


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"made_at": 1e300}, "made_at"),
        ({"made_at": -1.0}, "made_at"),
        ({"revision": ""}, "revision"),
        ({"revision": "0003:base"}, "revision"),
        ({"signing_key": "hello"}, "the backup's signing key is not a private key in PEM form"),
        ({"tokens": {"mira": "apu_x"}}, "tokens"),
        ({"tokens": {"node": "apn_x"}}, "the backup's tokens are not of the form"),
        ({"tokens": {"user": "two\nlines"}}, "tokens"),
    ],
)
def test_a_header_that_no_broker_writes_is_refused(
    tmp_path: Path,
    saved: list[Any],
    header: dict[str, Any],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told in refused(written(saved, header, {}), tmp_path, None, capsys)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("devices", "memory_bytes", "many"),
        ("devices", "memory_bytes", 1 << 63),
        ("devices", "is_present", 2),
        ("nodes", "port", True),
        ("nodes", "host", {"a": 1}),
        ("nodes", "last_seen_at", "now"),
        ("leases", "granted_at", [1.0]),
        ("leases", "granted_at", 10**400),
    ],
)
def test_a_value_that_its_column_cannot_have_is_refused_by_name(
    tmp_path: Path,
    saved: list[Any],
    url: str | None,
    table: str,
    column: str,
    value: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = refused(written(saved, {}, {table: {column: value}}), tmp_path, url, capsys)
    assert f"{table}.{column} is not what it should be" in told


def test_a_row_that_is_nested_without_end_is_refused(
    tmp_path: Path, saved: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    deep = b'["nodes",{"readings":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    assert "is nested too deeply" in refused([*written(saved, {}, {}), deep], tmp_path, None, capsys)


@pytest.mark.parametrize("what", ["save", "restore"])
def test_a_database_that_is_none_is_told_and_left_as_it_is(
    tmp_path: Path, saved: list[Any], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "broker.sqlite").write_bytes(b"no database" * 1000)
    file = forge(tmp_path / "pool.backup", written(saved, {}, {}))
    assert run(what, file, folder, None) == 1
    assert "the broker's database cannot be used: file is not a database" in capsys.readouterr().err
    assert (folder / "broker.sqlite").read_bytes() == b"no database" * 1000
