"""The SDK against a broker and an agent with null devices: a lease's memory, taken again and again."""

import numpy as np
import pytest

import accelpool as cl

SHARE = 8 << 20
MOST = SHARE * 3 // 4
MF = cl.mem_flags


@pytest.fixture
def ctx(null_pool):
    with (
        cl.connect(null_pool.url, null_pool.token) as broker,
        broker.acquire(memory=SHARE, wait=20) as ctx,
    ):
        yield ctx


def image(ctx):
    rgba = cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.FLOAT)
    return cl.create_image(ctx, MF.READ_ONLY, rgba, (1024, MOST // 1024 // 16))


TAKERS = {
    "buffer": lambda ctx: cl.Buffer(ctx, MF.READ_WRITE, MOST),
    "buffer with content": lambda ctx: cl.Buffer(ctx, MF.COPY_HOST_PTR, hostbuf=np.zeros(MOST, np.uint8)),
    "image": image,
    "shared virtual memory": lambda ctx: cl.SVMAllocation(ctx, MOST, 0, cl.svm_mem_flags.READ_WRITE),
}


@pytest.mark.parametrize("name", TAKERS)
def test_what_a_user_released_is_free_for_what_is_made_next(ctx, name):
    queue = cl.CommandQueue(ctx)
    for _ in range(8):
        memory = TAKERS[name](ctx)
        memory.release()
    queue.finish()


@pytest.mark.parametrize("name", TAKERS)
def test_what_nothing_refers_to_is_free_for_what_is_made_next(ctx, name):
    queue = cl.CommandQueue(ctx)
    for _ in range(8):
        memory = TAKERS[name](ctx)
        del memory
    queue.finish()


def test_what_is_held_is_not(ctx):
    queue = cl.CommandQueue(ctx)
    held = [TAKERS["buffer"](ctx) for _ in range(2)]
    with pytest.raises(cl.MemoryError, match="of the share are free"):
        queue.finish()
    assert held[0].size == MOST
