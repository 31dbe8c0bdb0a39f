"""Arguments of kernels that take all their parameters in one piece, too: CUDA's."""

from __future__ import annotations

from typing import Any

import pytest

from accelpool_node.backends.base import LocalSize
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.kernel_args import check_args, set_all_args, set_args
from accelpool_node.worker.objects import ContextObject, KernelObject, ProgramObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

ROUTINE = "clEnqueueNDRangeKernel"
LOCAL_LIMIT = 1 << 16
INT = bytes(4)


class Recorder:
    """A backend that notes what it is told to set."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Any]] = []

    def set_kernel_arg(self, _kernel: Any, index: int, value: Any) -> None:
        self.told.append((index, value))


class Bench:
    """A kernel with so many parameters."""

    def __init__(self, count: int, *, takes_whole: bool = True) -> None:
        self.backend: Any = Recorder()
        context = ContextObject(handle=None, shares=[], devices=[])
        self.holdings = Holdings(self.backend, [], m.Limits())
        self.kernel = KernelObject(
            handle=None,
            info=m.KernelInfo("k", count, "", [], []),
            context=context,
            program=ProgramObject(handle=None, context=context),
            wanted=(),
            takes_whole=takes_whole,
        )

    def launch(self, *args: m.KernelArg) -> list[tuple[int, Any]]:
        """Set all for a launch; return what the backend was told."""
        self.backend.told.clear()
        set_all_args(self.backend, self.holdings, self.kernel, args, LOCAL_LIMIT, ROUTINE)
        check_args(self.kernel, ROUTINE)
        return list(self.backend.told)

    def set(self, first: int, *args: m.KernelArg) -> list[tuple[int, Any]]:
        self.backend.told.clear()
        set_args(self.backend, self.holdings, self.kernel, first, args, LOCAL_LIMIT)
        return list(self.backend.told)


def test_one_piece_stands_for_all_parameters() -> None:
    bench = Bench(3)
    assert bench.launch(bytes(24)) == [(0, bytes(24))]
    check_args(bench.kernel, ROUTINE)  # a launch without arguments has them still


def test_one_piece_is_set_again_each_time_as_single_parameters_may_have_changed_it() -> None:
    bench = Bench(3)
    bench.launch(bytes(24))
    assert bench.set(1, INT) == [(1, INT)]
    assert bench.launch(bytes(24)) == [(0, bytes(24))]
    assert bench.set(1, INT) == [(1, INT)]


def test_parameters_one_by_one_are_set_where_they_differ() -> None:
    bench = Bench(2)
    assert bench.launch(INT, INT) == [(0, INT), (1, INT)]
    assert bench.launch(INT, b"four") == [(1, b"four")]


def test_shared_memory_comes_last_and_is_that_of_the_launch() -> None:
    bench = Bench(2)
    assert bench.launch(bytes(8), m.LocalMemory(64)) == [(0, bytes(8)), (2, LocalSize(size=64))]
    assert bench.launch(INT, INT, m.LocalMemory(64)) == [(0, INT), (1, INT)]
    assert bench.launch(INT, INT) == [(2, LocalSize(size=0))]
    assert bench.launch(INT, INT) == []


def test_shared_memory_set_apart_stays() -> None:
    bench = Bench(1)
    assert bench.set(0, INT, m.LocalMemory(32)) == [(0, INT), (1, LocalSize(size=32))]
    check_args(bench.kernel, ROUTINE)


def test_shared_memory_alone_does_not_stand_for_a_parameter() -> None:
    bench = Bench(1)
    bench.set(1, m.LocalMemory(32))
    with pytest.raises(Error, match=r"not set: \[0\]"):
        check_args(bench.kernel, ROUTINE)


def test_a_kernel_without_parameters_takes_an_empty_piece() -> None:
    bench = Bench(0)
    assert bench.launch() == []
    assert bench.launch(b"") == []
    assert bench.launch(m.LocalMemory(8)) == [(0, LocalSize(size=8))]


@pytest.mark.parametrize(("count", "args"), [
    (3, [INT, INT]), (3, [None]), (2, [INT, INT, INT]), (0, [b"x"]), (2, [m.LocalMemory(8)]), (1, []),
])  # fmt: skip
def test_other_counts_are_refused(count: int, args: list[m.KernelArg]) -> None:
    with pytest.raises(Error) as caught:
        Bench(count).launch(*args)
    assert (caught.value.routine, caught.value.code) == (ROUTINE, ErrorCode.INVALID_KERNEL_ARGS)


def test_other_kernels_take_no_piece_and_no_memory_behind_their_arguments() -> None:
    bench = Bench(2, takes_whole=False)
    for args in ([bytes(8)], [INT, INT, m.LocalMemory(8)]):
        with pytest.raises(Error) as caught:
            bench.launch(*args)
        assert caught.value.code == ErrorCode.INVALID_KERNEL_ARGS
