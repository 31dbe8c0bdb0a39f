"""Pinned memory is used again, and not kept without bound."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from accelpool_node.backends.cuda.pinned import KEPT_BYTES, PinnedPool, rounded_up


@dataclass
class Block:
    nbytes: int


class Driver:
    """Allocates blocks, and takes them back."""

    def __init__(self) -> None:
        self.made: list[Block] = []
        self.left: list[Block] = []
        self.pool = PinnedPool(self.allocate, self.left.append)

    def allocate(self, size: int) -> Block:
        self.made.append(Block(size))
        return self.made[-1]


def test_a_block_given_back_is_the_next_one_of_its_size() -> None:
    driver = Driver()
    block = driver.pool.take(5000)
    driver.pool.give(block)
    assert driver.pool.take(6000) is block
    assert driver.pool.take(6000) is not block


def test_a_block_in_use_is_nobody_elses() -> None:
    driver = Driver()
    assert driver.pool.take(100) is not driver.pool.take(100)


def test_what_is_kept_has_a_limit() -> None:
    driver = Driver()
    half = KEPT_BYTES // 2
    blocks = [driver.pool.take(half) for _ in range(3)]
    for block in blocks:
        driver.pool.give(block)
    assert driver.left == [blocks[2]]


@pytest.mark.parametrize(("size", "rounded"), [
    (1, 4096), (4096, 4096), (4097, 8192), (32 << 20, 32 << 20), ((32 << 20) + 1, 34 << 20),
])  # fmt: skip
def test_blocks_have_few_sizes(size: int, rounded: int) -> None:
    assert rounded_up(size) == rounded
