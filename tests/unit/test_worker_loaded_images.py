"""What a session notes of the binaries that its devices are loaded with."""

from __future__ import annotations

import hashlib

from accelpool_node.backends.null import NullBackend
from accelpool_node.worker.loaded_images import LoadedImages, hashes_of

FIRST, SECOND = NullBackend(2).devices()
HASHES = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b")}


def test_images_are_the_hashes_of_each_devices_own_binary() -> None:
    assert hashes_of([FIRST, SECOND], [b"a", b"b"]) == {"null-0": HASHES["a"], "null-1": HASHES["b"]}


def test_what_was_built_last_is_told_once() -> None:
    images = LoadedImages()
    images.note_build([FIRST], {"null-0": "1", "null-1": "1"})
    images.note_build([FIRST], {"null-0": "2"})
    images.note_build([FIRST], {})
    assert images.take_news() == {"null-0": "2"}
    assert images.take_news() == {}


def test_a_build_for_no_device_in_particular_is_one_for_all_of_the_programs() -> None:
    images = LoadedImages()
    images.note_build([], {"null-0": "1", "null-1": "2"})
    assert images.take_news() == {"null-0": "1", "null-1": "2"}
