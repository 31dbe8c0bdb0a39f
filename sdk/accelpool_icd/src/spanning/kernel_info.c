#include "kernel.h"

#define INFO_ROOM size_t room, void *value, size_t *size_ret

cl_int spanning_clGetKernelInfo(cl_kernel handle, cl_kernel_info name, INFO_ROOM) {
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    if (!kernel) {
        return CL_INVALID_KERNEL;
    }
    switch (name) {
    case CL_KERNEL_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)kernel->base.object.references);
    case CL_KERNEL_CONTEXT:
        return GIVE(cl_context, (cl_context)kernel->base.context);
    case CL_KERNEL_PROGRAM:
        return GIVE(cl_program, (cl_program)kernel->program);
    default:
        return clGetKernelInfo(some_part(kernel), name, room, value, size_ret);
    }
}

/* Of the first part whose compiler tells. */
cl_int spanning_clGetKernelArgInfo(cl_kernel handle, cl_uint index, cl_kernel_arg_info name, INFO_ROOM) {
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    cl_int code = CL_INVALID_KERNEL;
    for (cl_uint i = 0; kernel && i < kernel->base.context->part_count; i++) {
        if (part_at(kernel, i)) {
            code = clGetKernelArgInfo(part_at(kernel, i), index, name, room, value, size_ret);
        }
        if (part_at(kernel, i) && code != CL_KERNEL_ARG_INFO_NOT_AVAILABLE) {
            return code;
        }
    }
    return code;
}

/* The part that knows of a device, which is the only one of the program where none is named; NULL if there is none.
 */
static cl_kernel part_for(const struct spanning_kernel *kernel, cl_device_id *device) {
    if (!*device && kernel->program->device_count == 1) {
        *device = kernel->program->devices[0];
    }
    int part = part_of_device(kernel->base.context, *device);
    return part < 0 ? NULL : part_at(kernel, (cl_uint)part);
}

cl_int spanning_clGetKernelWorkGroupInfo(cl_kernel handle, cl_device_id device, cl_kernel_work_group_info name,
                                         INFO_ROOM) {
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    cl_kernel own = kernel ? part_for(kernel, &device) : NULL;
    if (!own) {
        return kernel ? CL_INVALID_DEVICE : CL_INVALID_KERNEL;
    }
    return clGetKernelWorkGroupInfo(own, device, name, room, value, size_ret);
}

cl_int spanning_clGetKernelSubGroupInfo(cl_kernel handle, cl_device_id device, cl_kernel_sub_group_info name,
                                        size_t input_bytes, const void *input, INFO_ROOM) {
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    cl_kernel own = kernel ? part_for(kernel, &device) : NULL;
    if (!own) {
        return kernel ? CL_INVALID_DEVICE : CL_INVALID_KERNEL;
    }
    return clGetKernelSubGroupInfo(own, device, name, input_bytes, input, room, value, size_ret);
}

cl_int spanning_clGetKernelSubGroupInfoKHR(cl_kernel kernel, cl_device_id device, cl_kernel_sub_group_info name,
                                           size_t input_bytes, const void *input, INFO_ROOM) {
    return spanning_clGetKernelSubGroupInfo(kernel, device, name, input_bytes, input, room, value, size_ret);
}
