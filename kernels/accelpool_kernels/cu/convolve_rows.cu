// convolve_rows: convolve each row of an image with a 1-D filter. As convolve_rows.cl, which has the source and
// what the arguments are.
//
// Launch: one thread per pixel, dimension x along the width; a thread goes on below its pixel where the image has
// more rows than a grid has.

extern "C" __global__ void convolve_rows(const int height,
                                         const int width,
                                         const int taps,
                                         const float *__restrict__ image,
                                         const float *__restrict__ weights,
                                         float *__restrict__ target)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    if (x >= width)
        return;

    for (long long y = blockIdx.y * blockDim.y + threadIdx.y; y < height; y += gridDim.y * blockDim.y) {
        float sum = 0.0f;
        for (int j = 0; j < taps; j++) {
            const int near = min(max(x + taps / 2 - j, 0), width - 1);
            sum += weights[j] * image[(size_t)y * width + near];
        }
        target[(size_t)y * width + x] = sum;
    }
}
