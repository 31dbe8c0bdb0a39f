"""What the catalogue knows about a launch need not be given."""

from __future__ import annotations

import pytest

from accelpool_broker.services.library import entry, fill_in, source
from accelpool_wire.errors import Invalid, NotFound

SAXPY = [{"value": 1000}, {"value": 2.0}, {"buffer": "x"}, {"buffer": "y"}]
SIZES = {"x": 4000, "y": 4000}


def test_the_ndrange_follows_from_the_sizes_among_the_arguments() -> None:
    args, global_size, local_size = fill_in("saxpy", SAXPY, None, None, SIZES)
    rule = entry("saxpy").ndrange(n=1000)
    typed = [{"type": "int", "value": 1000}, {"type": "float", "value": 2.0}, *SAXPY[2:]]
    assert (args, global_size, local_size) == (typed, rule.global_size, rule.local_size)


def test_a_given_ndrange_stays() -> None:
    assert fill_in("saxpy", SAXPY, [2048], None, SIZES)[1:] == ([2048], None)
    assert fill_in("saxpy", SAXPY, None, [64], SIZES)[2] == [64]


def test_local_memory_is_filled_in() -> None:
    found = entry("reduce_sum")
    scalars = {argument.name: 4096 for argument in found.arguments if argument.role.value == "scalar"}
    needed = found.local_bytes(**scalars)
    args = [{"value": 4096} if argument.role.value == "scalar" else None for argument in found.arguments]
    filled, _, _ = fill_in("reduce_sum", args, None, None, {})
    assert [arg["local_bytes"] for arg in filled if arg and "local_bytes" in arg] == list(needed.values())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([{"value": 0}, *SAXPY[1:]], "0 is not from 1 to"),
        ([None, *SAXPY[1:]], "a size is needed"),
        ([{"value": 1001}, *SAXPY[1:]], "needs a buffer of at least 4004 bytes; x has 4000"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(args: list, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        fill_in("saxpy", args, None, None, SIZES)


def test_a_wrong_number_of_arguments_is_left_to_the_kernel() -> None:
    assert fill_in("saxpy", SAXPY[:1], None, None, SIZES)[0] == SAXPY[:1]


def test_a_cuda_launch_has_no_more_rows_than_a_grid() -> None:
    args = [{"value": 1_000_000}, {"value": 64}, {"value": 0.1}, {"buffer": "u"}, {"buffer": "u_next"}]
    assert fill_in("stencil5", args, None, None, {})[1:] == ((64, 1_000_000), (64, 4))
    assert fill_in("stencil5", args, None, None, {}, "cuda")[1:] == ((64, 65_535 * 4), (64, 4))


def test_a_source_is_what_the_api_is_written_in() -> None:
    assert "__kernel void saxpy" in source("saxpy")
    assert "__global__ void saxpy" in source("saxpy", "cuda")


def test_an_unknown_kernel_is_not_found() -> None:
    with pytest.raises(NotFound, match="saxpy"):
        source("nothing")


def test_a_source_for_an_unknown_api_is_not_found() -> None:
    with pytest.raises(NotFound, match="opencl, cuda"):
        source("saxpy", "vulkan")
