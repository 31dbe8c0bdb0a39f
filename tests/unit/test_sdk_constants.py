"""The constants are PyOpenCL's: names, numbers, `to_string`."""

import enum

import pytest

import accelpool
from accelpool import constants

pyopencl = pytest.importorskip("pyopencl")
OURS = {name: getattr(constants, name) for name in constants.__all__ if name != "Constants"}


def numbers(cls):
    if issubclass(cls, enum.Enum):  # `program_kind` alone
        return {member.name: member.value for member in cls}
    public = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
    return {name: value for name, value in public.items() if type(value) is int}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_number_of_pyopencl_is_here_under_the_same_name(name):
    theirs = numbers(getattr(pyopencl, name))
    ours = numbers(OURS[name])
    assert theirs
    assert {key: ours.get(key) for key in theirs} == theirs


def test_no_class_of_constants_is_missing():
    theirs = {name for name, cls in vars(pyopencl).items() if isinstance(cls, type) and numbers(cls)}
    classes = {name for name in theirs if name[0].islower()}
    assert classes - set(OURS) == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status_code", -11),
        ("device_info", 0x1000),
        ("device_info", 0x102A),
        ("kernel_arg_type_qualifier", 0),
        ("command_execution_status", 3),
    ],
)
def test_to_string_names_a_number_as_pyopencl_does(name, value):
    assert getattr(accelpool, name).to_string(value) == getattr(pyopencl, name).to_string(value)


def test_what_python_keeps_in_a_class_is_no_constant():
    class flags(constants.Constants, bits=True):  # noqa: N801 - as PyOpenCL's
        __firstlineno__ = 59  # from Python 3.13 on
        READ = 1

    assert flags.to_string(1) == "READ"


def test_to_string_names_each_bit():
    assert accelpool.mem_flags.to_string(1 | 4) == "READ_ONLY | READ_WRITE"


def test_to_string_of_an_unknown_number_needs_a_format():
    with pytest.raises(ValueError, match="no name for 3"):
        accelpool.device_info.to_string(3)
    assert accelpool.device_info.to_string(3, "<%d>") == "<3>"
