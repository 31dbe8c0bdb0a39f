// sobel: the gradient magnitude of a grey image, rounded to the nearest and held at 255. As sobel.cl, which has the
// source, what the arguments are, and why the result is exact.
//
// Launch: one thread per pixel, dimension x along the width; a thread goes on below its pixel where the image has
// more rows than a grid has.

extern "C" __global__ void sobel(const int height,
                                 const int width,
                                 const unsigned char *__restrict__ image,
                                 unsigned char *__restrict__ target)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    if (x >= width)
        return;

    const int left = max(x - 1, 0);
    const int right = min(x + 1, width - 1);
    for (long long row = blockIdx.y * blockDim.y + threadIdx.y; row < height; row += gridDim.y * blockDim.y) {
        const int y = (int)row;
        const unsigned char *above = image + (size_t)max(y - 1, 0) * width;
        const unsigned char *here = image + (size_t)y * width;
        const unsigned char *below = image + (size_t)min(y + 1, height - 1) * width;

        const int gx = (above[right] + 2 * here[right] + below[right]) - (above[left] + 2 * here[left] + below[left]);
        const int gy = (below[left] + 2 * below[x] + below[right]) - (above[left] + 2 * above[x] + above[right]);
        target[(size_t)y * width + x] = min(__float2int_rn(sqrtf((float)(gx * gx + gy * gy))), 255);
    }
}
