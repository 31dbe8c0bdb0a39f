// histogram256: counts[v] += how often v occurs among the values. As histogram256.cl, which has what the arguments
// are.
//
// Launch: always 64 blocks of 256 threads. Each block counts in shared memory, where its atomics meet little
// contention, and adds its 256 counts to the result once.

#define BINS 256            // also the threads of a block: one thread per bin at both ends

extern "C" __global__ void __launch_bounds__(BINS) histogram256(const int n,
                                                                const unsigned char *__restrict__ values,
                                                                unsigned int *counts)
{
    __shared__ unsigned int block_counts[BINS];
    const int local_id = threadIdx.x;
    block_counts[local_id] = 0;
    __syncthreads();

    for (size_t i = (size_t)blockIdx.x * blockDim.x + local_id; i < (size_t)n; i += (size_t)gridDim.x * blockDim.x)
        atomicAdd(&block_counts[values[i]], 1u);
    __syncthreads();

    const unsigned int count = block_counts[local_id];
    if (count > 0)
        atomicAdd(&counts[local_id], count);
}
