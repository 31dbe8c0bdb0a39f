"""Which kernel arguments are images, as far as a compiler tells, and which images they may be."""

from __future__ import annotations

import pytest

from accelpool_node.worker.image_args import check_image
from accelpool_node.worker.objects import ContextObject, ImageObject
from accelpool_node.worker.wanted_args import is_image
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import LogicError
from accelpool_wire.image_layout import IMAGE3D, ImageLayout

GLOBAL, READ_ONLY, NONE, PIPE = 0x119B, 0x11A0, 0x11A3, 8


def arg(type_name: str, access: int, qualifier: int = 0) -> m.ArgInfo:
    return m.ArgInfo("a", type_name, GLOBAL, access, qualifier)


@pytest.mark.parametrize(
    ("type_name", "access", "expected"),
    [("image2d_t", READ_ONLY, True), ("picture", READ_ONLY, True), ("image2d_t", NONE, True),
     ("image2d_t", 0, True), ("float*", NONE, False), ("float*", READ_ONLY, False),
     ("image2d_t*", NONE, False), ("Recipe", NONE, False), ("Recipe", 0, False)],
)  # fmt: skip
def test_an_image_is_told_by_its_type_or_its_access(type_name: str, access: int, expected: bool) -> None:
    assert is_image(arg(type_name, access)) is expected


@pytest.mark.parametrize(
    ("known", "is_refused"),
    [(arg("picture", READ_ONLY), False), (arg("image3d_t", READ_ONLY), False),
     (arg("image2d_t", READ_ONLY), True), (arg("int", READ_ONLY, PIPE), True)],
)  # fmt: skip
def test_an_image_of_another_type_and_one_for_a_pipe_are_refused(known: m.ArgInfo, is_refused: bool) -> None:
    layout = ImageLayout(image_type=IMAGE3D, pixel_bytes=4, extent=(2, 2, 2))
    context = ContextObject(handle=None, shares=[], devices=[])
    image = ImageObject(
        handle=None, size=32, context=context, format=m.ImageFormat(0, 0), layout=layout, flags=1
    )
    info = m.KernelInfo("k", 1, "", [known], [])
    if not is_refused:
        check_image(info, 0, image)
        return
    with pytest.raises(LogicError) as caught:
        check_image(info, 0, image)
    assert caught.value.code == ErrorCode.INVALID_MEM_OBJECT
