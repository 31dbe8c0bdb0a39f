"""PyOpenCL, nothing changed for a pool, in a context over two nodes; a buffer goes from one to the other."""

import numpy as np
import pyopencl as cl
import pyopencl.array as cl_array

ITEMS = 1 << 18
SOURCE = """
kernel void shift(global const float *in, global float *out) {
    int i = get_global_id(0); out[i] = in[i] + i;
}
"""


def main() -> None:
    platform = next(platform for platform in cl.get_platforms() if platform.name == "accelpool")
    devices = platform.get_devices()
    ctx = cl.Context([devices[0], devices[-1]])
    assert ctx.devices == [devices[0], devices[-1]]
    first, second = (cl.CommandQueue(ctx, device) for device in ctx.devices)
    x = np.random.default_rng(7).random(ITEMS, np.float32)
    source = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
    shifted = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, x.nbytes)
    program = cl.Program(ctx, SOURCE).build("-cl-kernel-arg-info")
    event = program.shift(second, x.shape, None, source, shifted)
    assert event.context == ctx
    assert event.command_queue == second
    found = np.empty_like(x)
    cl.enqueue_copy(second, found, shifted, wait_for=[event])
    np.testing.assert_array_equal(found, x + np.arange(ITEMS, dtype=np.float32))
    small = cl_array.to_device(first, x[:64])
    cl.enqueue_barrier(second, [cl.enqueue_marker(first)])
    doubled = (small.with_queue(second) * 2).get()
    np.testing.assert_array_equal(doubled, x[:64] * 2)


main()
