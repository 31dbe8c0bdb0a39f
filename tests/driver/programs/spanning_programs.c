/* Programs and kernels over two nodes: built for both or one of them, from binaries, linked, asked and cloned. */
#include "two_nodes.h"

static const char *const SOURCE =
    "kernel void scale(global int *a, int by, local int *room, ulong add) {\n"
    "    room[get_local_id(0)] = a[get_global_id(0)];\n"
    "    a[get_global_id(0)] = room[get_local_id(0)] * by + (int)add; }\n"
    "kernel void other(global const int *restrict a) {}\n";

static const size_t items = 16;

static cl_program from_source(const char *source) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    return program;
}

static void scales(cl_kernel kernel, cl_command_queue used) {
    int found[16], by = 3;
    cl_ulong add = 2;
    cl_mem buffer = new_buffer(64);
    OK(clEnqueueFillBuffer(queues[0], buffer, &(int){5}, 4, 0, 64, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clSetKernelArg(kernel, 1, sizeof by, &by));
    OK(clSetKernelArg(kernel, 2, 64, NULL));
    OK(clSetKernelArg(kernel, 3, sizeof add, &add));
    OK(clEnqueueNDRangeKernel(used, kernel, 1, NULL, &items, NULL, 0, NULL, NULL));
    OK(clFinish(used));
    OK(clEnqueueReadBuffer(queues[0], buffer, CL_TRUE, 0, 64, found, 0, NULL, NULL));
    EXPECT(found[15], 17);
    OK(clReleaseMemObject(buffer));
}

static cl_kernel kernel_of(cl_program program, const char *name) {
    cl_int code;
    cl_kernel kernel = clCreateKernel(program, name, &code);
    OK(code);
    return kernel;
}

static void are_built_for_both(void) {
    cl_uint number = 0;
    cl_int code, status = 0;
    size_t count = 0;
    char log[4096], name[16];
    cl_device_id told[2];
    cl_context of = NULL;
    cl_program program = from_source(SOURCE), by = NULL;
    clCreateKernel(program, "scale", &code);
    EXPECT(code, CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clBuildProgram(program, 2, devices, "-cl-kernel-arg-info", NULL, NULL));
    OK(clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof told, told, NULL));
    EXPECT(memcmp(told, devices, sizeof told), 0);
    OK(clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof count, &count, NULL));
    EXPECT(count, 2);
    for (int i = 0; i < 2; i++) {
        OK(clGetProgramBuildInfo(program, devices[i], CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
        EXPECT(status, CL_BUILD_SUCCESS);
        OK(clGetProgramBuildInfo(program, devices[i], CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL));
    }
    cl_kernel both[2], kernel = kernel_of(program, "scale");
    OK(clGetKernelInfo(kernel, CL_KERNEL_CONTEXT, sizeof of, &of, NULL));
    OK(clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof by, &by, NULL));
    OK(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof number, &number, NULL));
    OK(clGetKernelArgInfo(kernel, 1, CL_KERNEL_ARG_NAME, sizeof name, name, NULL));
    EXPECT(of == context && by == program && number == 4 && !strcmp(name, "by"), 1);
    OK(clGetKernelWorkGroupInfo(kernel, devices[1], CL_KERNEL_WORK_GROUP_SIZE, sizeof count, &count, NULL));
    EXPECT(clGetKernelWorkGroupInfo(kernel, NULL, CL_KERNEL_WORK_GROUP_SIZE, sizeof count, &count, NULL),
           CL_INVALID_DEVICE);
    EXPECT(clEnqueueNDRangeKernel(queues[1], kernel, 1, NULL, &items, NULL, 0, NULL, NULL), CL_INVALID_KERNEL_ARGS);
    EXPECT(clBuildProgram(program, 0, NULL, "", NULL, NULL), CL_INVALID_OPERATION);
    scales(kernel, queues[1]);
    scales(kernel, queues[0]);
    cl_kernel clone = clCloneKernel(kernel, &code);
    OK(code);
    scales(clone, queues[1]);
    OK(clCreateKernelsInProgram(program, 2, both, &number));
    EXPECT(number, 2);
    clCreateKernel(program, "none", &code);
    EXPECT(code, CL_INVALID_KERNEL_NAME);
    OK(clReleaseKernel(both[0]));
    OK(clReleaseKernel(both[1]));
    OK(clReleaseKernel(clone));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(program));
}

static void notify(cl_program program, void *user_data) {
    EXPECT(program != NULL, 1);
    ++*(int *)user_data;
}

static void may_be_built_for_one(void) {
    int times = 0;
    cl_program program = from_source(SOURCE);
    OK(clBuildProgram(program, 1, &devices[1], "", notify, &times));
    EXPECT(times, 1);
    cl_kernel kernel = kernel_of(program, "scale");
    scales(kernel, queues[1]);
    EXPECT(clEnqueueNDRangeKernel(queues[0], kernel, 1, NULL, &items, NULL, 0, NULL, NULL),
           CL_INVALID_PROGRAM_EXECUTABLE);
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(program));
    program = from_source("kernel void wrong() { this is none; }");
    EXPECT(clBuildProgram(program, 0, NULL, "", notify, &times), CL_BUILD_PROGRAM_FAILURE);
    EXPECT(times, 2);
    OK(clReleaseProgram(program));
}

static void come_back_from_their_binaries(void) {
    cl_int code, statuses[2];
    size_t sizes[2];
    unsigned char *binaries[2];
    cl_program program = from_source(SOURCE);
    OK(clBuildProgram(program, 0, NULL, "", NULL, NULL));
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL));
    for (int i = 0; i < 2; i++) {
        EXPECT(sizes[i] > 0, 1);
        binaries[i] = malloc(sizes[i]);
    }
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binaries, binaries, NULL));
    cl_program loaded =
        clCreateProgramWithBinary(context, 2, devices, sizes, (const unsigned char **)binaries, statuses, &code);
    OK(code);
    EXPECT(statuses[0] == CL_SUCCESS && statuses[1] == CL_SUCCESS, 1);
    OK(clBuildProgram(loaded, 0, NULL, "", NULL, NULL));
    cl_kernel kernel = kernel_of(loaded, "scale");
    scales(kernel, queues[1]);
    scales(kernel, queues[0]);
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(loaded));
    OK(clReleaseProgram(program));
    free(binaries[0]);
    free(binaries[1]);
}

static void are_linked_of_parts(void) {
    cl_int code;
    const char *name = "one.h";
    cl_program header = from_source("int by_one(int a);\n");
    cl_program programs[2] = {from_source("#include \"one.h\"\nint by_one(int a) { return a + 1; }"),
                              from_source("#include \"one.h\"\nkernel void f(global int *a) { *a = by_one(*a); }")};
    for (int i = 0; i < 2; i++) {
        OK(clCompileProgram(programs[i], 0, NULL, "", 1, &header, &name, NULL, NULL));
    }
    cl_program linked = clLinkProgram(context, 0, NULL, "", 2, programs, NULL, NULL, &code);
    OK(code);
    cl_kernel kernel = kernel_of(linked, "f");
    cl_mem buffer = new_buffer(4);
    int found = 0;
    OK(clEnqueueFillBuffer(queues[0], buffer, &(int){5}, 4, 0, 4, 0, NULL, NULL));
    OK(clFinish(queues[0]));
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clEnqueueTask(queues[1], kernel, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queues[1], buffer, CL_TRUE, 0, 4, &found, 0, NULL, NULL));
    EXPECT(found, 6);
    OK(clReleaseMemObject(buffer));
    OK(clReleaseKernel(kernel));
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(header));
    OK(clReleaseProgram(programs[0]));
    OK(clReleaseProgram(programs[1]));
}

int main(void) {
    set_up_two_nodes(0, NULL);
    are_built_for_both();
    may_be_built_for_one();
    come_back_from_their_binaries();
    are_linked_of_parts();
    tear_down_two_nodes();
    return 0;
}
