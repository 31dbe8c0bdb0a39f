// sobel: the gradient magnitude of a grey image, sqrt(gx^2 + gy^2), rounded to the nearest and held at 255.
//
// Source: Sobel and Feldman's 3 x 3 operator (1968), as printed in Duda and Hart, "Pattern Classification and Scene
// Analysis", 1973. Outside the image its edge is repeated.
// image, target: (height, width) uint8, C order.
// NDRange: one work-item per pixel; dimension 0 runs along the width.
//
// The result is exact on every device: gx and gy are whole numbers, and the root of a whole number is never nearer
// than 1 / (8 * 256) to the middle between two whole numbers up to 255, far more than any device's sqrt is off.

__kernel void sobel(const int height,
                    const int width,
                    __global const uchar *restrict image,
                    __global uchar *restrict target)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    if (x >= width || y >= height)
        return;

    const int left = max(x - 1, 0);
    const int right = min(x + 1, width - 1);
    __global const uchar *above = image + (size_t)max(y - 1, 0) * width;
    __global const uchar *here = image + (size_t)y * width;
    __global const uchar *below = image + (size_t)min(y + 1, height - 1) * width;

    const int gx = (above[right] + 2 * here[right] + below[right]) - (above[left] + 2 * here[left] + below[left]);
    const int gy = (below[left] + 2 * below[x] + below[right]) - (above[left] + 2 * above[x] + above[right]);
    target[(size_t)y * width + x] = convert_uchar_sat_rte(sqrt((float)(gx * gx + gy * gy)));
}
