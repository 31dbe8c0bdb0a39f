/* What the test programs share: they end with 1 and a line on stderr at the first thing that is not as it should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl_constants.h"
#include "opencl_functions.h"

#define EXPECT(call, expected)                                                                        \
    do {                                                                                              \
        long got_ = (long)(call), wanted_ = (long)(expected);                                         \
        if (got_ != wanted_) {                                                                        \
            fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #call, got_, wanted_); \
            exit(1);                                                                                  \
        }                                                                                             \
    } while (0)
#define OK(call) EXPECT(call, CL_SUCCESS)

static cl_device_type device_type = CL_DEVICE_TYPE_ALL;
static cl_platform_id platform;
static cl_device_id device;
static cl_context context;
static cl_command_queue queue;

/* Find the pool's platform, and make a context and a queue on its first device. */
static inline void set_up(cl_command_queue_properties flags) {
    cl_platform_id platforms[16];
    cl_uint count = 0;
    cl_int code;
    OK(clGetPlatformIDs(16, platforms, &count));
    for (cl_uint i = 0; i < count; i++) {
        char name[100];
        OK(clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof name, name, NULL));
        platform = strcmp(name, "accelpool") ? platform : platforms[i];
    }
    EXPECT(platform != NULL, 1);
    OK(clGetDeviceIDs(platform, device_type, 1, &device, NULL));
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    OK(code);
    queue = clCreateCommandQueue(context, device, flags, &code);
    OK(code);
}

static inline void tear_down(void) {
    OK(clReleaseCommandQueue(queue));
    OK(clReleaseContext(context));
}

static inline cl_mem new_buffer(size_t size) {
    cl_int code;
    cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, size, NULL, &code);
    OK(code);
    return buffer;
}

static inline cl_kernel new_kernel(const char *source, const char *name) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    OK(clBuildProgram(program, 1, &device, "", NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, name, &code);
    OK(code);
    OK(clReleaseProgram(program));
    return kernel;
}
