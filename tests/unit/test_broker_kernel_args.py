"""Kernel arguments over REST: JSON in, OpenCL's bytes out, or a problem that says what was expected."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_broker.services.kernel_args import FORMATS, Parameter, pack, parameters, wire_args
from accelpool_wire import messages as m
from accelpool_wire.errors import Invalid

GLOBAL, LOCAL, CONSTANT, PRIVATE = 0x119B, 0x119C, 0x119D, 0x119E


def kernel(*args: tuple[str, str, int], count: int | None = None) -> m.KernelInfo:
    infos = [m.ArgInfo(name, type_name, address, 0, 0) for type_name, name, address in args]
    return m.KernelInfo("k", len(args) if count is None else count, "", infos, [])


SAXPY = kernel(("float", "a", PRIVATE), ("float*", "x", GLOBAL), ("float*", "tile", LOCAL))
BUFFERS = {"buf_x": 7}


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        ("char", -128, b"\x80"),
        ("uchar", 255, b"\xff"),
        ("short", -2, b"\xfe\xff"),
        ("ushort", 258, b"\x02\x01"),
        ("int", 1, b"\x01\x00\x00\x00"),
        ("uint", 2**32 - 1, b"\xff\xff\xff\xff"),
        ("long", -1, b"\xff" * 8),
        ("ulong", 2**64 - 1, b"\xff" * 8),
        ("half", 1.0, b"\x00\x3c"),
        ("float", 2, b"\x00\x00\x00\x40"),
        ("double", 2.0, b"\x00\x00\x00\x00\x00\x00\x00\x40"),
        ("float", "inf", b"\x00\x00\x80\x7f"),
        ("float", "-inf", b"\x00\x00\x80\xff"),
        ("uchar2", [1, 2], b"\x01\x02"),
        ("uchar3", [1, 2, 3], b"\x01\x02\x03\x00"),
        ("uchar16", list(range(16)), bytes(range(16))),
    ],
)
def test_a_value_becomes_the_bytes_of_its_type(type_name: str, value: object, expected: bytes) -> None:
    assert pack("argument 0", type_name, value) == expected


def test_nan_is_a_float() -> None:
    assert math.isnan(struct.unpack("<f", pack("argument 0", "float", "nan"))[0])


@pytest.mark.parametrize(
    ("type_name", "value", "told"),
    [
        ("char", 128, "a char is a whole number from -128 to 127, not 128"),
        ("uint", -1, "from 0 to 4294967295, not -1"),
        ("int", 1.0, "not 1.0"),
        ("int", True, "not True"),
        ("int", None, "not None"),
        ("int", "1", "not '1'"),
        ("int", 10**300, "a int is a whole number"),
        ("float", 1e39, "out of the range of float"),
        ("half", 65520.0, "out of the range of half"),
        ("double", 10**400, "out of the range of double"),
        ("float", "1.0", 'a float is a number, "nan", "inf" or "-inf"'),
        ("float", [1.0], "not [1.0]"),
        ("float", True, "not True"),
        ("float4", 1.0, "a float4 is an array of 4 numbers"),
        ("float4", [1.0, 2.0], "an array of 4 numbers"),
        ("float5", 1.0, "no scalar or vector type"),
        ("size_t", 1, "no scalar or vector type"),
        ("", 1, "no scalar or vector type"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(type_name: str, value: object, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        pack("argument 0", type_name, value)
    assert caught.value.detail.startswith("argument 0: ")
    assert told in caught.value.detail


@given(st.sampled_from(sorted(FORMATS)), st.integers() | st.floats() | st.text() | st.none())
def test_packing_gives_bytes_or_a_problem(type_name: str, value: object) -> None:
    try:
        packed = pack("argument 0", type_name, value)
    except Invalid:
        return
    assert len(packed) == struct.calcsize(f"<{FORMATS[type_name]}")


def test_arguments_are_taken_by_position_with_the_kernels_own_types() -> None:
    args = [{"value": 2.0}, {"buffer": "buf_x"}, {"local_bytes": 64}]
    assert wire_args(SAXPY, args, BUFFERS) == [struct.pack("<f", 2.0), 7, m.LocalMemory(64)]


def test_a_null_pointer_is_an_argument() -> None:
    args = [{"type": "float", "value": 2.0}, None, {"local_bytes": 64}]
    assert wire_args(SAXPY, args, BUFFERS)[1] is None


def test_without_argument_info_values_bring_their_types() -> None:
    bare = kernel(count=2)
    assert wire_args(bare, [{"type": "uchar", "value": 1}, {"buffer": "buf_x"}], BUFFERS) == [b"\x01", 7]
    with pytest.raises(Invalid, match="a value needs its type"):
        wire_args(bare, [{"value": 1}, None], BUFFERS)


@pytest.mark.parametrize(
    ("place", "arg", "told"),
    [
        (0, {"buffer": "buf_x"}, 'argument 0 (float a) of kernel k must be a value, {"type": TYPE'),
        (0, None, "must be a value"),
        (0, {"type": "int", "value": 1}, "must be of type float, not int"),
        (
            1,
            {"value": 1.0},
            'argument 1 (float* x) of kernel k must be a buffer, {"buffer": ID}, not a value',
        ),
        (1, {"buffer": "buf_y"}, "there is no buffer buf_y under this lease"),
        (2, {"buffer": "buf_x"}, 'must be local memory, {"local_bytes": N}, not a buffer'),
        (2, None, "must be local memory"),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected(place: int, arg: dict | None, told: str) -> None:
    args: list[dict | None] = [{"value": 2.0}, {"buffer": "buf_x"}, {"local_bytes": 64}]
    args[place] = arg
    with pytest.raises(Invalid) as caught:
        wire_args(SAXPY, args, BUFFERS)
    assert told in caught.value.detail


def test_a_wrong_number_of_arguments_is_refused_with_those_expected() -> None:
    with pytest.raises(Invalid, match="takes 3 arguments, not 1: float a, float\\* x, float\\* tile"):
        wire_args(SAXPY, [None], BUFFERS)


def test_parameters_are_told_in_opencl_cs_words() -> None:
    info = kernel(("unsigned int", "n", PRIVATE), ("uchar*", "table", CONSTANT), ("image2d_t", "i", 0))
    assert parameters(info) == [
        Parameter(name="n", type="uint", address="private"),
        Parameter(name="table", type="uchar*", address="constant"),
        Parameter(name="i", type="image2d_t", address="private"),
    ]
