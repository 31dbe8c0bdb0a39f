"""Every kernel of the library, on every device present, against its NumPy twin."""

from typing import Any

import numpy as np
import pytest

from accelpool_kernels import Role, entry, names, samples, source, twins

pytestmark = pytest.mark.opencl

SIZES = {
    "one": 1,
    "below a work-group": 63,
    "a work-group": 256,
    "past a work-group": 257,
}


class Launcher:
    """Runs kernels of the library by their entries."""

    def __init__(self, cl: Any, context: Any) -> None:
        self._cl = cl
        self._context = context
        self._queue = cl.CommandQueue(context)

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
        kernel = getattr(self._cl.Program(self._context, source(name)).build(), name)
        values = self._values(name, arguments)
        ndrange = entry(name).ndrange(**_scalars(name, arguments))
        kernel(self._queue, ndrange.global_size, ndrange.local_size, *values.values())
        written = {
            a.name: np.empty_like(arguments[a.name]) for a in entry(name).parameters if a.role.is_written
        }
        for key, array in written.items():
            self._cl.enqueue_copy(self._queue, array, values[key])
        self._queue.finish()
        return written

    def _values(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        local_bytes = entry(name).local_bytes(**_scalars(name, arguments))
        values = {}
        for argument in entry(name).arguments:
            if argument.role is Role.LOCAL:
                values[argument.name] = self._cl.LocalMemory(local_bytes[argument.name])
            elif argument.role is Role.SCALAR:
                values[argument.name] = arguments[argument.name]
            else:
                values[argument.name] = self._buffer(arguments[argument.name])
        return values

    def _buffer(self, array: np.ndarray) -> Any:
        flags = self._cl.mem_flags
        return self._cl.Buffer(self._context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=array)


@pytest.fixture
def launcher(cl: Any, context: Any) -> Launcher:
    return Launcher(cl, context)


def _scalars(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {a.name: arguments[a.name] for a in entry(name).parameters if a.role is Role.SCALAR}


def assert_agrees(name: str, written: dict[str, np.ndarray], arguments: dict[str, Any]) -> None:
    for key, expected in twins.run(name, arguments).items():
        assert twins.deviation(written[key], expected) <= entry(name).tolerance.relative, key


@pytest.mark.parametrize("name", names())
def test_the_kernel_agrees_with_its_twin_on_the_sample(name: str, launcher: Launcher) -> None:
    arguments = samples.sample(name, np.random.default_rng(1))
    assert_agrees(name, launcher.run(name, arguments), arguments)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("name", names())
def test_the_kernel_agrees_with_its_twin_at_any_size(name: str, size: int, launcher: Launcher) -> None:
    # The last size differs from the others, so that exchanged dimensions would show.
    sizes = dict.fromkeys(entry(name).sizes, size)
    if len(sizes) > 1:
        sizes[entry(name).sizes[-1]] = 5
    arguments = samples.sample(name, np.random.default_rng(2), **sizes)
    assert_agrees(name, launcher.run(name, arguments), arguments)


@pytest.mark.parametrize("n", [1, 100, 100_003])
def test_reducing_twice_leaves_the_sum_in_front(n: int, launcher: Launcher) -> None:
    arguments = samples.sample("reduce_sum", np.random.default_rng(3), n=n)
    partial = launcher.run("reduce_sum", arguments)["sums"]
    again = samples.sample("reduce_sum", np.random.default_rng(3), n=64) | {"values": partial}
    total = launcher.run("reduce_sum", again)["sums"][0]
    assert total == pytest.approx(arguments["values"].sum(dtype=np.float64), rel=1e-5)


def test_bytes_that_are_all_alike_are_all_counted(launcher: Launcher) -> None:
    arguments = samples.sample("histogram256", np.random.default_rng(4), n=100_003)
    arguments["values"][:] = 255
    written = launcher.run("histogram256", arguments)["counts"]
    assert np.flatnonzero(written - arguments["counts"]).tolist() == [255]
    assert_agrees("histogram256", {"counts": written}, arguments)


def test_a_kernel_stays_within_its_sizes(launcher: Launcher) -> None:
    # The buffers are larger than n says: what lies past n must stay as it was.
    arguments = samples.sample("saxpy", np.random.default_rng(5), n=512)
    arguments["n"] = np.int32(300)
    written = launcher.run("saxpy", arguments)["y"]
    assert np.array_equal(written[300:], arguments["y"][300:])
