/* Launches, and the arguments that they use memory by. */
#include <string.h>

#include "../kernel.h"
#include "../memory.h"
#include "command.h"
#include "kernel.h"

/* The memory object or sampler of ours that an argument is, where it may be one; NULL if it is none. */
static struct spanning *object_in(const struct spanning_kernel *kernel, cl_uint index, size_t size,
                                  const void *value) {
    void *handle = NULL;
    if (index >= kernel->info->arg_count || size != sizeof handle || !value || !takes_object(kernel->info, index)) {
        return NULL;
    }
    memcpy(&handle, value, sizeof handle);
    bool is_ours =
        is_live_handle(handle) && (is_object(handle, A_SPANNING_MEM) || is_object(handle, A_SPANNING_SAMPLER));
    return is_ours ? handle : NULL;
}

/* Give each part what it has in the place of an object; a part that has none is not launched. */
static cl_int set_object(struct spanning_kernel *kernel, cl_uint index, struct spanning *object) {
    bool is_sampler = is_object(object, A_SPANNING_SAMPLER);
    if (object->context != kernel->base.context) {
        return is_sampler ? CL_INVALID_SAMPLER : CL_INVALID_MEM_OBJECT;
    }
    cl_int code = CL_SUCCESS;
    for (cl_uint i = 0; code == CL_SUCCESS && i < object->context->part_count; i++) {
        void *own = part_at(object, i);
        if (own && part_at(kernel, i)) {
            code = clSetKernelArg(part_at(kernel, i), index, sizeof own, &own);
        }
    }
    return code;
}

cl_int spanning_clSetKernelArg(cl_kernel handle, cl_uint index, size_t size, const void *value) {
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    if (!kernel) {
        return CL_INVALID_KERNEL;
    }
    struct spanning *object = object_in(kernel, index, size, value);
    cl_int code = CL_SUCCESS;
    pthread_mutex_lock(&kernel->lock);
    if (object) {
        code = set_object(kernel, index, object);
    }
    for (cl_uint i = 0; !object && code == CL_SUCCESS && i < kernel->base.context->part_count; i++) {
        cl_kernel own = part_at(kernel, i);
        code = own ? clSetKernelArg(own, index, size, value) : CL_SUCCESS;
    }
    if (code == CL_SUCCESS) {
        struct spanning_mem *mem = spanning_of(object, A_SPANNING_MEM);
        kernel->mem_args[index] = (struct mem_arg){mem, mem ? mem->serial : 0};
    }
    pthread_mutex_unlock(&kernel->lock);
    return code;
}

cl_int spanning_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void *value) {
    (void)index, (void)value;
    return is_object(kernel, A_SPANNING_KERNEL) ? CL_INVALID_OPERATION : CL_INVALID_KERNEL;
}

cl_int spanning_clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info name, size_t size, const void *value) {
    (void)name, (void)size, (void)value;
    return is_object(kernel, A_SPANNING_KERNEL) ? CL_INVALID_OPERATION : CL_INVALID_KERNEL;
}

/* ---- launches ----------------------------------------------------------------------------------------------- */

/* Whether the kernel only reads an argument: by what its compiler tells, or by the memory's flags. */
static enum access access_of(const struct spanning_kernel *kernel, cl_uint index, struct spanning_mem *mem) {
    cl_mem part = some_part(mem);
    if (part->flags & CL_MEM_READ_ONLY) {
        return READS;
    }
    if (!kernel->info->has_args) {
        return WRITES;
    }
    const struct arg_info *arg = &kernel->info->args[index];
    bool is_read = arg->address == CL_KERNEL_ARG_ADDRESS_CONSTANT || arg->access == CL_KERNEL_ARG_ACCESS_READ_ONLY ||
                   (arg->type_qualifier & CL_KERNEL_ARG_TYPE_CONST);
    return is_read ? READS : WRITES;
}

static void use_args(struct spanning_command *c, struct spanning_kernel *kernel) {
    for (cl_uint i = 0; c->code == CL_SUCCESS && i < kernel->info->arg_count; i++) {
        const struct mem_arg *arg = &kernel->mem_args[i];
        if (!arg->mem) {
            continue;
        }
        if (!is_live_handle(arg->mem) || arg->mem->serial != arg->serial) {
            c->code = CL_INVALID_MEM_OBJECT;
        } else {
            use(c, (cl_mem)arg->mem, access_of(kernel, i, arg->mem));
        }
    }
}

/* Open a command that launches a kernel, which stays locked if there is one; its part, or NULL. */
static cl_kernel open_launch(struct spanning_command *c, cl_command_queue queue, struct spanning_kernel *kernel,
                             cl_uint wait_count, const cl_event *wait_list, bool wants_event) {
    if (kernel) {
        pthread_mutex_lock(&kernel->lock);
    }
    if (!open_command(c, queue, wait_count, wait_list, wants_event)) {
        return NULL;
    }
    if (!kernel || kernel->base.context != c->of->base.context) {
        c->code = kernel ? CL_INVALID_CONTEXT : CL_INVALID_KERNEL;
        return NULL;
    }
    cl_kernel own = part_at(kernel, c->part);
    c->code = own ? CL_SUCCESS : CL_INVALID_PROGRAM_EXECUTABLE;
    use_args(c, kernel);
    return occupy(c) ? own : NULL;
}

static cl_int close_launch(struct spanning_command *c, struct spanning_kernel *kernel, cl_event *event) {
    cl_int code = close_command(c, event);
    if (kernel) {
        pthread_mutex_unlock(&kernel->lock);
    }
    return code;
}

cl_int spanning_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel handle, cl_uint dimensions,
                                       const size_t *offset, const size_t *global, const size_t *local,
                                       cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct spanning_command c;
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    cl_kernel own = open_launch(&c, queue, kernel, wait_count, wait_list, event != NULL);
    if (own) {
        c.code = clEnqueueNDRangeKernel(c.queue, own, dimensions, offset, global, local, ORDER(c));
    }
    return close_launch(&c, kernel, event);
}

cl_int spanning_clEnqueueTask(cl_command_queue queue, cl_kernel handle, cl_uint wait_count, const cl_event *wait_list,
                              cl_event *event) {
    struct spanning_command c;
    struct spanning_kernel *kernel = spanning_of(handle, A_SPANNING_KERNEL);
    cl_kernel own = open_launch(&c, queue, kernel, wait_count, wait_list, event != NULL);
    if (own) {
        c.code = clEnqueueTask(c.queue, own, ORDER(c));
    }
    return close_launch(&c, kernel, event);
}

cl_int spanning_clEnqueueNativeKernel(cl_command_queue queue, native_kernel function, void *args, size_t args_bytes,
                                      cl_uint mem_count, const cl_mem *mems, const void **args_mem_loc,
                                      cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    (void)function, (void)args, (void)args_bytes, (void)mem_count, (void)mems, (void)args_mem_loc, (void)wait_count;
    (void)wait_list, (void)event;
    return is_object(queue, A_SPANNING_QUEUE) ? CL_INVALID_OPERATION : CL_INVALID_COMMAND_QUEUE;
}
