"""NDRanges, as a table: sizes in, what is launched or which rule is broken out."""

import numpy as np
import pytest

from accelpool.constants import device_info
from accelpool.device import Device, Platform
from accelpool.errors import LogicError
from accelpool.ndrange import checked
from accelpool.testing import DEVICE
from accelpool_wire import messages as m

GROUP = m.WorkGroupInfo(128, [0, 0, 0], 0, 8, 0)
REQUIRED = m.WorkGroupInfo(128, [4, 1, 1], 0, 8, 0)


def device(**info):
    return Device({**DEVICE, **info.get("info", {})}, Platform({}), ("node", "", "device"))


@pytest.mark.parametrize(
    ("global_size", "local_size", "offset", "g_times_l", "expected"),
    [
        ((16,), None, None, False, ([16], None, None)),
        ([16], [4], None, False, ([16], [4], None)),
        ((np.int64(16), 8), (4, np.int32(2)), None, False, ([16, 8], [4, 2], None)),
        ((16,), None, (4,), False, ([16], None, [4])),
        ((4,), (4,), None, True, ([16], [4], None)),
        ((4,), (4,), (8,), True, ([16], [4], [32])),
        ((4,), None, (8,), True, ([4], None, [8])),
        ((4,), None, None, True, ([4], None, None)),
        ((4, 4), (4,), None, True, ([16, 4], [4, 1], None)),
        ((4,), (4, 2), None, True, ([16, 2], [4, 2], None)),
        ((0,), None, None, False, ([0], None, None)),
    ],
)
def test_what_is_launched(global_size, local_size, offset, g_times_l, expected):
    found = checked(device(), GROUP, global_size, local_size, offset, g_times_l)
    assert (found.global_size, found.local_size, found.offset) == expected
    assert found.is_empty is (0 in expected[0])


@pytest.mark.parametrize(
    ("global_size", "local_size", "offset", "code"),
    [
        ((1, 1, 1, 1), None, None, -53),
        ((), None, None, -53),
        ((-1,), None, None, -63),
        ((16,), (-4,), None, -54),
        ((16,), (0,), None, -54),
        ((16,), (5,), None, -54),
        ((256,), (256,), None, -54),
        ((128, 128), (128, 128), None, -54),
        ((1, 1, 128), (1, 1, 128), None, -55),
        ((16, 16), (4,), None, -30),
        ((16,), (4, 4), None, -30),
        ((16,), None, (1, 2), -30),
        ((16,), None, (-1,), -56),
    ],
)
def test_which_rule_is_broken(global_size, local_size, offset, code):
    with pytest.raises(LogicError) as caught:
        checked(device(), GROUP, global_size, local_size, offset, False)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("global_size", "example"),
    [(16, 16), (np.int64(16), 16), ((16.0,), 1000), (("a",), 1000), ("a", 1000), (object(), 1000)],
)
def test_sizes_are_whole_numbers(global_size, example):
    with pytest.raises(TypeError, match=rf"global_size is a tuple of .* such as \({example},\), not"):
        checked(device(), GROUP, global_size, None, None, False)


def test_nvidias_driver_runs_larger_work_groups_than_it_tells_of_a_kernel():
    limits = {device_info.VENDOR_ID: 0x10DE, device_info.MAX_WORK_GROUP_SIZE: 1024}
    nvidia = device(info={**limits, device_info.MAX_WORK_ITEM_SIZES: [1024, 1024, 64]})
    assert checked(nvidia, GROUP, (1024,), (1024,), None, False).local_size == [1024]
    with pytest.raises(LogicError, match="1 to 1024 are possible"):
        checked(nvidia, GROUP, (1024, 2), (1024, 2), None, False)


def test_a_numpy_array_is_a_sequence_of_sizes():
    assert checked(device(), GROUP, np.array([16, 8]), None, None, False).global_size == [16, 8]


def test_a_kernel_may_require_its_local_size():
    assert checked(device(), REQUIRED, (16,), (4,), None, False).local_size == [4]
    with pytest.raises(LogicError, match=r"requires local size \[4, 1\]"):
        checked(device(), REQUIRED, (16, 16), (8, 1), None, False)


def test_what_does_not_divide_is_the_devices_to_judge_where_it_may_take_it():
    takes_any = device(info={device_info.NON_UNIFORM_WORK_GROUP_SUPPORT: 1})
    assert checked(takes_any, GROUP, (16,), (5,), None, False).local_size == [5]


def test_without_the_kernels_limit_the_devices_holds():
    assert checked(device(), None, (256,), (256,), None, False).local_size == [256]
    with pytest.raises(LogicError):
        checked(device(), None, (512,), (512,), None, False)


def test_a_device_that_tells_nothing_is_asked_by_launching():
    bare = Device({}, Platform({}), ("node", "", "device"))
    assert checked(bare, None, (1024,), (1024,), None, False).local_size == [1024]
