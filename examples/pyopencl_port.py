"""A PyOpenCL program on a pool: only its import has changed.

    -import pyopencl as cl
    +import accelpool as cl

What that one line does:

* `cl.create_some_context()` asks the pool for a device and leases it, wherever it is plugged in; PyOpenCL
  would open a driver of this machine. No driver and no OpenCL is needed here.
* Buffers, programs, kernels, queues and events have PyOpenCL's names, arguments and errors; their calls
  travel to the device's node. Launches and writes do not wait for an answer; reads do.
* The lease is given back when the context is no longer used, and whenever this process ends, however it ends.
"""

import numpy as np

import accelpool as cl

rng = np.random.default_rng(1)
a_np = rng.random(50_000, dtype=np.float32)
b_np = rng.random(50_000, dtype=np.float32)

ctx = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(ctx)

mf = cl.mem_flags
a_g = cl.Buffer(ctx, mf.READ_ONLY | mf.COPY_HOST_PTR, hostbuf=a_np)
b_g = cl.Buffer(ctx, mf.READ_ONLY | mf.COPY_HOST_PTR, hostbuf=b_np)
res_g = cl.Buffer(ctx, mf.WRITE_ONLY, a_np.nbytes)

source = """
__kernel void hypotenuse(__global const float *a, __global const float *b, __global float *res)
{
    const int i = get_global_id(0);
    res[i] = sqrt(a[i] * a[i] + b[i] * b[i]);
}
"""
hypotenuse = cl.Program(ctx, source).build().hypotenuse
hypotenuse(queue, a_np.shape, None, a_g, b_g, res_g)

res_np = np.empty_like(a_np)
cl.enqueue_copy(queue, res_np, res_g)

error = float(np.max(np.abs(res_np - np.hypot(a_np, b_np))))
print(f"{ctx.devices[0].name}: largest error {error:.1e}")
assert error < 1e-6
