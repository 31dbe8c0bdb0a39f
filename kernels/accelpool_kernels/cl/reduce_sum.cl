// reduce_sum: 64 partial sums of an array; launched on its own result (n = 64) it makes sums[0] the whole sum.
//
// Source: pairwise summation within the work-group; its error: Higham, "Accuracy and Stability of Numerical
// Algorithms", 2nd ed., chapter 4.
// values: (n,) float32; sums: (64,) float32, one per work-group; scratch: 256 float32 in local memory.
// NDRange: always 64 work-groups of 256. Each work-item first strides through the array by the global size (GPUs
// then read neighbours together), then the work-group halves its 256 sums until one is left.
//
// There is no way in OpenCL 1.2 for work-groups to wait for each other, and adding floats atomically would make the
// last digits differ from run to run: hence the second launch. In it every value falls to work-group 0.

#define LOCAL_SIZE 256

__kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1)))
void reduce_sum(const int n,
                __global const float *restrict values,
                __global float *restrict sums,
                __local float *scratch)
{
    const int local_id = get_local_id(0);
    float sum = 0.0f;
    for (size_t i = get_global_id(0); i < (size_t)n; i += get_global_size(0))
        sum += values[i];
    scratch[local_id] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);

    for (int half_size = LOCAL_SIZE / 2; half_size > 0; half_size /= 2) {
        if (local_id < half_size)
            scratch[local_id] += scratch[local_id + half_size];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (local_id == 0)
        sums[get_group_id(0)] = scratch[0];
}
