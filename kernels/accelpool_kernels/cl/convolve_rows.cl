// convolve_rows: convolve each row of an image with a 1-D filter: one half of a separable 2-D convolution.
//
// Source: discrete convolution, target[x] = sum over j of weights[j] * image[x + taps / 2 - j] along the rows;
// outside the image its edge is repeated. A filter that is an outer product is applied by convolve_rows, then
// convolve_columns (Gonzalez and Woods, "Digital Image Processing", separable filter kernels).
// image, target: (height, width) float32, C order; weights: (taps,) float32, centre at taps / 2.
// NDRange: one work-item per pixel; dimension 0 runs along the width.

__kernel void convolve_rows(const int height,
                            const int width,
                            const int taps,
                            __global const float *restrict image,
                            __global const float *restrict weights,
                            __global float *restrict target)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    if (x >= width || y >= height)
        return;

    float sum = 0.0f;
    for (int j = 0; j < taps; j++) {
        const int near = clamp(x + taps / 2 - j, 0, width - 1);
        sum += weights[j] * image[(size_t)y * width + near];
    }
    target[(size_t)y * width + x] = sum;
}
