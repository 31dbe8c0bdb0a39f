"""What every kernel of the library is held to, on OpenCL's devices and on CUDA's, against its NumPy twin."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pytest

from accelpool_kernels import Role, entry, names, samples, twins
from accelpool_kernels.description import CUDA, MAX_GROUPS

MOST_ROWS = MAX_GROUPS[CUDA][1]
SIZES = {
    "one": 1,
    "below a work-group": 63,
    "a work-group": 256,
    "past a work-group": 257,
}
IN_PLANES = [name for name in names() if len(entry(name).rule.covers) == 2]


class Launcher(Protocol):
    """Runs kernels of the library by their entries.

    Attributes:
        most_rows: Of work-groups in the second dimension; kernels for CUDA go on below them.
    """

    most_rows: int

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
        ...


class KernelLibraryCases:
    """The tests; a module with a fixture `launcher` has a subclass."""

    @pytest.mark.parametrize("name", names())
    def test_the_kernel_agrees_with_its_twin_on_the_sample(self, name: str, launcher: Launcher) -> None:
        arguments = samples.sample(name, np.random.default_rng(1))
        assert_agrees(name, launcher.run(name, arguments), arguments)

    @pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
    @pytest.mark.parametrize("name", names())
    def test_the_kernel_agrees_with_its_twin_at_any_size(
        self, name: str, size: int, launcher: Launcher
    ) -> None:
        # The last size differs from the others, so that exchanged dimensions would show.
        sizes = dict.fromkeys(entry(name).sizes, size)
        if len(sizes) > 1:
            sizes[entry(name).sizes[-1]] = 5
        arguments = samples.sample(name, np.random.default_rng(2), **sizes)
        assert_agrees(name, launcher.run(name, arguments), arguments)

    @pytest.mark.parametrize("name", IN_PLANES)
    def test_the_kernel_agrees_with_its_twin_on_more_rows_than_a_grid_has(
        self, name: str, launcher: Launcher
    ) -> None:
        rule = entry(name).rule
        rows = launcher.most_rows * rule.local_size[1] * rule.per_item[1] + 1
        sizes = {size: rows if size == rule.covers[1] else 1 for size in entry(name).sizes}
        arguments = samples.sample(name, np.random.default_rng(6), **sizes)
        assert_agrees(name, launcher.run(name, arguments), arguments)

    @pytest.mark.parametrize("n", [1, 100, 100_003])
    def test_reducing_twice_leaves_the_sum_in_front(self, n: int, launcher: Launcher) -> None:
        arguments = samples.sample("reduce_sum", np.random.default_rng(3), n=n)
        partial = launcher.run("reduce_sum", arguments)["sums"]
        again = samples.sample("reduce_sum", np.random.default_rng(3), n=64) | {"values": partial}
        total = launcher.run("reduce_sum", again)["sums"][0]
        assert total == pytest.approx(arguments["values"].sum(dtype=np.float64), rel=1e-5)

    def test_bytes_that_are_all_alike_are_all_counted(self, launcher: Launcher) -> None:
        arguments = samples.sample("histogram256", np.random.default_rng(4), n=100_003)
        arguments["values"][:] = 255
        written = launcher.run("histogram256", arguments)["counts"]
        assert np.flatnonzero(written - arguments["counts"]).tolist() == [255]
        assert_agrees("histogram256", {"counts": written}, arguments)

    def test_a_kernel_stays_within_its_sizes(self, launcher: Launcher) -> None:
        # The buffers are larger than n says: what lies past n must stay as it was.
        arguments = samples.sample("saxpy", np.random.default_rng(5), n=512)
        arguments["n"] = np.int32(300)
        written = launcher.run("saxpy", arguments)["y"]
        assert np.array_equal(written[300:], arguments["y"][300:])


def assert_agrees(name: str, written: dict[str, np.ndarray], arguments: dict[str, Any]) -> None:
    """Fail unless what a kernel wrote is as near to its twin's as the entry says."""
    for key, expected in twins.run(name, arguments).items():
        assert twins.deviation(written[key], expected) <= entry(name).tolerance.relative, key


def scalars_of(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the scalars among a kernel's arguments."""
    return {a.name: arguments[a.name] for a in entry(name).parameters if a.role is Role.SCALAR}


def empty_results(name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return arrays for what a kernel writes, by name."""
    return {a.name: np.empty_like(arguments[a.name]) for a in entry(name).parameters if a.role.is_written}
