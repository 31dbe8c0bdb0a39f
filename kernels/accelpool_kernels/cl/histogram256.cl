// histogram256: counts[v] += how often v occurs among the values.
//
// Source: the definition of a histogram; integers, so the result is exact.
// values: (n,) uint8; counts: (256,) uint32, added to: fill it with zeros first.
// NDRange: always 64 work-groups of 256. Each work-group counts in local memory, where its atomics meet little
// contention, and adds its 256 counts to the result once.

#define BINS 256            // also the work-items per work-group: one work-item per bin at both ends

__kernel __attribute__((reqd_work_group_size(BINS, 1, 1)))
void histogram256(const int n,
                  __global const uchar *restrict values,
                  __global uint *counts)
{
    __local uint group_counts[BINS];
    const int local_id = get_local_id(0);
    group_counts[local_id] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);

    for (size_t i = get_global_id(0); i < (size_t)n; i += get_global_size(0))
        atomic_inc(&group_counts[values[i]]);
    barrier(CLK_LOCAL_MEM_FENCE);

    const uint count = group_counts[local_id];
    if (count > 0)
        atomic_add(&counts[local_id], count);
}
