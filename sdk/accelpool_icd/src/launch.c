/* Launches. What can be told to be wrong here is told at once; the rest surfaces with the event, or at clFinish. */
#include <string.h>

#include "command.h"
#include "kernel.h"
#include "tags.h"

struct ndrange {
    cl_uint dimensions;
    const size_t *offset, *global, *local;
    bool is_empty;
};

static bool has_non_uniform_groups(cl_kernel kernel, cl_device_id device) {
    return kernel->program->has_new_c && device->has_non_uniform_groups; /* no build while there are kernels */
}

static cl_int check_local(cl_kernel kernel, cl_device_id device, const struct work_group_info *group,
                          const struct ndrange *range) {
    size_t items = 1;
    for (cl_uint i = 0; i < range->dimensions; i++) {
        size_t local = range->local[i];
        if (local == 0) {
            return CL_INVALID_WORK_GROUP_SIZE;
        }
        if (local > device->max_item_sizes[i]) {
            return CL_INVALID_WORK_ITEM_SIZE;
        }
        if (range->global[i] % local && !has_non_uniform_groups(kernel, device)) {
            return CL_INVALID_WORK_GROUP_SIZE;
        }
        if (group->compile_size[0] && local != group->compile_size[i]) {
            return CL_INVALID_WORK_GROUP_SIZE;
        }
        if (__builtin_mul_overflow(items, local, &items)) {
            return CL_INVALID_WORK_GROUP_SIZE;
        }
    }
    return items > device->max_group_size ? CL_INVALID_WORK_GROUP_SIZE : CL_SUCCESS;
}

static cl_int check_range(cl_kernel kernel, cl_device_id device, struct ndrange *range) {
    if (range->dimensions < 1 || range->dimensions > 3) {
        return CL_INVALID_WORK_DIMENSION;
    }
    const struct work_group_info *group = group_of(kernel, device);
    if (!group || group->size == 0) {
        return CL_INVALID_PROGRAM_EXECUTABLE;
    }
    if (!range->global) { /* as if a size were 0 */
        range->is_empty = true;
        return CL_SUCCESS;
    }
    for (cl_uint i = 0; i < range->dimensions; i++) {
        range->is_empty = range->is_empty || range->global[i] == 0;
        if (range->offset && range->offset[i] > SIZE_MAX - range->global[i]) {
            return CL_INVALID_GLOBAL_OFFSET;
        }
    }
    return range->local ? check_local(kernel, device, group, range) : CL_SUCCESS;
}

static void write_sizes(struct writer *w, cl_uint count, const size_t *sizes) {
    if (!sizes) {
        write_nil(w);
        return;
    }
    write_array(w, count);
    for (cl_uint i = 0; i < count; i++) {
        write_uint(w, sizes[i]);
    }
}

static void write_args(struct writer *w, cl_kernel kernel) {
    unsigned failures = kernel->session->connection->failures;
    if (!kernel->is_changed && kernel->failures_seen == failures) {
        write_nil(w);
        return;
    }
    kernel->failures_seen = failures;
    write_array(w, kernel->info->arg_count);
    for (cl_uint i = 0; i < kernel->info->arg_count; i++) {
        write_raw(w, kernel->args[i].encoded, kernel->args[i].length);
    }
}

/* With the kernel's lock held: what it was last sent with is what the worker has. */
static cl_int send_launch(struct command *command, cl_kernel kernel, const struct ndrange *range) {
    cl_int code = CL_SUCCESS;
    struct writer *w = begin_command(command, ENQUEUE_NDRANGE_KERNEL, 8, &code);
    if (!w) {
        return code;
    }
    write_uint(w, kernel->handle);
    write_sizes(w, range->dimensions, range->global);
    write_sizes(w, range->dimensions, range->local);
    write_event(w, command);
    write_args(w, kernel);
    write_wait_list(w, command);
    write_sizes(w, range->dimensions, range->offset);
    code = post(command->connection);
    kernel->is_changed = kernel->is_changed && code != CL_SUCCESS;
    return code;
}

static cl_int launch(struct command *command, cl_kernel kernel, struct ndrange *range) {
    if (!is_object(kernel, A_KERNEL)) {
        return CL_INVALID_KERNEL;
    }
    if (kernel->program->context != command->queue->context) {
        return CL_INVALID_CONTEXT;
    }
    cl_int code = check_range(kernel, command->queue->device, range);
    if (code != CL_SUCCESS) {
        return code;
    }
    if (range->is_empty) { /* allowed since OpenCL 2.1: nothing runs, and the event completes in its turn */
        struct writer *w = begin_command(command, ENQUEUE_MARKER, 3, &code);
        if (!w) {
            return code;
        }
        write_event(w, command);
        write_wait_list(w, command);
        return post(command->connection);
    }
    pthread_mutex_lock(&kernel->lock);
    code = kernel->missing ? CL_INVALID_KERNEL_ARGS : send_launch(command, kernel, range);
    pthread_mutex_unlock(&kernel->lock);
    return code;
}

static cl_int enqueue(cl_command_queue queue, cl_kernel kernel, cl_command_type type, struct ndrange *range,
                      cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, type, wait_count, wait_list, event != NULL);
    if (code == CL_SUCCESS) {
        code = launch(&command, kernel, range);
    }
    return finish(&command, code, event);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint wait_count,
                              const cl_event *wait_list, cl_event *event) {
    struct ndrange range = {dimensions, offset, global, local, false};
    return enqueue(queue, kernel, CL_COMMAND_NDRANGE_KERNEL, &range, wait_count, wait_list, event);
}

cl_int clEnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint wait_count, const cl_event *wait_list,
                     cl_event *event) {
    struct ndrange range = {1, NULL, (size_t[]){1}, (size_t[]){1}, false};
    return enqueue(queue, kernel, CL_COMMAND_TASK, &range, wait_count, wait_list, event);
}

cl_int clEnqueueNativeKernel(cl_command_queue queue, native_kernel function, void *args, size_t args_bytes,
                             cl_uint mem_count, const cl_mem *mems, const void **args_mem_loc, cl_uint wait_count,
                             const cl_event *wait_list, cl_event *event) {
    (void)function, (void)args, (void)args_bytes, (void)mem_count, (void)mems, (void)args_mem_loc, (void)wait_count;
    (void)wait_list, (void)event;
    return is_object(queue, A_QUEUE) ? CL_INVALID_OPERATION : CL_INVALID_COMMAND_QUEUE;
}
