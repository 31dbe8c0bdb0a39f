#include <string.h>

#include "device_info.h"
#include "kernel.h"
#include "tags.h"

#define INFO_ROOM size_t room, void *value, size_t *size_ret

cl_int clGetKernelInfo(cl_kernel kernel, cl_kernel_info name, INFO_ROOM) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    switch (name) {
    case CL_KERNEL_FUNCTION_NAME:
        return GIVE_TEXT(kernel->info->name);
    case CL_KERNEL_NUM_ARGS:
        return GIVE(cl_uint, kernel->info->arg_count);
    case CL_KERNEL_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)kernel->object.references);
    case CL_KERNEL_CONTEXT:
        return GIVE(cl_context, kernel->program->context);
    case CL_KERNEL_PROGRAM:
        return GIVE(cl_program, kernel->program);
    case CL_KERNEL_ATTRIBUTES:
        return GIVE_TEXT(kernel->info->attributes);
    default:
        return CL_INVALID_VALUE;
    }
}

cl_int clGetKernelArgInfo(cl_kernel kernel, cl_uint index, cl_kernel_arg_info name, INFO_ROOM) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    if (index >= kernel->info->arg_count) {
        return CL_INVALID_ARG_INDEX;
    }
    if (!kernel->info->has_args) {
        return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
    }
    const struct arg_info *arg = &kernel->info->args[index];
    switch (name) {
    case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
        return GIVE(cl_uint, arg->address);
    case CL_KERNEL_ARG_ACCESS_QUALIFIER:
        return GIVE(cl_uint, arg->access);
    case CL_KERNEL_ARG_TYPE_NAME:
        return GIVE_TEXT(arg->type_name);
    case CL_KERNEL_ARG_TYPE_QUALIFIER:
        return GIVE(cl_bitfield, arg->type_qualifier);
    case CL_KERNEL_ARG_NAME:
        return GIVE_TEXT(arg->name);
    default:
        return CL_INVALID_VALUE;
    }
}

const struct work_group_info *group_of(cl_kernel kernel, cl_device_id device) {
    cl_context context = kernel->program->context;
    for (cl_uint i = 0; i < context->device_count && i < kernel->build->group_count; i++) {
        if (context->devices[i] == device) {
            return &kernel->info->groups[i];
        }
    }
    return NULL;
}

/* The device that is asked about: the only one where none is named. */
static cl_device_id device_asked(cl_kernel kernel, cl_device_id device) {
    if (!device && kernel->program->device_count == 1) {
        return kernel->program->devices[0];
    }
    return is_object(device, A_DEVICE) ? device : NULL;
}

/* Ask the worker for what a device says of a kernel, one number or three. */
static cl_int ask_sizes(cl_kernel kernel, int about, cl_uint name, cl_device_id device, size_t input_count,
                        const size_t *input, size_t *sizes, size_t *count) {
    struct connection *c = kernel->session->connection;
    struct writer *w = begin(c, GET_INFO, 5);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, (uint64_t)about);
    write_uint(w, kernel->handle);
    write_uint(w, name);
    write_uint(w, device->place);
    if (input_count == 0) {
        write_nil(w);
    } else {
        write_array(w, input_count);
        for (size_t i = 0; i < input_count; i++) {
            write_uint(w, input[i]);
        }
    }
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    if (code == CL_SUCCESS) {
        bool is_list = read_kind(&answer.fields) == KIND_ARRAY;
        size_t told = is_list ? read_array(&answer.fields) : 1;
        *count = told < 3 ? told : 3;
        for (size_t i = 0; i < *count; i++) {
            sizes[i] = (size_t)read_uint(&answer.fields);
        }
        code = answer.fields.failed ? CL_INVALID_VALUE : CL_SUCCESS;
    }
    answer_free(&answer);
    return code;
}

cl_int clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info name, INFO_ROOM) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    device = device_asked(kernel, device);
    const struct work_group_info *group = device ? group_of(kernel, device) : NULL;
    if (!group || group->size == 0) {
        return CL_INVALID_DEVICE;
    }
    size_t sizes[3] = {0}, count = 0;
    switch (name) {
    case CL_KERNEL_WORK_GROUP_SIZE:
        return GIVE(size_t, group->size);
    case CL_KERNEL_COMPILE_WORK_GROUP_SIZE:
        return GIVE_BYTES(group->compile_size, sizeof group->compile_size);
    case CL_KERNEL_LOCAL_MEM_SIZE:
        return GIVE(cl_ulong, group->local_bytes);
    case CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE:
        return GIVE(size_t, group->preferred_multiple);
    case CL_KERNEL_PRIVATE_MEM_SIZE:
        return GIVE(cl_ulong, group->private_bytes);
    case CL_KERNEL_GLOBAL_WORK_SIZE: {
        cl_int code = ask_sizes(kernel, 2, name, device, 0, NULL, sizes, &count);
        return code == CL_SUCCESS ? GIVE_BYTES(sizes, sizeof sizes) : code;
    }
    default:
        return CL_INVALID_VALUE;
    }
}

/* Whether an info on sub-groups is asked for with as many numbers as it takes. */
static bool is_right_input(cl_kernel_sub_group_info name, size_t bytes, const void *input) {
    size_t most = name == CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT ? 1 : 3;
    return input && bytes > 0 && bytes % sizeof(size_t) == 0 && bytes / sizeof(size_t) <= most;
}

/* What the worker is asked with, a local size for so many sub-groups: in as many dimensions as there is room for. */
static cl_int ask_local_size(cl_kernel kernel, cl_device_id device, const void *input, INFO_ROOM) {
    size_t given[2] = {0, 3}, sizes[3] = {0}, count = 0;
    memcpy(given, input, sizeof *given);
    if (value) {
        given[1] = room / sizeof *sizes < 3 ? room / sizeof *sizes : 3;
    }
    if (given[1] == 0) {
        return CL_INVALID_VALUE;
    }
    cl_int code = ask_sizes(kernel, 3, CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT, device, 2, given, sizes, &count);
    return code == CL_SUCCESS ? GIVE_BYTES(sizes, count * sizeof *sizes) : code;
}

cl_int clGetKernelSubGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_sub_group_info name,
                               size_t input_bytes, const void *input, INFO_ROOM) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    device = device_asked(kernel, device);
    const struct work_group_info *group = device ? group_of(kernel, device) : NULL;
    if (!group || group->size == 0) {
        return CL_INVALID_DEVICE;
    }
    if (device_number(device, CL_DEVICE_MAX_NUM_SUB_GROUPS) == 0) {
        return CL_INVALID_OPERATION;
    }
    size_t input_count = 0, sizes[3] = {0}, count = 0;
    switch (name) {
    case CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT:
    case CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE:
    case CL_KERNEL_SUB_GROUP_COUNT_FOR_NDRANGE:
        if (!is_right_input(name, input_bytes, input)) {
            return CL_INVALID_VALUE;
        }
        input_count = input_bytes / sizeof *sizes;
        break;
    default:
        break;
    }
    if (name == CL_KERNEL_LOCAL_SIZE_FOR_SUB_GROUP_COUNT) {
        return ask_local_size(kernel, device, input, room, value, size_ret);
    }
    cl_int code = ask_sizes(kernel, 3, name, device, input_count, input, sizes, &count);
    return code == CL_SUCCESS ? GIVE_BYTES(sizes, count * sizeof *sizes) : code;
}

cl_int clGetKernelSubGroupInfoKHR(cl_kernel kernel, cl_device_id device, cl_kernel_sub_group_info name,
                                  size_t input_bytes, const void *input, INFO_ROOM) {
    return clGetKernelSubGroupInfo(kernel, device, name, input_bytes, input, room, value, size_ret);
}
