// mandelbrot: for each pixel c, how many steps z <- z^2 + c from z = 0 takes to leave |z| <= 2. As mandelbrot.cl,
// which has the source and what the arguments are.
//
// Products and sums must not be fused (see there): the functions that name their rounding never are.
// Launch: one thread per pixel, dimension x along the width; a thread goes on below its pixel where the image has
// more rows than a grid has.

extern "C" __global__ void mandelbrot(const int height,
                                      const int width,
                                      const float left,
                                      const float top,
                                      const float pixel_size,
                                      const int max_iterations,
                                      int *__restrict__ counts)
{
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width)
        return;

    const float c_re = __fadd_rn(left, __fmul_rn((float)column, pixel_size));
    for (long long row = blockIdx.y * blockDim.y + threadIdx.y; row < height; row += gridDim.y * blockDim.y) {
        const float c_im = __fsub_rn(top, __fmul_rn((float)(int)row, pixel_size));
        float re = 0.0f, im = 0.0f, re_squared = 0.0f, im_squared = 0.0f;
        int count = 0;
        while (count < max_iterations && __fadd_rn(re_squared, im_squared) <= 4.0f) {
            im = __fadd_rn(__fmul_rn(2.0f, __fmul_rn(re, im)), c_im);
            re = __fadd_rn(__fsub_rn(re_squared, im_squared), c_re);
            re_squared = __fmul_rn(re, re);
            im_squared = __fmul_rn(im, im);
            count++;
        }
        counts[(size_t)row * width + column] = count;
    }
}
