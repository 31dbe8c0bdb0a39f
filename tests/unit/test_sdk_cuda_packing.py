"""Kernel parameters become the bytes that C would lay out."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest

from accelpool.cuda.packing import format_of, layout, packed


def hexed(*args):
    return packed(args)[1].hex()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), ""),
        ((np.int32(1),), "01000000"),
        ((np.int8(-1), np.int16(2)), "ff000200"),
        ((np.int8(1), np.float64(0.0)), "01" + "00" * 15),
        ((np.float32(1), np.int64(2)), "0000803f" + "00" * 4 + "02" + "00" * 7),
        ((np.float16(1), np.uint8(3)), "003c03"),
        ((np.int32(1), np.complex64(1 + 2j)), "01000000" + "0000803f" + "00000040"),
        ((np.int32(1), np.complex128(1)), "01000000" + "00" * 4 + "000000000000f03f" + "00" * 8),
        ((np.uint8(1), np.array([2, 3], np.uint16)), "01" + "02000300"),
        ((np.array([(1, 2.0)], "i1,f4")[0],), "01" + "00000040"),
    ],
)
def test_numbers_and_structures_lie_as_in_c(args, expected):
    assert hexed(*args) == expected


@pytest.mark.parametrize(
    "holder",
    [
        SimpleNamespace(__cuda_array_interface__={"data": (0x1234, False)}),
        SimpleNamespace(gpudata=0x1234),
        SimpleNamespace(gpudata=np.uintp(0x1234)),
    ],
)
def test_what_has_an_address_is_eight_bytes_at_a_multiple_of_eight(holder):
    assert hexed(np.int32(1), holder) == "01000000" + "00000000" + "3412" + "00" * 6


@pytest.mark.parametrize("arg", [1, 1.5, "x", None, [1], object()])
def test_what_no_kernel_could_have_is_refused_by_its_place(arg):
    with pytest.raises(TypeError, match=r"parameter #1 \(0-based\)"):
        packed([np.int32(1), arg])


@pytest.mark.parametrize(
    ("arg_types", "expected"),
    [
        ("PPi", "PPi"),
        (["P", "i"], "Pi"),
        ([np.float32, np.intp, np.dtype("f8")], f"f{np.dtype(np.intp).char}d"),
        ([np.dtype("i4,f4")], "8s"),
        ([None, np.ndarray], "PP"),
        ([np.complex64], "F"),
    ],
)
def test_a_prepared_format_is_made_of_types(arg_types, expected):
    assert format_of(arg_types) == expected


def test_a_format_packs_complex_numbers_in_their_places():
    made = layout("iFPD")
    assert made.count == 4
    expected = struct.pack("@iffPdd", 1, 2.0, 3.0, 0x10, 4.0, 5.0)
    assert made.pack([1, 2 + 3j, 0x10, 4 + 5j]) == expected
    assert made.size == len(expected)


def test_a_count_repeats_a_code_or_says_how_many_bytes():
    assert layout("2i3s").pack([1, 2, b"abc"]) == b"\1\0\0\0\2\0\0\0abc"


@pytest.mark.parametrize(
    ("format", "values"), [("i", []), ("i", [1, 2]), ("i", [1.5]), ("F", []), ("B", [256])]
)
def test_wrong_values_are_structs_error(format, values):
    with pytest.raises(struct.error):
        layout(format).pack(values)


@pytest.mark.parametrize("format", ["Z", "i*", "iP!"])
def test_a_wrong_format_is_structs_error(format):
    with pytest.raises(struct.error):
        layout(format)
