/* What a program has released is free for what it makes next, however much of the lease's share that takes. */
#include "check.h"

enum { SHARE = 8 << 20, MOST = SHARE / 4 * 3, WIDTH = 1024, PIXEL = 16, ROUNDS = 8 };

static void make_buffers(cl_mem_flags flags, void *content) {
    for (int i = 0; i < ROUNDS; i++) {
        cl_int code;
        cl_mem buffer = clCreateBuffer(context, flags, MOST, content, &code);
        OK(code);
        OK(clReleaseMemObject(buffer));
    }
    OK(clFinish(queue));
}

static void make_images(void) {
    cl_image_format format = {CL_RGBA, CL_FLOAT};
    cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = WIDTH, .image_height = MOST / PIXEL / WIDTH};
    for (int i = 0; i < ROUNDS; i++) {
        cl_int code;
        cl_mem image = clCreateImage(context, CL_MEM_READ_ONLY, &format, &desc, NULL, &code);
        OK(code);
        OK(clReleaseMemObject(image));
    }
    OK(clFinish(queue));
}

static void allocate(void) {
    for (int i = 0; i < ROUNDS; i++) {
        void *memory = clSVMAlloc(context, CL_MEM_READ_WRITE, MOST, 0);
        EXPECT(memory != NULL, 1);
        clSVMFree(context, memory);
    }
    OK(clFinish(queue));
}

int main(void) {
    void *content = calloc(1, MOST);
    set_up(0);
    make_buffers(CL_MEM_READ_WRITE, NULL);
    make_buffers(CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, content);
    make_images();
    allocate();
    tear_down();
    free(content);
    return 0;
}
