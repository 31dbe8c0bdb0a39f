// mandelbrot: for each pixel c, how many steps z <- z^2 + c from z = 0 takes to leave |z| <= 2.
//
// Source: escape-time algorithm (Peitgen and Richter, "The Beauty of Fractals", 1986).
// counts: (height, width) int32, C order, 0 to max_iterations; max_iterations means that z stayed.
// Pixel (row, column) is c = (left + column * pixel_size) + i (top - row * pixel_size): the imaginary axis points up.
// NDRange: one work-item per pixel; dimension 0 runs along the width.
//
// A last digit decides what happens at the border of the set, so products and sums must not be fused: then the
// result is the same, bit by bit, on every device with IEEE 754 floats.

#pragma OPENCL FP_CONTRACT OFF

__kernel void mandelbrot(const int height,
                         const int width,
                         const float left,
                         const float top,
                         const float pixel_size,
                         const int max_iterations,
                         __global int *restrict counts)
{
    const int column = get_global_id(0);
    const int row = get_global_id(1);
    if (column >= width || row >= height)
        return;

    const float c_re = left + (float)column * pixel_size;
    const float c_im = top - (float)row * pixel_size;
    float re = 0.0f, im = 0.0f, re_squared = 0.0f, im_squared = 0.0f;
    int count = 0;
    while (count < max_iterations && re_squared + im_squared <= 4.0f) {
        im = 2.0f * (re * im) + c_im;
        re = (re_squared - im_squared) + c_re;
        re_squared = re * re;
        im_squared = im * im;
        count++;
    }
    counts[(size_t)row * width + column] = count;
}
