/* Platforms, devices and contexts; and what is not the object that a function takes. */
#include "check.h"

static void destroyed(cl_context gone, void *count) {
    (void)gone;
    ++*(int *)count;
}

static void devices(void) {
    cl_uint count = 0, units = 0;
    size_t length = 0, sizes[3];
    char text[256];
    cl_platform_id own;
    OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count));
    EXPECT(count, 1);
    EXPECT(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ACCELERATOR, 0, NULL, &count), CL_DEVICE_NOT_FOUND);
    EXPECT(clGetDeviceIDs(platform, 1 << 20, 0, NULL, &count), CL_INVALID_DEVICE_TYPE);
    EXPECT(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, NULL), CL_INVALID_VALUE);
    OK(clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof own, &own, NULL));
    EXPECT(own == platform, 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL));
    EXPECT(units > 0, 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes, sizes, NULL));
    EXPECT(sizes[2] > 0, 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, NULL, &length));
    EXPECT(length > 1, 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof text, text, NULL));
    EXPECT(strncmp(text, "OpenCL ", 7), 0);
    EXPECT(clGetDeviceInfo(device, 0x7777, sizeof text, text, NULL), CL_INVALID_VALUE);
    EXPECT(clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, 2, text, NULL), CL_INVALID_VALUE);
}

static void contexts(void) {
    int gone = 0;
    cl_int code;
    cl_uint count;
    cl_context_properties list[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0}, kept[3];
    cl_context made = clCreateContextFromType(list, CL_DEVICE_TYPE_ALL, NULL, NULL, &code);
    OK(code);
    OK(clGetContextInfo(made, CL_CONTEXT_NUM_DEVICES, sizeof count, &count, NULL));
    EXPECT(count, 1);
    OK(clGetContextInfo(made, CL_CONTEXT_PROPERTIES, sizeof kept, kept, NULL));
    EXPECT(memcmp(kept, list, sizeof list), 0);
    OK(clSetContextDestructorCallback(made, destroyed, &gone));
    cl_command_queue held = clCreateCommandQueueWithProperties(made, device, NULL, &code);
    OK(code);
    OK(clReleaseContext(made));
    EXPECT(gone, 0);
    OK(clReleaseCommandQueue(held));
    EXPECT(gone, 1);
    clCreateContext((cl_context_properties[]){0x7777, 1, 0}, 1, &device, NULL, NULL, &code);
    EXPECT(code, CL_INVALID_PROPERTY);
    clCreateContext(NULL, 0, NULL, NULL, NULL, &code);
    EXPECT(code, CL_INVALID_VALUE);
}

static void wrong_objects(void) {
    cl_mem buffer = new_buffer(4);
    size_t one = 1;
    cl_int code;
    EXPECT(clRetainContext((cl_context)queue), CL_INVALID_CONTEXT);
    EXPECT(clFinish((cl_command_queue)context), CL_INVALID_COMMAND_QUEUE);
    EXPECT(clReleaseMemObject((cl_mem)queue), CL_INVALID_MEM_OBJECT);
    EXPECT(clReleaseEvent((cl_event)buffer), CL_INVALID_EVENT);
    EXPECT(clBuildProgram((cl_program)buffer, 0, NULL, NULL, NULL, NULL), CL_INVALID_PROGRAM);
    EXPECT(clEnqueueNDRangeKernel(queue, (cl_kernel)buffer, 1, NULL, &one, NULL, 0, NULL, NULL), CL_INVALID_KERNEL);
    EXPECT(clGetDeviceInfo((cl_device_id)buffer, CL_DEVICE_NAME, 0, NULL, &one), CL_INVALID_DEVICE);
    EXPECT(clGetImageInfo(buffer, CL_IMAGE_WIDTH, 0, NULL, &one), CL_INVALID_MEM_OBJECT);
    EXPECT(clReleaseSampler((cl_sampler)buffer), CL_INVALID_SAMPLER);
    clCreateBuffer((cl_context)queue, 0, 4, NULL, &code);
    EXPECT(code, CL_INVALID_CONTEXT);
    OK(clReleaseMemObject(buffer));
}

static void parts_of_devices(void) {
    cl_uint count = 0, units = 0;
    cl_int code;
    cl_device_id parts[64], parent;
    const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    const cl_device_partition_property enormous[] = {CL_DEVICE_PARTITION_EQUALLY, (intptr_t)1 << 32, 0};
    EXPECT(clCreateSubDevices(device, enormous, 64, parts, &count), CL_INVALID_VALUE);
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL));
    if (units < 2 || clCreateSubDevices(device, equally, 64, parts, &count) == CL_DEVICE_PARTITION_FAILED) {
        return;
    }
    EXPECT(count, units);
    OK(clGetDeviceInfo(parts[0], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL));
    EXPECT(units, 1);
    OK(clGetDeviceInfo(parts[1], CL_DEVICE_PARENT_DEVICE, sizeof parent, &parent, NULL));
    EXPECT(parent == device, 1);
    cl_context made = clCreateContext(NULL, 2, parts, NULL, NULL, &code);
    OK(code);
    cl_command_queue used = clCreateCommandQueue(made, parts[1], 0, &code);
    OK(code);
    OK(clFinish(used));
    for (cl_uint i = 0; i < count; i++) {
        OK(clReleaseDevice(parts[i]));
    }
    OK(clReleaseCommandQueue(used));
    OK(clReleaseContext(made));
}

/* Entry points of what is not supported say so. */
static void refusals(void) {
    cl_int code;
    cl_uint pipes = 1;
    OK(clGetDeviceInfo(device, CL_DEVICE_PIPE_SUPPORT, sizeof pipes, &pipes, NULL));
    EXPECT(pipes, 0);
    clCreatePipe(context, 0, 4, 4, NULL, &code);
    EXPECT(code, CL_INVALID_OPERATION);
    EXPECT(clEnqueueNativeKernel(queue, NULL, NULL, 0, 0, NULL, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
    clCreateCommandQueueWithProperties(
        context, device, (cl_queue_properties[]){CL_QUEUE_PROPERTIES, CL_QUEUE_ON_DEVICE | 1, 0}, &code);
    EXPECT(code, CL_INVALID_QUEUE_PROPERTIES);
}

static void clocks(void) {
    cl_ulong on_device, here, before, after;
    if (clGetHostTimer(device, &before) == CL_INVALID_OPERATION) { /* as PoCL says of its devices */
        return;
    }
    OK(clGetDeviceAndHostTimer(device, &on_device, &here));
    OK(clGetHostTimer(device, &after));
    EXPECT(before <= here && here <= after && on_device > 0, 1);
}

int main(void) {
    set_up(0);
    devices();
    contexts();
    wrong_objects();
    parts_of_devices();
    refusals();
    clocks();
    tear_down();
    return 0;
}
