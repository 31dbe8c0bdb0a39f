"""Memory at an address that a peer chose: only where nothing of this process is."""

import ctypes
import mmap
import re
from pathlib import Path

import numpy as np
import pytest

from accelpool import svm_mirror
from accelpool.errors import RemoteProtocolError
from accelpool.svm_mirror import HIGHEST, PAGE_BYTES, AddressTaken, Mirror, paged

from .svm_rig import free_address

pytestmark = pytest.mark.skipif(not svm_mirror.IS_POSSIBLE, reason="needs Linux and 64 bits")


def address_of(memory):
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def test_memory_is_where_it_was_asked_for_and_is_zeroed():
    address = free_address(3 * PAGE_BYTES)
    content = Mirror(address, 2 * PAGE_BYTES + 1).content()
    assert (content.ctypes.data, content.nbytes) == (address, 2 * PAGE_BYTES + 1)
    assert not content.any()
    content[:] = 7
    assert (content == 7).all()


def test_it_lives_as_long_as_a_view_of_it_and_no_longer():
    address = free_address(PAGE_BYTES)
    view = Mirror(address, PAGE_BYTES).content()[10:20].view(np.uint16)
    view[:] = 5
    with pytest.raises(AddressTaken):
        Mirror(address, PAGE_BYTES)
    del view
    Mirror(address, PAGE_BYTES)


@pytest.mark.parametrize("pages_before", [0, 1, 2])
def test_what_is_there_already_is_left_as_it_is(pages_before):
    own = mmap.mmap(-1, PAGE_BYTES)
    own[:] = b"x" * PAGE_BYTES
    with pytest.raises(AddressTaken):
        Mirror(address_of(own) - pages_before * PAGE_BYTES, 3 * PAGE_BYTES)
    assert own[:] == b"x" * PAGE_BYTES


def test_nothing_is_put_over_anything_of_this_process():
    mapped = Path("/proc/self/maps").read_text()
    own = [
        (int(a, 16), int(b, 16)) for a, b in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ", mapped, re.MULTILINE)
    ]
    for start, end in own:
        if end <= HIGHEST:
            with pytest.raises(AddressTaken):
                Mirror(start, end - start)


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (0, 1),
        (1, 1),
        (-PAGE_BYTES, 1),
        (PAGE_BYTES, 1),
        ((1 << 32) + 8, 1),
        (HIGHEST, 1),
        (HIGHEST - PAGE_BYTES, PAGE_BYTES + 1),
        ((1 << 63) - PAGE_BYTES, 1),
        ((1 << 64) - PAGE_BYTES, PAGE_BYTES),
        (1 << 40, 0),
        (1 << 40, 1 << 48),
    ],
)
def test_an_address_where_no_memory_can_be_breaks_the_protocol(address, size):
    with pytest.raises(RemoteProtocolError, match="shared virtual memory"):
        Mirror(address, size)


def test_the_room_below_the_stack_is_left_to_it():
    bottom, _ = svm_mirror._stack()
    with pytest.raises(AddressTaken, match="stack"):
        Mirror((bottom - (64 << 20)) // PAGE_BYTES * PAGE_BYTES, PAGE_BYTES)


def test_a_system_that_maps_elsewhere_is_refused(monkeypatch):
    """Linux before 4.17 takes the address for a hint."""
    monkeypatch.setattr(svm_mirror, "MAP_FIXED_NOREPLACE", 0)
    own = mmap.mmap(-1, PAGE_BYTES)
    own[:5] = b"still"
    with pytest.raises(AddressTaken, match="elsewhere"):
        Mirror(address_of(own), PAGE_BYTES)
    assert own[:5] == b"still"


@pytest.mark.parametrize(("size", "pages"), [(1, 1), (PAGE_BYTES, 1), (PAGE_BYTES + 1, 2)])
def test_sizes_are_rounded_to_whole_pages(size, pages):
    assert paged(size) == pages * PAGE_BYTES
