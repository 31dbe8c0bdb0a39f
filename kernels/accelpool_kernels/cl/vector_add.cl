// vector_add: c[i] = a[i] + b[i].
//
// Source: the definition of vector addition; IEEE 754 addition, so the result is exact to the rounding.
// a, b, c: (n,) float32.
// NDRange: one work-item per element; the ids past n do nothing.

__kernel void vector_add(const int n,
                         __global const float *restrict a,
                         __global const float *restrict b,
                         __global float *restrict c)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)n)
        c[i] = a[i] + b[i];
}
