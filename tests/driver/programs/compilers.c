/* What compilers tell of kernels and programs, and how their macros agree with what the device says. */
#include <stdbool.h>

#include "check.h"

static cl_program program_of(const char *source) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    return program;
}

static cl_kernel kernel_of_c3(const char *source, const char *name) {
    cl_int code;
    cl_program program = program_of(source);
    OK(clBuildProgram(program, 1, &device, "-cl-std=CL3.0", NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, name, &code);
    OK(code);
    OK(clReleaseProgram(program));
    return kernel;
}

static bool has_c3(void) {
    cl_name_version versions[16];
    size_t bytes = 0;
    bool is_there = false;
    OK(clGetDeviceInfo(device, CL_DEVICE_OPENCL_C_ALL_VERSIONS, sizeof versions, versions, &bytes));
    for (size_t i = 0; i < bytes / sizeof *versions; i++) {
        is_there = is_there || versions[i].version >= CL_MAKE_VERSION(3, 0, 0);
    }
    return is_there;
}

/* ---- sub-groups ------------------------------------------------------------------------------------------- */

static cl_int sub_group_info(cl_kernel kernel, cl_uint name, size_t count, const size_t *input, size_t *value,
                             size_t room, size_t *bytes) {
    return clGetKernelSubGroupInfo(kernel, device, name, count * sizeof *input, input, room * sizeof *value, value,
                                   bytes);
}

static int groups_of_launch(cl_kernel kernel, cl_mem told, cl_uint dimensions, const size_t *size) {
    int count = 0;
    OK(clSetKernelArg(kernel, 0, sizeof told, &told));
    OK(clEnqueueNDRangeKernel(queue, kernel, dimensions, NULL, size, size, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, told, CL_TRUE, 0, sizeof count, &count, 0, NULL, NULL));
    return count;
}

/* A local size has as many dimensions as there is room for, and makes as many sub-groups in each. */
static void local_sizes_for_sub_groups(cl_kernel kernel) {
    size_t largest, most, bytes, size[4] = {0};
    cl_mem told = new_buffer(sizeof(int));
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof largest, &largest, NULL));
    OK(sub_group_info(kernel, CL_KERNEL_SUB_GROUP_COUNT_FOR_NDRANGE, 1, &largest, &most, 1, &bytes));
    EXPECT(bytes, sizeof most);
    for (size_t count = 1; count <= most && count <= 5; count++) {
        for (cl_uint dimensions = 1; dimensions <= 3; dimensions++) {
            size[dimensions] = 77;
            OK(sub_group_info(kernel, CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT, 1, &count, size, dimensions, &bytes));
            EXPECT(bytes, dimensions * sizeof *size);
            EXPECT(size[dimensions], 77);
            EXPECT(groups_of_launch(kernel, told, dimensions, size), count);
        }
    }
    size_t none = largest + 1;
    OK(sub_group_info(kernel, CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT, 1, &none, size, 2, &bytes));
    EXPECT(bytes == 2 * sizeof *size && size[0] == 0 && size[1] == 0, 1);
    OK(clReleaseMemObject(told));
}

static void what_sub_groups_are_asked_with(cl_kernel kernel) {
    size_t sizes[4] = {8, 1, 1, 1}, value;
    for (size_t count = 0; count <= 4; count++) {
        cl_int expected = count >= 1 && count <= 3 ? CL_SUCCESS : CL_INVALID_VALUE;
        EXPECT(sub_group_info(kernel, CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE, count, sizes, &value, 1, NULL),
               expected);
    }
    EXPECT(sub_group_info(kernel, CL_KERNEL_SUB_GROUP_COUNT_FOR_NDRANGE, 1, NULL, &value, 1, NULL), CL_INVALID_VALUE);
    EXPECT(sub_group_info(kernel, CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT, 1, NULL, &value, 1, NULL),
           CL_INVALID_VALUE);
    EXPECT(sub_group_info(kernel, CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT, 2, sizes, &value, 1, NULL),
           CL_INVALID_VALUE);
    OK(sub_group_info(kernel, CL_KERNEL_MAX_NUM_SUB_GROUPS, 0, NULL, &value, 1, NULL));
}

static void sub_groups(void) {
    cl_uint most;
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_NUM_SUB_GROUPS, sizeof most, &most, NULL));
    if (most == 0) {
        return;
    }
    cl_kernel kernel = kernel_of_c3(
        "#pragma OPENCL EXTENSION cl_khr_subgroups : enable\n"
        "kernel void f(global int *told) { *told = get_num_sub_groups(); }",
        "f");
    local_sizes_for_sub_groups(kernel);
    what_sub_groups_are_asked_with(kernel);
    OK(clReleaseKernel(kernel));
}

/* ---- variables -------------------------------------------------------------------------------------------- */

static size_t variables_of(const char *source) {
    size_t size = 77;
    cl_program program = program_of(source);
    OK(clBuildProgram(program, 1, &device, "-cl-std=CL3.0", NULL, NULL));
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE, sizeof size, &size, NULL));
    OK(clReleaseProgram(program));
    return size;
}

static void variables_of_programs(void) {
    size_t largest;
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, sizeof largest, &largest, NULL));
    EXPECT(variables_of("kernel void f(global int *a) { *a = 1; }"), 0);
    if (largest >= 400) {
        EXPECT(variables_of("global int b[100] = {1}; kernel void f(global int *a) { *a = b[*a]++; }") >= 400, 1);
    }
}

/* ---- features --------------------------------------------------------------------------------------------- */

static bool is_told(const char *feature) {
    cl_name_version features[64];
    size_t bytes = 0;
    bool is_there = false;
    OK(clGetDeviceInfo(device, CL_DEVICE_OPENCL_C_FEATURES, sizeof features, features, &bytes));
    for (size_t i = 0; i < bytes / sizeof *features; i++) {
        is_there = is_there || !strcmp(features[i].name, feature);
    }
    return is_there;
}

static bool is_defined(const char *feature) {
    char source[200];
    snprintf(source, sizeof source, "#ifndef %s\n#error there is none\n#endif\nkernel void f() {}\n", feature);
    cl_program program = program_of(source);
    cl_int code = clBuildProgram(program, 1, &device, "-cl-std=CL3.0", NULL, NULL);
    OK(clReleaseProgram(program));
    return code == CL_SUCCESS;
}

static void features(void) {
    cl_bool has_pipes;
    cl_bitfield enqueues;
    OK(clGetDeviceInfo(device, CL_DEVICE_PIPE_SUPPORT, sizeof has_pipes, &has_pipes, NULL));
    OK(clGetDeviceInfo(device, CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES, sizeof enqueues, &enqueues, NULL));
    EXPECT(is_told("__opencl_c_pipes"), has_pipes);
    EXPECT(is_told("__opencl_c_device_enqueue"), enqueues != 0);
    const char *const names[] = {"__opencl_c_pipes", "__opencl_c_device_enqueue", "__opencl_c_int64",
                                 "__opencl_c_generic_address_space", "__opencl_c_images"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        EXPECT(is_told(names[i]), is_defined(names[i]));
    }
}

/* Whatever goes before a source, its first line is line 1, and it is given back as it was. */
static void lines_of_a_source(void) {
    const char *source = "kernel void f(global int *a) {\n    *a = nonsense;\n}\n";
    char told[100], log[10000];
    size_t bytes;
    cl_program program = program_of(source);
    EXPECT(clBuildProgram(program, 1, &device, "-cl-std=CL3.0", NULL, NULL), CL_BUILD_PROGRAM_FAILURE);
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL));
    EXPECT(strstr(log, ":2:") != NULL, 1);
    OK(clGetProgramInfo(program, CL_PROGRAM_SOURCE, sizeof told, told, &bytes));
    EXPECT(strcmp(told, source) || bytes != strlen(source) + 1, 0);
    OK(clReleaseProgram(program));
}

/* ---- infos of extensions ---------------------------------------------------------------------------------- */

static void dot_products(const char *extensions) {
    cl_bitfield capabilities;
    cl_bool quick[6];
    bool is_there = strstr(extensions, "cl_khr_integer_dot_product") != NULL;
    EXPECT(clGetDeviceInfo(device, CL_DEVICE_INTEGER_DOT_PRODUCT_CAPABILITIES_KHR, sizeof capabilities, &capabilities,
                           NULL),
           is_there ? CL_SUCCESS : CL_INVALID_VALUE);
    if (!is_there) {
        return;
    }
    EXPECT((capabilities & 1) != 0, is_defined("__opencl_c_integer_dot_product_input_4x8bit_packed"));
    EXPECT((capabilities & 2) != 0, is_defined("__opencl_c_integer_dot_product_input_4x8bit"));
    const cl_device_info names[] = {CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_8BIT_KHR,
                                    CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_4X8BIT_PACKED_KHR};
    for (int i = 0; i < 2; i++) {
        OK(clGetDeviceInfo(device, names[i], sizeof quick, quick, NULL));
        for (int k = 0; k < 6; k++) {
            EXPECT(quick[k] <= CL_TRUE, 1);
        }
    }
}

static void what_spirv_may_have(bool is_told) {
    const char *names[100] = {0}, *again[100];
    cl_uint capabilities[500];
    size_t bytes = 0;
    cl_int expected = is_told ? CL_SUCCESS : CL_INVALID_VALUE;
    const cl_device_info sets = CL_DEVICE_SPIRV_EXTENDED_INSTRUCTION_SETS_KHR;
    EXPECT(clGetDeviceInfo(device, CL_DEVICE_SPIRV_EXTENSIONS_KHR, 0, NULL, &bytes), expected);
    EXPECT(clGetDeviceInfo(device, CL_DEVICE_SPIRV_CAPABILITIES_KHR, sizeof capabilities, capabilities, &bytes),
           expected);
    EXPECT(clGetDeviceInfo(device, sets, sizeof names, names, &bytes), expected);
    if (is_told) {
        bool has_standard = false;
        OK(clGetDeviceInfo(device, sets, sizeof again, again, NULL));
        for (size_t i = 0; i < bytes / sizeof *names; i++) {
            EXPECT(names[i] == again[i], 1);
            has_standard = has_standard || !strcmp(names[i], "OpenCL.std");
        }
        EXPECT(has_standard, 1);
    }
}

static void infos_of_extensions(void) {
    char extensions[8192];
    cl_bitfield clocks;
    OK(clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions, NULL));
    dot_products(extensions);
    EXPECT(clGetDeviceInfo(device, CL_DEVICE_KERNEL_CLOCK_CAPABILITIES_KHR, sizeof clocks, &clocks, NULL),
           strstr(extensions, "cl_khr_kernel_clock") ? CL_SUCCESS : CL_INVALID_VALUE);
    EXPECT(clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_ATOMIC_CAPABILITIES_EXT, sizeof clocks, &clocks, NULL),
           strstr(extensions, "cl_ext_float_atomics") ? CL_SUCCESS : CL_INVALID_VALUE);
    what_spirv_may_have(strstr(extensions, "cl_khr_spirv_queries"));
}

int main(void) {
    set_up(0);
    if (has_c3()) {
        sub_groups();
        variables_of_programs();
        features();
        lines_of_a_source();
        infos_of_extensions();
    }
    tear_down();
    return 0;
}
