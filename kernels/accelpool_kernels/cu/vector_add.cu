// vector_add: c[i] = a[i] + b[i]. As vector_add.cl, which has the source and what the arguments are.
//
// Launch: one thread per element; those past n do nothing.

extern "C" __global__ void vector_add(const int n,
                                      const float *__restrict__ a,
                                      const float *__restrict__ b,
                                      float *__restrict__ c)
{
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < (size_t)n)
        c[i] = a[i] + b[i];
}
