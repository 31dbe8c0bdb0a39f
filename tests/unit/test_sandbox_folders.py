"""Private folders go, whatever was done to them."""

from __future__ import annotations

import os

from accelpool_node.sandbox import folders


def test_a_folder_is_its_users_alone(tmp_path):
    folders.make(tmp_path / "work" / "1")
    assert (tmp_path / "work" / "1").stat().st_mode & 0o777 == 0o700


def test_whatever_is_in_it_goes_with_it(tmp_path):
    own = tmp_path / "own"
    folders.make(own)
    (own / "a" / "b").mkdir(parents=True)
    (own / "a" / "b" / "file").write_text("x")
    (own / "locked").mkdir(mode=0)
    os.mkfifo(own / "pipe")
    folders.remove(own)
    assert list(tmp_path.iterdir()) == []


def test_folders_deeper_than_any_path_go(tmp_path):
    own = tmp_path / "own"
    folders.make(own)
    at = os.open(own, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 100, dir_fd=at)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    folders.remove(own)
    assert not own.exists()


def test_what_links_point_to_stays(tmp_path):
    own, outside = tmp_path / "own", tmp_path / "outside"
    folders.make(own)
    outside.mkdir()
    (outside / "file").write_text("kept")
    (own / "folder").symlink_to(outside)
    (own / "file").symlink_to(outside / "file")
    folders.remove(own)
    assert (outside / "file").read_text() == "kept"


def test_a_folder_that_is_not_there_is_gone(tmp_path):
    folders.remove(tmp_path / "nothing")


def test_drivers_keep_their_files_there(tmp_path):
    named = folders.variables(tmp_path)
    assert {"HOME", "TMPDIR", "POCL_CACHE_DIR"} < set(named)
    assert all(value.startswith(str(tmp_path)) for value in named.values() if "/" in value)
