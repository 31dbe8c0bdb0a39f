/* Images and samplers. */
#include "check.h"

static const cl_image_format RGBA = {CL_RGBA, CL_UNSIGNED_INT8};

static cl_mem new_image(const cl_image_desc *desc, cl_mem_flags flags, void *host) {
    cl_int code;
    cl_mem image = clCreateImage(context, flags, &RGBA, desc, host, &code);
    OK(code);
    return image;
}

static void two_dimensions(void) {
    cl_uchar pixels[4][8][4], back[4][16][4], color_seen[4];
    cl_uint color[4] = {1, 2, 3, 4};
    size_t zero[3] = {0}, all[3] = {8, 4, 1}, one[3] = {1, 1, 1}, origin[3] = {3, 2, 0}, pitch = 0, element;
    cl_int code;
    for (size_t i = 0; i < sizeof pixels; i++) {
        ((cl_uchar *)pixels)[i] = (cl_uchar)i;
    }
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 8, .image_height = 4};
    cl_mem image = new_image(&desc, CL_MEM_COPY_HOST_PTR, pixels), other = new_image(&desc, 0, NULL);
    OK(clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof element, &element, NULL));
    EXPECT(element, 4);
    OK(clEnqueueCopyImage(queue, image, other, zero, zero, all, 0, NULL, NULL));
    OK(clEnqueueFillImage(queue, other, color, origin, one, 0, NULL, NULL));
    OK(clEnqueueReadImage(queue, other, CL_TRUE, zero, all, 64, 0, back, 0, NULL, NULL));
    EXPECT(memcmp(back[1], pixels[1], 32), 0);
    EXPECT(memcmp(back[2][3], ((cl_uchar[]){1, 2, 3, 4}), 4), 0);
    OK(clEnqueueWriteImage(queue, other, CL_FALSE, zero, all, 64, 0, back, 0, NULL, NULL));
    cl_mem buffer = new_buffer(128);
    OK(clEnqueueCopyImageToBuffer(queue, other, buffer, origin, one, 4, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 4, 4, color_seen, 0, NULL, NULL));
    EXPECT(color_seen[3], 4);
    OK(clEnqueueCopyBufferToImage(queue, buffer, image, 4, zero, one, 0, NULL, NULL));
    cl_uchar *mapped = clEnqueueMapImage(queue, image, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, zero, all, &pitch, NULL,
                                         0, NULL, NULL, &code);
    OK(code);
    EXPECT(mapped[2], 3);
    EXPECT(mapped[pitch + 5], pixels[1][1][1]);
    mapped[pitch] = 99;
    OK(clEnqueueUnmapMemObject(queue, image, mapped, 0, NULL, NULL));
    OK(clEnqueueReadImage(queue, image, CL_TRUE, (size_t[]){0, 1, 0}, one, 0, 0, color_seen, 0, NULL, NULL));
    EXPECT(color_seen[0], 99);
    EXPECT(clEnqueueReadImage(queue, image, CL_TRUE, origin, all, 0, 0, back, 0, NULL, NULL), CL_INVALID_VALUE);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseMemObject(image));
    OK(clReleaseMemObject(other));
}

static void arrays_and_volumes(void) {
    cl_uchar sent[2][3][4][4], back[2][3][4][4];
    size_t zero[3] = {0}, volume[3] = {4, 3, 2}, lines[3] = {4, 3, 1};
    for (size_t i = 0; i < sizeof sent; i++) {
        ((cl_uchar *)sent)[i] = (cl_uchar)(255 - i);
    }
    cl_image_desc deep = {.image_type = CL_MEM_OBJECT_IMAGE3D, .image_width = 4, .image_height = 3, .image_depth = 2};
    cl_mem image = new_image(&deep, CL_MEM_COPY_HOST_PTR, sent);
    OK(clEnqueueReadImage(queue, image, CL_TRUE, zero, volume, 0, 0, back, 0, NULL, NULL));
    EXPECT(memcmp(sent, back, sizeof sent), 0);
    OK(clReleaseMemObject(image));
    cl_image_desc array = {.image_type = CL_MEM_OBJECT_IMAGE1D_ARRAY, .image_width = 4, .image_array_size = 3};
    image = new_image(&array, 0, NULL);
    OK(clEnqueueWriteImage(queue, image, CL_TRUE, zero, lines, 0, 0, sent, 0, NULL, NULL));
    memset(back, 0, sizeof back);
    OK(clEnqueueReadImage(queue, image, CL_TRUE, zero, lines, 0, 32, back, 0, NULL, NULL));
    EXPECT(memcmp((cl_uchar *)back + 64, sent[0][2], 16), 0);
    OK(clReleaseMemObject(image));
}

static void kernels_sample(void) {
    cl_kernel kernel = new_kernel(
        "kernel void f(read_only image2d_t from, sampler_t how, global uint4 *to) {"
        "    *to = read_imageui(from, how, (int2)(1, 0)); }",
        "f");
    cl_uchar pixels[2][4] = {{0}, {5, 6, 7, 8}};
    cl_uint out[4];
    cl_int code;
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 2, .image_height = 1};
    cl_mem image = new_image(&desc, CL_MEM_COPY_HOST_PTR | CL_MEM_READ_ONLY, pixels), buffer = new_buffer(16);
    cl_sampler sampler = clCreateSampler(context, CL_FALSE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_NEAREST, &code);
    OK(code);
    OK(clSetKernelArg(kernel, 0, sizeof image, &image));
    EXPECT(clSetKernelArg(kernel, 1, sizeof image, &image), CL_INVALID_SAMPLER);
    OK(clSetKernelArg(kernel, 1, sizeof sampler, &sampler));
    OK(clSetKernelArg(kernel, 2, sizeof buffer, &buffer));
    cl_context apart = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    OK(code);
    cl_sampler foreign = clCreateSampler(apart, CL_FALSE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_NEAREST, &code);
    OK(code);
    EXPECT(clSetKernelArg(kernel, 1, sizeof foreign, &foreign), CL_INVALID_SAMPLER);
    OK(clReleaseSampler(foreign));
    OK(clReleaseContext(apart));
    OK(clEnqueueTask(queue, kernel, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL));
    EXPECT(out[3], 8);
    OK(clReleaseSampler(sampler));
    OK(clReleaseMemObject(image));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(kernel));
}

/* An image of a buffer's memory: within it, of its context, and with its flags. */
static void over_a_buffer(void) {
    cl_uint pixels[8] = {0, 1, 2, 3, 4, 5, 6, 7}, seen[2];
    cl_int code;
    cl_mem_flags flags = 0;
    cl_context apart = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    OK(code);
    cl_mem foreign = clCreateBuffer(apart, 0, sizeof pixels, NULL, &code);
    OK(code);
    cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof pixels, pixels, &code);
    OK(code);
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER, .image_width = 8, .mem_object = buffer};
    cl_mem image = new_image(&desc, 0, NULL);
    OK(clGetMemObjectInfo(image, CL_MEM_FLAGS, sizeof flags, &flags, NULL));
    EXPECT(flags, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR);
    OK(clEnqueueReadImage(queue, image, CL_TRUE, (size_t[]){6, 0, 0}, (size_t[]){2, 1, 1}, 0, 0, seen, 0, NULL,
                          NULL));
    EXPECT(seen[1], 7);
    OK(clReleaseMemObject(image));
    clCreateImage(context, CL_MEM_READ_WRITE, &RGBA, &desc, NULL, &code);
    EXPECT(code, CL_INVALID_VALUE); /* more than the buffer allows */
    desc.image_width = 9;
    clCreateImage(context, 0, &RGBA, &desc, NULL, &code);
    EXPECT(code, CL_INVALID_IMAGE_DESCRIPTOR);
    desc.image_width = 8;
    desc.mem_object = foreign;
    clCreateImage(context, 0, &RGBA, &desc, NULL, &code);
    EXPECT(code, CL_INVALID_IMAGE_DESCRIPTOR);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseMemObject(foreign));
    OK(clReleaseContext(apart));
}

static cl_int created(const cl_image_desc *desc, cl_mem_flags flags, void *host) {
    cl_int code;
    cl_mem image = clCreateImage(context, flags, &RGBA, desc, host, &code);
    if (image) {
        OK(clReleaseMemObject(image));
    }
    return code;
}

/* Pitches are of host memory, and of whole pixels and rows; of an image over a buffer as its device needs them. */
static void pitches(void) {
    static cl_uchar host[4096];
    const cl_mem_flags copied = CL_MEM_COPY_HOST_PTR;
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 8, .image_height = 4};
    desc.image_row_pitch = 64;
    OK(created(&desc, copied, host));
    EXPECT(created(&desc, 0, NULL), CL_INVALID_IMAGE_DESCRIPTOR);
    desc.image_row_pitch = 34;
    EXPECT(created(&desc, copied, host), CL_INVALID_IMAGE_DESCRIPTOR);
    cl_image_desc deep = {.image_type = CL_MEM_OBJECT_IMAGE3D, .image_width = 8, .image_height = 4, .image_depth = 2};
    deep.image_row_pitch = 64;
    deep.image_slice_pitch = 512;
    OK(created(&deep, copied, host));
    deep.image_slice_pitch = 300;
    EXPECT(created(&deep, copied, host), CL_INVALID_IMAGE_DESCRIPTOR);
    cl_uint alignment;
    OK(clGetDeviceInfo(device, CL_DEVICE_IMAGE_PITCH_ALIGNMENT, sizeof alignment, &alignment, NULL));
    desc.image_row_pitch = 4 * alignment;
    desc.mem_object = new_buffer(4096);
    EXPECT(created(&desc, 0, NULL), alignment ? CL_SUCCESS : CL_INVALID_OPERATION);
    OK(clReleaseMemObject(desc.mem_object));
}

/* A kernel does not write to an image that is made to be read, nor read one that is made to be written. */
static void images_for_one_use(void) {
    cl_kernel kernel = new_kernel(
        "kernel void f(read_only image2d_t from, write_only image2d_t to) {"
        "    write_imageui(to, (int2)(0, 0), read_imageui(from, (int2)(0, 0))); }",
        "f");
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 8, .image_height = 4};
    cl_mem read = new_image(&desc, CL_MEM_READ_ONLY, NULL), written = new_image(&desc, CL_MEM_WRITE_ONLY, NULL);
    EXPECT(clSetKernelArg(kernel, 0, sizeof written, &written), CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArg(kernel, 1, sizeof read, &read), CL_INVALID_ARG_VALUE);
    OK(clSetKernelArg(kernel, 0, sizeof read, &read));
    OK(clSetKernelArg(kernel, 1, sizeof written, &written));
    OK(clReleaseMemObject(read));
    OK(clReleaseMemObject(written));
    OK(clReleaseKernel(kernel));
}

int main(void) {
    cl_uint count = 0;
    cl_int code;
    set_up(0);
    OK(clGetSupportedImageFormats(context, CL_MEM_READ_WRITE, CL_MEM_OBJECT_IMAGE2D, 0, NULL, &count));
    EXPECT(count > 0, 1);
    two_dimensions();
    arrays_and_volumes();
    kernels_sample();
    over_a_buffer();
    pitches();
    images_for_one_use();
    cl_image_desc none = {.image_type = CL_MEM_OBJECT_IMAGE2D};
    clCreateImage(context, 0, &RGBA, &none, NULL, &code);
    EXPECT(code, CL_INVALID_IMAGE_DESCRIPTOR);
    tear_down();
    return 0;
}
