/* The first device of the first platform, and the end of the program where a call fails. */
#ifndef APPLICATIONS_OPENCL_H
#define APPLICATIONS_OPENCL_H

#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>

struct opencl {
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
};

static inline void check(cl_int code, const char *call) {
    if (code == CL_SUCCESS)
        return;
    fprintf(stderr, "%s: %d\n", call, code);
    exit(1);
}

static inline struct opencl opened(void) {
    struct opencl cl;
    cl_platform_id platform;
    cl_int error;
    check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &cl.device, NULL), "clGetDeviceIDs");
    cl.context = clCreateContext(NULL, 1, &cl.device, NULL, NULL, &error);
    check(error, "clCreateContext");
    cl.queue = clCreateCommandQueue(cl.context, cl.device, 0, &error);
    check(error, "clCreateCommandQueue");
    return cl;
}

#endif
