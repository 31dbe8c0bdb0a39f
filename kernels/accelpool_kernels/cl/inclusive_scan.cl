// inclusive_scan: sums[i] = values[0] + ... + values[i].
//
// Source: the scan within the work-group is that of Hillis and Steele, "Data Parallel Algorithms", CACM 29(12), 1986.
// values, sums: (n,) float32; scratch: 2 x 256 float32 in local memory.
// NDRange: one work-group of 256, whatever n is. It walks through the array in tiles of 2048 (8 values per
// work-item) and carries the sum so far from tile to tile: one launch and no temporary buffer, at the price of
// using one compute unit.

#define LOCAL_SIZE 256
#define PER_ITEM 8
#define TILE (LOCAL_SIZE * PER_ITEM)

__kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1)))
void inclusive_scan(const int n,
                    __global const float *restrict values,
                    __global float *restrict sums,
                    __local float *scratch)
{
    const int local_id = get_local_id(0);
    float carry = 0.0f;

    for (size_t tile = 0; tile < (size_t)n; tile += TILE) {
        const size_t first = tile + (size_t)local_id * PER_ITEM;
        float own[PER_ITEM];
        float sum = 0.0f;
        for (int j = 0; j < PER_ITEM; j++) {
            sum += first + j < (size_t)n ? values[first + j] : 0.0f;
            own[j] = sum;
        }

        // Two halves of scratch take turns as source and target: one barrier per step instead of two.
        int source = 0;
        scratch[local_id] = sum;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int distance = 1; distance < LOCAL_SIZE; distance *= 2) {
            float value = scratch[source + local_id];
            if (local_id >= distance)
                value += scratch[source + local_id - distance];
            source = LOCAL_SIZE - source;
            scratch[source + local_id] = value;
            barrier(CLK_LOCAL_MEM_FENCE);
        }

        const float before = carry + (local_id > 0 ? scratch[source + local_id - 1] : 0.0f);
        for (int j = 0; j < PER_ITEM; j++)
            if (first + j < (size_t)n)
                sums[first + j] = before + own[j];
        carry += scratch[source + LOCAL_SIZE - 1];
        // The next tile overwrites scratch: everybody must have read it.
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
