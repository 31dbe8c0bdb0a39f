"""What is run, how often, and in which company: the parts of a group take turns, block by block.

What is compared stands in one group, so that both sides see the same minutes of the machine; the floor of a
figure stands in the figure's group for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accelpool_kernels.description import CUDA, OPENCL

POOL, LOCAL, FLOOR = "pool", "local", "floor"
KIB, MIB = 1 << 10, 1 << 20
LARGEST = 256 * MIB
SPIN_S = 100e-6

SIZES = {
    "4B": 4, "64B": 64, "1KiB": KIB, "4KiB": 4 * KIB, "16KiB": 16 * KIB, "64KiB": 64 * KIB,
    "256KiB": 256 * KIB, "1MiB": MIB, "16MiB": 16 * MIB, "64MiB": 64 * MIB, "256MiB": LARGEST,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Part:
    """Blocks of one operation on one side.

    Attributes:
        side: Which.
        operation: The operation's name.
        parameters: What it is made with.
        count: Samples in a block.
        untimed: Samples before a block that are not kept: caches and clocks settle.
    """

    side: str
    operation: str
    parameters: dict[str, Any]
    count: int
    untimed: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parts that take turns.

    Attributes:
        name: Of the group; metrics refer to it.
        rounds: How often each part has its turn.
        parts: In the order of their turns.
    """

    name: str
    rounds: int
    parts: tuple[Part, ...]


def groups(api: str = OPENCL, *, is_quick: bool) -> tuple[Group, ...]:
    """Return all groups in the order in which they run; quick ones have fewer rounds and samples.

    CUDA has larger computations, too: on a GPU the others are over before a round trip is.
    """
    rounds = 3 if is_quick else 10
    large = (
        Group(name="large_matmul", rounds=rounds, parts=_both("matmul", 2, untimed=1, n=4096)),
        Group(name="large_stencil", rounds=rounds, parts=_both("stencil", 2, untimed=1, n=4096, steps=200)),
        Group(name="large_nbody", rounds=rounds, parts=_both("nbody", 2, untimed=1, n=65_536, steps=20)),
    )
    return (
        Group(name="null", rounds=rounds, parts=(*_both("null", 200), *_ping_pongs(200))),
        Group(name="launches", rounds=rounds, parts=_both("launches", 2, untimed=1, launches=2000)),
        *(_transfers(name, size, rounds) for name, size in SIZES.items()),
        Group(name="build", rounds=min(rounds, 5), parts=_both("build", 1)),
        Group(name="matmul", rounds=rounds, parts=_both("matmul", 3, untimed=1, n=1024)),
        Group(name="stencil", rounds=rounds, parts=_both("stencil", 2, untimed=1, n=1024, steps=200)),
        Group(name="nbody", rounds=rounds, parts=_both("nbody", 2, untimed=1, n=4096, steps=20)),
        *(large if api == CUDA else ()),
        Group(name="acquire", rounds=min(rounds, 5), parts=_both("acquire", 2)),
    )


def _both(operation: str, count: int, untimed: int | None = None, **parameters: Any) -> tuple[Part, ...]:
    if untimed is None:
        untimed = count // 10
    return tuple(
        Part(side=side, operation=operation, parameters=parameters, count=count, untimed=untimed)
        for side in (POOL, LOCAL)
    )


def _ping_pongs(count: int) -> tuple[Part, ...]:
    return tuple(
        Part(
            side=FLOOR, operation="ping_pong", parameters={"spin_s": spin_s}, count=count, untimed=count // 10
        )
        for spin_s in (0.0, SPIN_S)
    )


def _streams(size: int) -> tuple[Part, ...]:
    return tuple(
        Part(
            side=FLOOR,
            operation="stream",
            parameters={"size": size, "is_polling": is_polling},
            count=1,
            untimed=1,
        )
        for is_polling in (False, True)
    )


def _transfers(name: str, size: int, rounds: int) -> Group:
    """Return a size's writes and reads; the largest has the bare stream beside it."""
    if size <= MIB:
        return Group(name=name, rounds=rounds, parts=_both("transfer", 30, size=size))
    parts = _both("transfer", max(1, 32 * MIB // size), untimed=1, size=size)
    if size == LARGEST:
        parts = (*parts, *_streams(size))
    return Group(name=name, rounds=min(rounds, 6), parts=parts)
