// reduce_sum: 64 partial sums of an array. As reduce_sum.cl, which has the source, what the arguments are, and why
// it is launched once more on its own result.
//
// Launch: always 64 blocks of 256 threads, with 256 float32 of dynamic shared memory.

#define LOCAL_SIZE 256

extern "C" __global__ void __launch_bounds__(LOCAL_SIZE) reduce_sum(const int n,
                                                                    const float *__restrict__ values,
                                                                    float *__restrict__ sums)
{
    extern __shared__ float scratch[];
    const int local_id = threadIdx.x;
    float sum = 0.0f;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + local_id; i < (size_t)n; i += (size_t)gridDim.x * blockDim.x)
        sum += values[i];
    scratch[local_id] = sum;
    __syncthreads();

    for (int half_size = LOCAL_SIZE / 2; half_size > 0; half_size /= 2) {
        if (local_id < half_size)
            scratch[local_id] += scratch[local_id + half_size];
        __syncthreads();
    }
    if (local_id == 0)
        sums[blockIdx.x] = scratch[0];
}
