// matmul: C = A B.
//
// Source: C[i][j] = sum over l of A[i][l] B[l][j] (BLAS level 3, SGEMM with alpha = 1 and beta = 0).
// a: (m, k) float32; b: (k, n) float32; c: (m, n) float32; all C order.
// NDRange: a work-group of 16 x 16 work-items makes a tile of 64 x 64 of C; dimension 0 runs along the columns.
//
// Each work-item keeps 4 rows x 4 neighbouring columns in registers, so that one value read from local memory
// feeds four multiplications: GPUs are limited by local memory otherwise, and CPUs by loads. Tiles are padded
// with zeros at the edges, which adds nothing to the sums and keeps conditions out of the inner loop.

#define ROWS 16             // work-items per work-group, dimension 1
#define COLUMNS 16          // work-items per work-group, dimension 0
#define PER_ITEM 4          // rows, and columns, that one work-item makes: the 4 of float4
#define DEPTH 16            // columns of A, rows of B that are in local memory at a time
#define TILE_ROWS (ROWS * PER_ITEM)
#define TILE_COLUMNS (COLUMNS * PER_ITEM)

__kernel __attribute__((reqd_work_group_size(COLUMNS, ROWS, 1)))
void matmul(const int m,
            const int n,
            const int k,
            __global const float *restrict a,
            __global const float *restrict b,
            __global float *restrict c)
{
    // A's tile is stored transposed; a column more than needed makes the stride odd and spares GPUs bank conflicts.
    __local float tile_a[DEPTH][TILE_ROWS + 1];
    __local float4 tile_b[DEPTH][COLUMNS];
    __local float *flat_b = (__local float *)tile_b;

    const int x = get_local_id(0);
    const int y = get_local_id(1);
    const int first_column = get_group_id(0) * TILE_COLUMNS;
    const int first_row = get_group_id(1) * TILE_ROWS;

    float4 sums[PER_ITEM];
    for (int p = 0; p < PER_ITEM; p++)
        sums[p] = (float4)(0.0f);

    for (int step = 0; step < k; step += DEPTH) {
        for (int e = y * COLUMNS + x; e < DEPTH * TILE_ROWS; e += ROWS * COLUMNS) {
            const int row = e / DEPTH;
            const int l = e % DEPTH;
            const bool inside = first_row + row < m && l < k - step;
            tile_a[l][row] = inside ? a[(size_t)(first_row + row) * k + step + l] : 0.0f;
        }
        for (int e = y * COLUMNS + x; e < DEPTH * TILE_COLUMNS; e += ROWS * COLUMNS) {
            const int l = e / TILE_COLUMNS;
            const int column = e % TILE_COLUMNS;
            const bool inside = first_column + column < n && l < k - step;
            flat_b[e] = inside ? b[(size_t)(step + l) * n + first_column + column] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);

        for (int l = 0; l < DEPTH; l++) {
            const float4 b_part = tile_b[l][x];
            #pragma unroll
            for (int p = 0; p < PER_ITEM; p++)
                sums[p] += tile_a[l][y * PER_ITEM + p] * b_part;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    const int column = first_column + x * PER_ITEM;
    for (int p = 0; p < PER_ITEM; p++) {
        const int row = first_row + y * PER_ITEM + p;
        if (row >= m)
            break;
        __global float *target = c + (size_t)row * n + column;
        if (column + 0 < n) target[0] = sums[p].s0;
        if (column + 1 < n) target[1] = sums[p].s1;
        if (column + 2 < n) target[2] = sums[p].s2;
        if (column + 3 < n) target[3] = sums[p].s3;
    }
}
