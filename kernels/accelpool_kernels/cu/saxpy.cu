// saxpy: y[i] = a * x[i] + y[i], in place. As saxpy.cl, which has the source and what the arguments are.
//
// The compiler may fuse the multiplication and the addition.
// Launch: one thread per element; those past n do nothing.

extern "C" __global__ void saxpy(const int n,
                                 const float a,
                                 const float *__restrict__ x,
                                 float *__restrict__ y)
{
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < (size_t)n)
        y[i] = a * x[i] + y[i];
}
