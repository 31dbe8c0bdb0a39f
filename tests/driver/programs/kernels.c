/* Programs and kernels: building, infos, arguments, launches, binaries, compiling and linking. */
#define _DEFAULT_SOURCE
#include <sys/mman.h>

#include "check.h"

static const char *const SOURCE =
    "kernel void scale(global const int *from, global int *to, int factor, local int *spare) {\n"
    "    to[get_global_id(0)] = from[get_global_id(0)] * factor;\n"
    "}\n"
    "kernel __attribute__((reqd_work_group_size(8, 1, 1))) void fixed(global int *to) {\n"
    "    to[get_global_id(0)] = (int)get_local_size(0);\n"
    "}\n";

static cl_program new_program(const char *source) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    return program;
}

static void a_build_that_fails_has_a_log(void) {
    cl_program program = new_program("kernel void broken( { nonsense }");
    cl_build_status status;
    size_t length = 0;
    cl_int code;
    EXPECT(clBuildProgram(program, 0, NULL, NULL, NULL, NULL), CL_BUILD_PROGRAM_FAILURE);
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_BUILD_ERROR);
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length));
    EXPECT(length > 10, 1);
    clCreateKernel(program, "broken", &code);
    EXPECT(code, CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clReleaseProgram(program));
}

static void infos(cl_program program, cl_kernel kernel) {
    char text[200];
    size_t count, sizes[3];
    cl_uint args, qualifier;
    OK(clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof count, &count, NULL));
    EXPECT(count, 2);
    OK(clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, sizeof text, text, NULL));
    EXPECT(strstr(text, "scale") && strstr(text, "fixed") && strchr(text, ';'), 1);
    OK(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof args, &args, NULL));
    EXPECT(args, 4);
    OK(clGetKernelArgInfo(kernel, 2, CL_KERNEL_ARG_NAME, sizeof text, text, NULL));
    EXPECT(strcmp(text, "factor"), 0);
    OK(clGetKernelArgInfo(kernel, 3, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof qualifier, &qualifier, NULL));
    EXPECT(qualifier, CL_KERNEL_ARG_ADDRESS_LOCAL);
    OK(clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof count, &count, NULL));
    EXPECT(count > 0, 1);
    OK(clGetKernelWorkGroupInfo(kernel, NULL, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof sizes, sizes, NULL));
    EXPECT(sizes[0], 0);
    EXPECT(clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_WORK_GROUP_SIZE, 2, text, NULL), CL_INVALID_VALUE);
}

static void launches(cl_kernel kernel) {
    int in[64], out[64], factor = 3;
    size_t global = 64, local = 16, too_large = (size_t)1 << 40, odd = 7;
    for (int i = 0; i < 64; i++) {
        in[i] = i;
    }
    cl_mem from = new_buffer(sizeof in), to = new_buffer(sizeof out);
    OK(clEnqueueWriteBuffer(queue, from, CL_TRUE, 0, sizeof in, in, 0, NULL, NULL));
    OK(clSetKernelArg(kernel, 0, sizeof from, &from));
    OK(clSetKernelArg(kernel, 1, sizeof to, &to));
    EXPECT(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL), CL_INVALID_KERNEL_ARGS);
    EXPECT(clSetKernelArg(kernel, 2, 1, &factor), CL_INVALID_ARG_SIZE);
    EXPECT(clSetKernelArg(kernel, 1, sizeof queue, &queue), CL_INVALID_MEM_OBJECT);
    EXPECT(clSetKernelArg(kernel, 3, 64, &factor), CL_INVALID_ARG_VALUE);
    EXPECT(clSetKernelArg(kernel, 4, 4, &factor), CL_INVALID_ARG_INDEX);
    OK(clSetKernelArg(kernel, 2, sizeof factor, &factor));
    OK(clSetKernelArg(kernel, 3, 64, NULL));
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL));
    factor = 5;
    OK(clSetKernelArg(kernel, 2, sizeof factor, &factor));
    global = 32;
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL));
    for (int i = 0; i < 64; i++) {
        EXPECT(out[i], i * (i < 32 ? 5 : 3));
    }
    EXPECT(clEnqueueNDRangeKernel(queue, kernel, 4, NULL, &global, NULL, 0, NULL, NULL), CL_INVALID_WORK_DIMENSION);
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, NULL, NULL, 0, NULL, NULL)); /* of no work-items */
    EXPECT(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &too_large, 0, NULL, NULL),
           CL_INVALID_WORK_ITEM_SIZE);
    EXPECT(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &odd, 0, NULL, NULL), CL_INVALID_WORK_GROUP_SIZE);
    OK(clReleaseMemObject(from));
    OK(clReleaseMemObject(to));
}

/* Of an argument no more is read than its size says; a struct may have a name like an image's. */
static void arguments_of_odd_sizes_and_names(void) {
    cl_kernel kernel = new_kernel(
        "typedef struct { int a; } image_info_t;"
        "kernel void f(global image_info_t *to, image_info_t from) { to->a = from.a; }",
        "f");
    const size_t page = 4096;
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(mprotect(pages + page, page, PROT_NONE), 0);
    int *last = (int *)(pages + page - sizeof *last), seen = 0;
    *last = 17;
    cl_mem to = new_buffer(sizeof seen);
    EXPECT(clSetKernelArg(kernel, 0, sizeof *last, last), CL_INVALID_ARG_SIZE);
    EXPECT(clSetKernelArg(kernel, 1, SIZE_MAX, last), CL_INVALID_ARG_SIZE);
    OK(clSetKernelArg(kernel, 0, sizeof to, &to));
    OK(clSetKernelArg(kernel, 1, sizeof *last, last));
    OK(clEnqueueTask(queue, kernel, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof seen, &seen, 0, NULL, NULL));
    EXPECT(seen, 17);
    OK(clReleaseMemObject(to));
    OK(clReleaseKernel(kernel));
    munmap(pages, 2 * page);
}

static void required_sizes(cl_program program) {
    cl_int code;
    size_t global = 16, wrong = 4, right = 8;
    int out[16];
    cl_mem to = new_buffer(sizeof out);
    cl_kernel kernel = clCreateKernel(program, "fixed", &code);
    OK(code);
    OK(clSetKernelArg(kernel, 0, sizeof to, &to));
    EXPECT(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &wrong, 0, NULL, NULL),
           CL_INVALID_WORK_GROUP_SIZE);
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &right, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL));
    EXPECT(out[15], 8);
    OK(clReleaseKernel(kernel));
    OK(clReleaseMemObject(to));
}

static void binaries_build_again(cl_program program) {
    size_t size = 0, global = 16;
    cl_int status, code;
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL));
    EXPECT(size > 0, 1);
    unsigned char *binary = malloc(size);
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL));
    cl_program again =
        clCreateProgramWithBinary(context, 1, &device, &size, (const unsigned char **)&binary, &status, &code);
    OK(code);
    OK(status);
    OK(clBuildProgram(again, 0, NULL, NULL, NULL, NULL));
    cl_kernel kernel = clCreateKernel(again, "scale", &code);
    OK(code);
    cl_mem buffer = new_buffer(64);
    int factor = 2, out[16];
    OK(clEnqueueFillBuffer(queue, buffer, &factor, 4, 0, 64, 0, NULL, NULL));
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clSetKernelArg(kernel, 1, sizeof buffer, &buffer));
    OK(clSetKernelArg(kernel, 2, sizeof factor, &factor));
    OK(clSetKernelArg(kernel, 3, 16, NULL));
    OK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL));
    EXPECT(out[7], 4);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(again));
    free(binary);
}

static void compiling_and_linking(void) {
    cl_int code;
    cl_program header = new_program("int twice(int a) { return 2 * a; }\n");
    cl_program part = new_program("#include \"twice.h\"\nkernel void f(global int *a) { *a = twice(*a); }\n");
    const char *name = "twice.h";
    OK(clCompileProgram(part, 0, NULL, NULL, 1, &header, &name, NULL, NULL));
    cl_program whole = clLinkProgram(context, 0, NULL, NULL, 1, &part, NULL, NULL, &code);
    OK(code);
    cl_kernel kernel = clCreateKernel(whole, "f", &code);
    OK(code);
    int value = 21;
    cl_mem buffer = new_buffer(sizeof value);
    OK(clEnqueueWriteBuffer(queue, buffer, CL_FALSE, 0, sizeof value, &value, 0, NULL, NULL));
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clEnqueueTask(queue, kernel, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof value, &value, 0, NULL, NULL));
    EXPECT(value, 42);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(whole));
    OK(clReleaseProgram(part));
    OK(clReleaseProgram(header));
}

int main(void) {
    cl_int code;
    cl_kernel kernels[2];
    cl_uint count;
    set_up(0);
    a_build_that_fails_has_a_log();
    cl_program program = new_program(SOURCE);
    clCreateKernel(program, "scale", &code);
    EXPECT(code, CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clBuildProgram(program, 1, &device, "-cl-kernel-arg-info", NULL, NULL));
    clCreateKernel(program, "other", &code);
    EXPECT(code, CL_INVALID_KERNEL_NAME);
    cl_kernel kernel = clCreateKernel(program, "scale", &code);
    OK(code);
    EXPECT(clBuildProgram(program, 1, &device, "", NULL, NULL), CL_INVALID_OPERATION); /* it has a kernel */
    infos(program, kernel);
    launches(kernel);
    arguments_of_odd_sizes_and_names();
    required_sizes(program);
    binaries_build_again(program);
    compiling_and_linking();
    OK(clCreateKernelsInProgram(program, 2, kernels, &count));
    EXPECT(count, 2);
    OK(clReleaseKernel(kernels[0]));
    OK(clReleaseKernel(kernels[1]));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(program));
    tear_down();
    return 0;
}
