// saxpy: y[i] = a * x[i] + y[i], in place.
//
// Source: BLAS level 1, SAXPY (Lawson, Hanson, Kincaid, Krogh: "Basic Linear Algebra Subprograms for Fortran
// Usage", ACM TOMS 5(3), 1979).
// x, y: (n,) float32. The device may fuse the multiplication and the addition.
// NDRange: one work-item per element; the ids past n do nothing.

__kernel void saxpy(const int n,
                    const float a,
                    __global const float *restrict x,
                    __global float *restrict y)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)n)
        y[i] = a * x[i] + y[i];
}
