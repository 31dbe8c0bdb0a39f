// matmul: C = A B. As matmul.cl, which has the source, what the arguments are, and why its tiles are as they are.
//
// Launch: blocks of 16 x 16 threads; each makes tiles of 64 x 64 of C, one below the other where C has more rows
// of tiles than a grid has blocks.

#define ROWS 16             // threads of a block, dimension y
#define COLUMNS 16          // threads of a block, dimension x
#define PER_ITEM 4          // rows, and columns, that one thread makes: the 4 of float4
#define DEPTH 16            // columns of A, rows of B that are in shared memory at a time
#define TILE_ROWS (ROWS * PER_ITEM)
#define TILE_COLUMNS (COLUMNS * PER_ITEM)

extern "C" __global__ void __launch_bounds__(ROWS * COLUMNS) matmul(const int m,
                                                                    const int n,
                                                                    const int k,
                                                                    const float *__restrict__ a,
                                                                    const float *__restrict__ b,
                                                                    float *__restrict__ c)
{
    // A's tile is stored transposed; a column more than needed makes the stride odd and spares bank conflicts.
    __shared__ float tile_a[DEPTH][TILE_ROWS + 1];
    __shared__ float4 tile_b[DEPTH][COLUMNS];
    float *flat_b = (float *)tile_b;

    const int x = threadIdx.x;
    const int y = threadIdx.y;
    const long long first_column = (long long)blockIdx.x * TILE_COLUMNS;

    // The whole block has the same rows and steps, so that all of it meets each barrier.
    for (long long first_row = (long long)blockIdx.y * TILE_ROWS; first_row < m;
         first_row += (long long)gridDim.y * TILE_ROWS) {
        float4 sums[PER_ITEM];
        #pragma unroll
        for (int p = 0; p < PER_ITEM; p++)
            sums[p] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);

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
            __syncthreads();

            for (int l = 0; l < DEPTH; l++) {
                const float4 b_part = tile_b[l][x];
                #pragma unroll
                for (int p = 0; p < PER_ITEM; p++) {
                    const float a_part = tile_a[l][y * PER_ITEM + p];
                    sums[p].x += a_part * b_part.x;
                    sums[p].y += a_part * b_part.y;
                    sums[p].z += a_part * b_part.z;
                    sums[p].w += a_part * b_part.w;
                }
            }
            __syncthreads();
        }

        const long long column = first_column + x * PER_ITEM;
        #pragma unroll
        for (int p = 0; p < PER_ITEM; p++) {
            const long long row = first_row + y * PER_ITEM + p;
            if (row < m) {
                float *target = c + (size_t)row * n + column;
                if (column + 0 < n) target[0] = sums[p].x;
                if (column + 1 < n) target[1] = sums[p].y;
                if (column + 2 < n) target[2] = sums[p].z;
                if (column + 3 < n) target[3] = sums[p].w;
            }
        }
    }
}
