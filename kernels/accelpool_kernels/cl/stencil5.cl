// stencil5: one explicit step of the heat equation on a grid; the edge keeps its values.
//
// Source: forward in time, centred in space (LeVeque, "Finite Difference Methods for Ordinary and Partial
// Differential Equations", 2007, chapter 9): u_next = u + alpha * (up + down + left + right - 4 u), where
// alpha = diffusivity * dt / h^2; stable for 0 <= alpha <= 1/4.
// u, u_next: (height, width) float32, C order. For the following step exchange the two buffers.
// NDRange: one work-item per point; dimension 0 runs along the width. No local memory: neighbours meet in the cache.

__kernel void stencil5(const int height,
                       const int width,
                       const float alpha,
                       __global const float *restrict u,
                       __global float *restrict u_next)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    if (x >= width || y >= height)
        return;

    const size_t i = (size_t)y * width + x;
    const float centre = u[i];
    float next = centre;
    if (x > 0 && x < width - 1 && y > 0 && y < height - 1)
        next += alpha * (u[i - width] + u[i + width] + u[i - 1] + u[i + 1] - 4.0f * centre);
    u_next[i] = next;
}
