"""Files for their owner alone: whole or not at all, never readable by others."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from accelpool_wire.private_file import replace_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_its_owners_alone_and_nothing_is_beside_it(file: Path) -> None:
    replace_file(file, b"mine")
    assert (file.read_bytes(), mode(file)) == (b"mine", 0o600)
    assert list(file.parent.iterdir()) == [file]


def test_one_that_others_could_read_is_replaced_by_one_that_they_cannot(file: Path) -> None:
    file.write_bytes(b"old")
    file.chmod(0o644)
    with file.open("rb") as opened:
        replace_file(file, b"new")
        assert opened.read() == b"old"
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)


def test_the_mode_does_not_depend_on_the_umask(file: Path) -> None:
    before = os.umask(0o077)
    try:
        replace_file(file, b"all may read it", 0o644)
    finally:
        os.umask(before)
    assert mode(file) == 0o644


def test_a_draft_that_is_there_is_not_written_to(file: Path) -> None:
    other = file.with_name("other")
    file.with_name(f"secret.{os.getpid()}.new").symlink_to(other)
    replace_file(file, b"mine")
    assert not other.exists()
    assert not file.is_symlink()


def test_what_cannot_take_its_place_is_not_left_beside_it(file: Path) -> None:
    file.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        replace_file(file, b"mine")
    assert list(file.parent.iterdir()) == [file]


def test_where_nothing_can_be_written_the_old_file_stays(file: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        replace_file(file.parent / "missing" / "secret", b"mine")
