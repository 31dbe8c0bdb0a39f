"""Rectangles: which bytes they are, what is refused, what overlaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.rectangles import check_overlap, rectangle


def places(where):
    """The byte that each part of a rectangle is."""
    width, height, depth = where.region
    return {
        where.start + x + y * where.row_pitch + z * where.slice_pitch
        for z in range(depth)
        for y in range(height)
        for x in range(width)
    }


small = st.integers(1, 4)
rectangles = st.tuples(
    st.tuples(*[st.integers(0, 5)] * 3), st.tuples(small, small, small), st.integers(0, 6), st.integers(0, 9)
)


def made(given, region=None):
    origin, own, row_gap, slice_gap = given
    region = region or own
    rows = region[0] + row_gap
    return rectangle(origin, region, rows, region[1] * rows + slice_gap, "clTest")


@given(one=rectangles)
def test_a_rectangle_knows_its_first_byte_its_span_and_whether_it_has_gaps(one):
    where = made(one)
    bytes_ = places(where)
    assert len(bytes_) == where.size
    assert (min(bytes_), max(bytes_)) == (where.start, where.start + where.span - 1)
    assert where.is_dense == (bytes_ == set(range(where.start, where.start + where.size)))


@given(one=rectangles, other=rectangles)
def test_what_is_not_refused_shares_no_byte(one, other):
    source, target = made(one), made(other, one[1])
    try:
        check_overlap(source, target, "clTest")
    except Error:
        return
    assert not places(source) & places(target)


@given(one=rectangles, origin=st.tuples(*[st.integers(0, 5)] * 3))
def test_rectangles_of_the_same_pitches_that_share_no_column_are_not_refused(one, origin):
    source = made((one[0], one[1], 4, 0))
    width, rows = source.region[0], source.row_pitch
    beside = rectangle(
        (source.origin[0] + width, *origin[1:]), source.region, rows, source.slice_pitch, "clTest"
    )
    if beside.origin[0] % rows + width <= rows and rows - width >= width:
        check_overlap(source, beside, "clTest")


@pytest.mark.parametrize(
    ("target", "pitches", "code"),
    [((1, 0, 0), (8, 32), ErrorCode.MEM_COPY_OVERLAP), ((0, 1, 0), (8, 32), ErrorCode.MEM_COPY_OVERLAP),
     ((4, 0, 0), (9, 36), ErrorCode.INVALID_VALUE)],
)  # fmt: skip
def test_overlaps_are_refused(target, pitches, code):
    source = rectangle((0, 0, 0), (4, 4, 2), 8, 32, "clTest")
    with pytest.raises(Error) as caught:
        check_overlap(source, rectangle(target, (4, 4, 2), *pitches, "clTest"), "clTest")
    assert (caught.value.code, caught.value.routine) == (code, "clTest")


def test_slices_beside_each_other_do_not_overlap():
    source = rectangle((0, 0, 0), (4, 2, 3), 5, 23, "clTest")
    check_overlap(source, rectangle((11, 0, 0), (4, 2, 3), 5, 23, "clTest"), "clTest")


@pytest.mark.parametrize(
    ("origin", "region", "pitches"),
    [((0, 0), (1, 1, 1), (0, 0)), ((0, 0, 0), (1, 1), (0, 0)), ((0, 0, 0), (0, 1, 1), (0, 0)),
     ((-1, 0, 0), (1, 1, 1), (0, 0)), ((0, 0, 0), (4, 1, 1), (3, 0)), ((0, 0, 0), (4, 2, 1), (4, 7))],
)  # fmt: skip
def test_impossible_rectangles_are_refused(origin, region, pitches):
    with pytest.raises(Error) as caught:
        rectangle(origin, region, *pitches, "clTest")
    assert caught.value.code == ErrorCode.INVALID_VALUE


def test_bytes_beyond_the_end_are_refused():
    where = rectangle((0, 0, 0), (4, 4, 1), 8, 0, "clTest")
    where.check_within(28, "clTest")
    with pytest.raises(Error, match="ends at byte 28 of 27 bytes"):
        where.check_within(27, "clTest")
