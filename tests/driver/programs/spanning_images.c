/* Images over two nodes: one over a buffer is wherever that is, others stay on the first node. */
#include "two_nodes.h"

static const char *const SOURCE =
    "kernel void add_one(global float *a) { a[get_global_id(0)] += 1; }\n"
    "kernel void look(read_only image1d_buffer_t image, global float *out) {\n"
    "    int i = get_global_id(0); out[i] = read_imagef(image, i).x; }\n"
    "kernel void flat(read_only image2d_t image, sampler_t how, global float *out) {\n"
    "    int i = get_global_id(0); out[i] = read_imagef(image, how, (int2)(i, 0)).x; }\n";

enum { PIXELS = 64 };
static const size_t pixels = PIXELS;
static const cl_image_format FORMAT = {CL_R, CL_FLOAT};
static float found[PIXELS];

static void over_a_buffer_are_where_it_is(cl_kernel add_one, cl_kernel look) {
    cl_int code;
    cl_mem parent = NULL;
    cl_mem buffer = new_buffer(sizeof found), out = new_buffer(sizeof found);
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER, .image_width = PIXELS, .mem_object = buffer};
    cl_mem image = clCreateImage(context, 0, &FORMAT, &desc, NULL, &code);
    OK(code);
    OK(clGetImageInfo(image, CL_IMAGE_BUFFER, sizeof parent, &parent, NULL));
    EXPECT(parent == buffer, 1);
    OK(clEnqueueFillBuffer(queues[0], buffer, &(float){0}, 4, 0, sizeof found, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    OK(clSetKernelArg(add_one, 0, sizeof buffer, &buffer));
    OK(clSetKernelArg(look, 0, sizeof image, &image));
    OK(clSetKernelArg(look, 1, sizeof out, &out));
    for (int turn = 0; turn < 4; turn++) {
        OK(clEnqueueNDRangeKernel(queues[turn % 2], add_one, 1, NULL, &pixels, NULL, 0, NULL, NULL));
        OK(clFinish(queues[turn % 2]));
        cl_command_queue other = queues[(turn + 1) % 2];
        OK(clEnqueueNDRangeKernel(other, look, 1, NULL, &pixels, NULL, 0, NULL, NULL));
        OK(clEnqueueReadBuffer(other, out, CL_TRUE, 0, sizeof found, found, 0, NULL, NULL));
        EXPECT(found[PIXELS - 1], turn + 1);
    }
    const size_t origin[3] = {0}, region[3] = {PIXELS, 1, 1};
    for (int i = 0; i < PIXELS; i++) {
        found[i] = 9;
    }
    OK(clEnqueueWriteImage(queues[1], image, CL_TRUE, origin, region, 0, 0, found, 0, NULL, NULL));
    OK(clFinish(queues[1]));
    OK(clEnqueueReadBuffer(queues[0], buffer, CL_TRUE, 0, sizeof found, found, 0, NULL, NULL));
    EXPECT(found[0], 9);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseMemObject(image));
    OK(clReleaseMemObject(out));
}

static void others_stay_on_the_first_node(cl_kernel flat) {
    cl_int code;
    cl_context of = NULL;
    cl_uint formats = 0;
    const size_t origin[3] = {0}, region[3] = {PIXELS, 1, 1};
    cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = PIXELS, .image_height = 1};
    OK(clGetSupportedImageFormats(context, CL_MEM_READ_ONLY, CL_MEM_OBJECT_IMAGE2D, 0, NULL, &formats));
    EXPECT(formats > 0, 1);
    cl_mem image = clCreateImage(context, CL_MEM_COPY_HOST_PTR, &FORMAT, &desc, found, &code);
    OK(code);
    cl_sampler how = clCreateSampler(context, CL_FALSE, CL_ADDRESS_NONE, CL_FILTER_NEAREST, &code);
    OK(code);
    OK(clGetSamplerInfo(how, CL_SAMPLER_CONTEXT, sizeof of, &of, NULL));
    EXPECT(of == context, 1);
    cl_mem out = new_buffer(sizeof found);
    OK(clSetKernelArg(flat, 0, sizeof image, &image));
    OK(clSetKernelArg(flat, 1, sizeof how, &how));
    OK(clSetKernelArg(flat, 2, sizeof out, &out));
    OK(clEnqueueNDRangeKernel(queues[0], flat, 1, NULL, &pixels, NULL, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    memset(found, 0, sizeof found);
    OK(clEnqueueReadBuffer(queues[1], out, CL_TRUE, 0, sizeof found, found, 0, NULL, NULL));
    EXPECT(found[0], 9);
    EXPECT(clEnqueueNDRangeKernel(queues[1], flat, 1, NULL, &pixels, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
    EXPECT(clEnqueueReadImage(queues[1], image, CL_TRUE, origin, region, 0, 0, found, 0, NULL, NULL),
           CL_INVALID_OPERATION);
    OK(clEnqueueReadImage(queues[0], image, CL_TRUE, origin, region, 0, 0, found, 0, NULL, NULL));
    size_t pitch = 0;
    float *mapped =
        clEnqueueMapImage(queues[0], image, CL_TRUE, CL_MAP_READ, origin, region, &pitch, NULL, 0, NULL, NULL, &code);
    OK(code);
    EXPECT(mapped[PIXELS - 1], 9);
    OK(clEnqueueUnmapMemObject(queues[0], image, mapped, 0, NULL, NULL));
    OK(clReleaseSampler(how));
    OK(clReleaseMemObject(image));
    OK(clReleaseMemObject(out));
}

int main(void) {
    cl_bool has_images = CL_FALSE;
    set_up_two_nodes(0, NULL);
    OK(clGetDeviceInfo(devices[0], CL_DEVICE_IMAGE_SUPPORT, sizeof has_images, &has_images, NULL));
    if (has_images) {
        cl_kernel add_one = new_shared_kernel(SOURCE, "add_one"), look = new_shared_kernel(SOURCE, "look");
        cl_kernel flat = new_shared_kernel(SOURCE, "flat");
        over_a_buffer_are_where_it_is(add_one, look);
        others_stay_on_the_first_node(flat);
        OK(clReleaseKernel(add_one));
        OK(clReleaseKernel(look));
        OK(clReleaseKernel(flat));
    }
    tear_down_two_nodes();
    return 0;
}
