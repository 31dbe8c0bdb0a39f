"""What every store keeps to where devices are faces of one piece of hardware: it is not leased twice."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from accelpool_broker.scheduler import WHOLE
from accelpool_broker.store import Store
from accelpool_wire.errors import Conflict

from .store_rig import device, fill, share


def fill_faces(store: Store) -> None:
    """Make d1 and d2 faces of the same hardware, and d3 one of another."""
    fill(store)
    with store.write() as tx:
        first = tx.device("d1")
        first.hardware = "n1/card"
        tx.add(device("d2", hardware="n1/card"))
        tx.add(device("d3"))


def used(store: Store) -> dict[str, tuple[int, int]]:
    """Return the memory and the compute that are used, by device."""
    with store.read() as tx:
        return {one.id: (one.used_memory_bytes, one.used_compute_ppm) for one in tx.device_rows()}


def test_hardware_is_not_leased_twice_by_two_faces_of_it(store: Store) -> None:
    fill_faces(store)
    with store.write() as tx:
        tx.add(share("l1", "d1"))
    with pytest.raises(Conflict), store.write() as tx:
        tx.add(share("l2", "d2", compute_ppm=1))
    with store.write() as tx:
        tx.add(share("l2", "d3"))
    with store.read() as tx:
        assert tx.leases_of_devices(["d1", "d2", "d3"]) == {"d1": ["l1"], "d2": ["l1"], "d3": ["l2"]}


@pytest.mark.parametrize(
    ("memory_bytes", "compute_ppm", "fits"),
    [(1 << 39, WHOLE // 2, True), ((1 << 39) + 1, 1, False), (1, WHOLE // 2 + 1, False)],
)
def test_parts_of_both_faces_fit_up_to_the_last_byte_and_millionth_of_the_hardware(
    store: Store, memory_bytes: int, compute_ppm: int, fits: bool
) -> None:
    fill_faces(store)
    with store.write() as tx:
        tx.add(share("l1", "d2", memory_bytes=1 << 39, compute_ppm=WHOLE // 2))
    with nullcontext() if fits else pytest.raises(Conflict), store.write() as tx:
        tx.add(share("l2", "d1", memory_bytes=memory_bytes, compute_ppm=compute_ppm))
    taken = (1 << 40, WHOLE) if fits else (1 << 39, WHOLE // 2)
    assert used(store) == {"d1": taken, "d2": taken, "d3": (0, 0)}


def test_what_a_lease_of_one_face_gives_back_is_free_on_the_other(store: Store) -> None:
    fill_faces(store)
    with store.write() as tx:
        tx.add(share("l1", "d1"))
    with store.write() as tx:
        tx.lease("l1").shares[0].is_active = False
    with store.write() as tx:
        tx.add(share("l2", "d2"))
    assert used(store) == {"d1": (1, WHOLE), "d2": (1, WHOLE), "d3": (0, 0)}


def test_a_device_that_turns_out_to_be_a_face_of_leased_hardware_is_counted_with_it(store: Store) -> None:
    fill_faces(store)
    with store.write() as tx:
        tx.add(share("l1", "d1", compute_ppm=WHOLE // 2))
        tx.add(share("l2", "d3", compute_ppm=WHOLE // 4))
    with store.write() as tx:
        tx.device("d3").hardware = "n1/card"
        tx.add(device("d4", hardware="n1/card"))
    assert {compute for _, compute in used(store).values()} == {WHOLE * 3 // 4}
    with store.write() as tx:
        tx.device("d3").hardware = "d3"
    assert used(store)["d3"] == (1, WHOLE // 4)
    assert used(store)["d4"] == (1, WHOLE // 2)


def test_leased_devices_cannot_become_the_same_hardware_if_that_has_too_little(store: Store) -> None:
    fill_faces(store)
    with store.write() as tx:
        tx.add(share("l1", "d1"))
        tx.add(share("l2", "d3"))

    def join() -> None:
        with store.write() as tx:
            tx.device("d3").hardware = "n1/card"

    with pytest.raises(Conflict):
        join()
