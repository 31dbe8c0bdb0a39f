"""A polynomial at many points at once, on any OpenCL device."""

import numpy as np

import accelpool as cl

SOURCE = """
kernel void horner(int degree, global const float *coefficients, global const float *x, global float *y)
{
    size_t i = get_global_id(0);
    float sum = coefficients[degree];
    for (int k = degree - 1; k >= 0; --k)
        sum = sum * x[i] + coefficients[k];
    y[i] = sum;
}
"""


def build(ctx: cl.Context) -> cl.Program:
    return cl.Program(ctx, SOURCE).build()


def evaluate(program: cl.Program, coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the sum of coefficients[k] * x**k at each point; arrays of float32, in C order."""
    ctx = program.context
    flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
    result = np.empty_like(x)
    y = cl.Buffer(ctx, cl.mem_flags.WRITE_ONLY, result.nbytes)
    with cl.CommandQueue(ctx) as queue:
        program.horner(
            queue,
            x.shape,
            None,
            np.int32(len(coefficients) - 1),
            cl.Buffer(ctx, flags, hostbuf=coefficients),
            cl.Buffer(ctx, flags, hostbuf=x),
            y,
        )
        cl.enqueue_copy(queue, result, y)
    return result
