// stencil5: one explicit step of the heat equation on a grid; the edge keeps its values. As stencil5.cl, which has
// the source and what the arguments are.
//
// Launch: one thread per point, dimension x along the width; a thread goes on below its point where there are more
// rows than a grid of blocks has. No shared memory: neighbours meet in the cache.

extern "C" __global__ void stencil5(const int height,
                                    const int width,
                                    const float alpha,
                                    const float *__restrict__ u,
                                    float *__restrict__ u_next)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    if (x >= width)
        return;

    for (long long y = blockIdx.y * blockDim.y + threadIdx.y; y < height; y += gridDim.y * blockDim.y) {
        const size_t i = (size_t)y * width + x;
        const float centre = u[i];
        float next = centre;
        if (x > 0 && x < width - 1 && y > 0 && y < height - 1)
            next += alpha * (u[i - width] + u[i + width] + u[i - 1] + u[i + 1] - 4.0f * centre);
        u_next[i] = next;
    }
}
