"""Images, samplers and rectangles: on the pool's objects the results and errors of PyOpenCL's own.

The reference is Intel's runtime, in a process of its own: drivers crash on what is refused here.
"""

import gc
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

import accelpool

from .image_calls import FLOATS, KINDS, PIXELS, QUESTIONS, RESULTS, Bench, content_of_a_2d_image, told
from .image_mistakes import ERRORS, HOST, RECT, WHOLE, failure
from .worker_rig import START_S, opencl_targets

ROOT = Path(__file__).parents[2]

pytest.importorskip("pyopencl")
pytestmark = pytest.mark.opencl


@pytest.fixture(scope="module")
def target():
    found = [target for target in opencl_targets() if target.environment.name == "intel" and not target.fault]
    return found[0] if found else pytest.skip("Intel's runtime is not installed, or does not work here")


@pytest.fixture(scope="module")
def ours(opencl_pool, target):
    with accelpool.connect(opencl_pool.url, opencl_pool.token) as broker:
        (found,) = [device for device in broker.devices() if device["name"] == f"intel/{target.device}"]
        with broker.acquire(device=found["id"], wait=30) as ctx:
            yield Bench(accelpool, ctx)


@pytest.fixture(scope="module")
def theirs(target):
    """What comes of the same calls on PyOpenCL's own objects."""
    command = [target.environment.python, "-m", "tests.integration.image_reference", target.device]
    env = dict(target.environment.variables)
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=START_S, check=True)
    return pickle.loads(run.stdout)


def same(found, expected):
    if isinstance(expected, list) and any(isinstance(part, np.ndarray) for part in expected):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("run", RESULTS, ids=lambda run: run.__name__)
def test_the_same_call_gives_the_same_result(ours, theirs, run):
    same(run(ours), theirs[run.__name__])


@pytest.mark.parametrize("ask", QUESTIONS, ids=lambda ask: ask.__name__)
def test_the_same_question_has_the_same_answer(ours, theirs, ask):
    assert ask(ours) == theirs[ask.__name__]


@pytest.mark.parametrize("kind", KINDS)
def test_images_say_the_same_of_themselves(ours, theirs, kind):
    assert told(ours, KINDS[kind](ours)) == theirs[kind]


WITHOUT_CODE = {"no shape", "pitches without host memory"}  # PyOpenCL says none there


@pytest.mark.parametrize("name", ERRORS)
def test_the_same_mistake_is_the_same_error_at_once(ours, theirs, name):
    ours_failed, theirs_failed = failure(ERRORS[name], ours), theirs[name]
    assert theirs_failed is not None
    count = 1 if name in WITHOUT_CODE else 3
    assert ours_failed[:count] == theirs_failed[:count]


def test_after_all_mistakes_the_session_goes_on(ours):
    ours.queue.finish()
    np.testing.assert_array_equal(content_of_a_2d_image(ours), PIXELS)


# What drivers let pass, or crash on.
REFUSED = {
    "host memory too small for an image": lambda b: b.image((400, 300), hostbuf=PIXELS),
    "host memory too small to read to": lambda b: b.copy(np.zeros(47, "f4"), b.floats(), **WHOLE),
    "host memory too small to write from": lambda b: b.copy(b.floats(), np.zeros(47, "f4"), **WHOLE),
    "host memory too small for a rectangle": lambda b: b.copy(
        np.zeros(15, "u1"), b.buffer(64), **RECT, region=(4, 4)
    ),
    "pitch of a read too small": lambda b: b.copy(HOST, b.floats(), **WHOLE, pitches=(16,)),
    "rectangle beyond the buffer": lambda b: b.copy(
        HOST, b.buffer(64), **RECT, region=(4, 4, 4), buffer_pitches=(16, 64)
    ),
    "rectangle beyond the target": lambda b: b.copy(
        b.buffer(64), b.buffer(64), src_origin=(0,), dst_origin=(0, 0, 9), region=(4, 4)
    ),
    "read of no pixels": lambda b: b.copy(HOST, b.floats(), origin=(0, 0), region=(0, 3)),
    "color of 4 bytes": lambda b: b.cl.enqueue_fill_image(b.queue, b.pixels(), np.uint32(1), (0, 0), (1, 1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_drivers_let_pass_is_refused(ours, name):
    with pytest.raises(accelpool.LogicError) as caught:
        REFUSED[name](ours)
    assert caught.value.code == accelpool.status_code.INVALID_VALUE


def test_constructors_warn_as_pyopencls(ours):
    kind = ours.format("R", "FLOAT")
    with pytest.warns(DeprecationWarning, match="create_image"):
        accelpool.Image(ours.ctx, 0, kind, (4, 3))
    with (
        pytest.warns(UserWarning, match="no memory flags"),
        pytest.raises(accelpool.LogicError, match="HOST_PTR"),
    ):
        accelpool.create_image(ours.ctx, 0, kind, (4, 3), hostbuf=HOST)


def test_an_image_is_one_message_once_its_formats_are_known(ours):
    ours.floats()
    before = ours.ctx.round_trips
    ours.floats()
    assert ours.ctx.round_trips == before


def test_the_memory_of_an_image_counts(ours):
    images = [ours.image((2048, 2048, 64)) for _ in range(64)]  # 64 GB
    with pytest.raises(accelpool.MemoryError):
        ours.queue.finish()
    del images
    gc.collect()
    ours.image((64, 64))
    ours.queue.finish()


def test_1d_images_are_copied_too(ours):
    data = np.arange(24, dtype=np.int32)
    line = ours.image((10,), "R", "SIGNED_INT32", hostbuf=data)
    array = ours.described("IMAGE1D_ARRAY", (8,), array_size=6, hostbuf=FLOATS, flags=ours.mf.COPY_HOST_PTR)
    part, rows = np.zeros(4, np.int32), np.zeros((2, 8), np.float32)
    ours.copy(part, line, origin=(3,), region=(4,))
    ours.copy(rows, array, origin=(0, 3), region=(8, 2))
    np.testing.assert_array_equal(part, data[3:7])
    np.testing.assert_array_equal(rows, FLOATS[3:5])
