/* A context over devices of two nodes, the lease's first and last device, and a queue on each. */
#include "check.h"

static cl_device_id devices[2];
static cl_command_queue queues[2];

static inline void set_up_two_nodes(cl_command_queue_properties flags,
                                    void (*notify)(const char *, const void *, size_t, void *)) {
    cl_device_id all[32];
    cl_uint found = 0;
    cl_int code;
    set_up(0);
    OK(clGetDeviceIDs(platform, device_type, 32, all, &found));
    EXPECT(found >= 2 && found <= 32, 1);
    tear_down();
    devices[0] = all[0];
    devices[1] = all[found - 1];
    context = clCreateContext(NULL, 2, devices, notify, NULL, &code);
    OK(code);
    for (int i = 0; i < 2; i++) {
        queues[i] = clCreateCommandQueue(context, devices[i], flags, &code);
        OK(code);
    }
}

static inline void tear_down_two_nodes(void) {
    OK(clReleaseCommandQueue(queues[0]));
    OK(clReleaseCommandQueue(queues[1]));
    OK(clReleaseContext(context));
}

/* A kernel that both nodes can launch. */
static inline cl_kernel new_shared_kernel(const char *source, const char *name) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    OK(clBuildProgram(program, 0, NULL, "-cl-kernel-arg-info", NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, name, &code);
    OK(code);
    OK(clReleaseProgram(program));
    return kernel;
}
