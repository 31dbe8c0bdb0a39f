// inclusive_scan: sums[i] = values[0] + ... + values[i]. As inclusive_scan.cl, which has the source and what the
// arguments are.
//
// Launch: one block of 256 threads, whatever n is, with 2 x 256 float32 of dynamic shared memory.

#define LOCAL_SIZE 256
#define PER_ITEM 8
#define TILE (LOCAL_SIZE * PER_ITEM)

extern "C" __global__ void __launch_bounds__(LOCAL_SIZE) inclusive_scan(const int n,
                                                                        const float *__restrict__ values,
                                                                        float *__restrict__ sums)
{
    extern __shared__ float scratch[];
    const int local_id = threadIdx.x;
    float carry = 0.0f;

    for (size_t tile = 0; tile < (size_t)n; tile += TILE) {
        const size_t first = tile + (size_t)local_id * PER_ITEM;
        float own[PER_ITEM];
        float sum = 0.0f;
        #pragma unroll
        for (int j = 0; j < PER_ITEM; j++) {
            sum += first + j < (size_t)n ? values[first + j] : 0.0f;
            own[j] = sum;
        }

        // Two halves of scratch take turns as source and target: one barrier per step instead of two.
        int source = 0;
        scratch[local_id] = sum;
        __syncthreads();
        for (int distance = 1; distance < LOCAL_SIZE; distance *= 2) {
            float value = scratch[source + local_id];
            if (local_id >= distance)
                value += scratch[source + local_id - distance];
            source = LOCAL_SIZE - source;
            scratch[source + local_id] = value;
            __syncthreads();
        }

        const float before = carry + (local_id > 0 ? scratch[source + local_id - 1] : 0.0f);
        #pragma unroll
        for (int j = 0; j < PER_ITEM; j++)
            if (first + j < (size_t)n)
                sums[first + j] = before + own[j];
        carry += scratch[source + LOCAL_SIZE - 1];
        // The next tile overwrites scratch: everybody must have read it.
        __syncthreads();
    }
}
