"""A PyOpenCL program as any: a sum of vectors, a product of matrices by tiles, a reduction."""

import numpy as np
import pyopencl as cl
import pyopencl.array

TILE = 16
SOURCE = f"""
kernel void add(global const float *a, global const float *b, global float *c)
{{ size_t i = get_global_id(0); c[i] = a[i] + b[i]; }}

kernel __attribute__((reqd_work_group_size({TILE}, {TILE}, 1)))
void multiply(int n, global const float *a, global const float *b, global float *c)
{{
    local float tile_a[{TILE}][{TILE}], tile_b[{TILE}][{TILE}];
    int x = get_local_id(0), y = get_local_id(1), column = get_global_id(0), row = get_global_id(1);
    float sum = 0;
    for (int k = 0; k < n; k += {TILE}) {{
        tile_a[y][x] = a[row * n + k + x];
        tile_b[y][x] = b[(k + y) * n + column];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = 0; i < {TILE}; i++) sum += tile_a[y][i] * tile_b[i][x];
        barrier(CLK_LOCAL_MEM_FENCE);
    }}
    c[row * n + column] = sum;
}}
"""

context = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(context)
program = cl.Program(context, SOURCE).build()
random = np.random.default_rng(1)

a, b = (random.random(100_003, dtype=np.float32) for _ in range(2))
on_a, on_b = (
    cl.Buffer(context, cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR, hostbuf=x) for x in (a, b)
)
on_c, c = cl.Buffer(context, cl.mem_flags.WRITE_ONLY, a.nbytes), np.empty_like(a)
program.add(queue, a.shape, None, on_a, on_b, on_c)
cl.enqueue_copy(queue, c, on_c)
assert np.array_equal(c, a + b)

n = 8 * TILE
a, b = (random.random((n, n), dtype=np.float32) for _ in range(2))
on_a, on_b = (cl.array.to_device(queue, x) for x in (a, b))
on_c = cl.array.empty_like(on_a)
program.multiply(queue, (n, n), (TILE, TILE), np.int32(n), on_a.data, on_b.data, on_c.data)
assert np.allclose(on_c.get(), a @ b, rtol=1e-4)

values = random.integers(0, 1000, 1_000_003, dtype=np.int32)
assert cl.array.sum(cl.array.to_device(queue, values), dtype=np.int64).get() == values.sum(dtype=np.int64)
print("right, on", context.devices[0].platform.name)
