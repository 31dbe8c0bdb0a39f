#include <string.h>

#include "command.h"
#include "device_info.h"
#include "tags.h"

#define KNOWN_FLAGS (CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE)

static bool has_device(cl_context context, cl_device_id device) {
    for (cl_uint i = 0; i < context->device_count; i++) {
        if (context->devices[i] == device) {
            return true;
        }
    }
    return false;
}

static cl_command_queue create(cl_context context, cl_device_id device, cl_command_queue_properties flags,
                               const cl_queue_properties *properties, cl_int *errcode_ret) {
    if (!is_object(context, A_CONTEXT)) {
        return result(errcode_ret, CL_INVALID_CONTEXT, NULL);
    }
    if (!is_object(device, A_DEVICE) || !has_device(context, device)) {
        return result(errcode_ret, CL_INVALID_DEVICE, NULL);
    }
    if (flags & ~(cl_bitfield)KNOWN_FLAGS) {
        bool is_known = !(flags & ~(cl_bitfield)(KNOWN_FLAGS | CL_QUEUE_ON_DEVICE | CL_QUEUE_ON_DEVICE_DEFAULT));
        return result(errcode_ret, is_known ? CL_INVALID_QUEUE_PROPERTIES : CL_INVALID_VALUE, NULL);
    }
    if (flags & ~(device_number(device, CL_DEVICE_QUEUE_ON_HOST_PROPERTIES) | CL_QUEUE_PROFILING_ENABLE)) {
        return result(errcode_ret, CL_INVALID_QUEUE_PROPERTIES, NULL);
    }
    cl_command_queue queue = new_object(A_QUEUE, sizeof *queue);
    if (!queue || !copy_properties(&queue->properties, properties, sizeof *properties, 2)) {
        free(queue);
        return result(errcode_ret, CL_OUT_OF_HOST_MEMORY, NULL);
    }
    struct connection *c = context->session->connection;
    queue->session = context->session;
    queue->context = context;
    queue->device = device;
    queue->flags = flags;
    queue->handle = new_handle(c);
    retain(context);
    retain(device);
    cl_int code = CL_OUT_OF_RESOURCES;
    struct writer *w = begin(c, CREATE_COMMAND_QUEUE, 4);
    if (w) {
        write_uint(w, queue->handle);
        write_uint(w, context->handle);
        write_uint(w, device->place);
        write_uint(w, flags);
        code = post(c);
    }
    if (code != CL_SUCCESS) {
        release_queue(queue);
    }
    return result(errcode_ret, code, queue);
}

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id device, cl_command_queue_properties flags,
                                      cl_int *errcode_ret) {
    if (flags & ~(cl_bitfield)KNOWN_FLAGS) {
        return result(errcode_ret, CL_INVALID_VALUE, NULL);
    }
    return create(context, device, flags, NULL, errcode_ret);
}

cl_command_queue clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                    const cl_queue_properties *properties, cl_int *errcode_ret) {
    cl_command_queue_properties flags = 0;
    for (const cl_queue_properties *at = properties; at && *at; at += 2) {
        if (*at == CL_QUEUE_SIZE) {
            return result(errcode_ret, CL_INVALID_QUEUE_PROPERTIES, NULL); /* there are no on-device queues */
        }
        if (*at != CL_QUEUE_PROPERTIES) {
            return result(errcode_ret, CL_INVALID_VALUE, NULL);
        }
        flags = at[1];
    }
    return create(context, device, flags, properties, errcode_ret);
}

void release_queue(cl_command_queue queue) {
    if (release(queue)) {
        release_handle(queue->session->connection, queue->handle);
        clear_ends(&queue->earlier);
        clear_ends(&queue->fence);
        release_device(queue->device);
        release_context(queue->context);
        free(queue->properties.list);
        free_object(queue);
    }
}

cl_int clRetainCommandQueue(cl_command_queue queue) {
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    retain(queue);
    return CL_SUCCESS;
}

cl_int clReleaseCommandQueue(cl_command_queue queue) {
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    clFlush(queue); /* as the specification has it */
    release_queue(queue);
    return CL_SUCCESS;
}

cl_int clGetCommandQueueInfo(cl_command_queue queue, cl_command_queue_info name, size_t room, void *value,
                             size_t *size_ret) {
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    switch (name) {
    case CL_QUEUE_CONTEXT:
        return GIVE(cl_context, queue->context);
    case CL_QUEUE_DEVICE:
        return GIVE(cl_device_id, queue->device);
    case CL_QUEUE_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)queue->object.references);
    case CL_QUEUE_PROPERTIES:
        return GIVE(cl_command_queue_properties, queue->flags);
    case CL_QUEUE_PROPERTIES_ARRAY:
        return GIVE_BYTES(queue->properties.list, queue->properties.bytes);
    case CL_QUEUE_SIZE:
        return CL_INVALID_COMMAND_QUEUE; /* as of a queue that is not on a device */
    case CL_QUEUE_DEVICE_DEFAULT:
        return GIVE(cl_command_queue, NULL);
    default:
        return CL_INVALID_VALUE;
    }
}

cl_int clSetCommandQueueProperty(cl_command_queue queue, cl_command_queue_properties flags, cl_bool enable,
                                 cl_command_queue_properties *old) {
    (void)enable, (void)old;
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    return flags & ~(cl_bitfield)KNOWN_FLAGS ? CL_INVALID_VALUE : CL_INVALID_OPERATION; /* gone since OpenCL 1.1 */
}

cl_int clSetDefaultDeviceCommandQueue(cl_context context, cl_device_id device, cl_command_queue queue) {
    if (!is_object(context, A_CONTEXT)) {
        return CL_INVALID_CONTEXT;
    }
    if (!is_object(device, A_DEVICE) || !has_device(context, device)) {
        return CL_INVALID_DEVICE;
    }
    return queue && !is_object(queue, A_QUEUE) ? CL_INVALID_COMMAND_QUEUE : CL_INVALID_OPERATION;
}

cl_int clFlush(cl_command_queue queue) {
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    struct connection *c = queue->session->connection;
    struct writer *w = begin(c, FLUSH, 1);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, queue->handle);
    cl_int code = post(c);
    return code == CL_SUCCESS ? flush(c) : code;
}

static bool has_read_all(void *queue) {
    return ((cl_command_queue)queue)->reads_under_way == 0;
}

cl_int clFinish(cl_command_queue queue) {
    if (!is_object(queue, A_QUEUE)) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    struct connection *c = queue->session->connection;
    struct writer *w = begin(c, FINISH, 1);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, queue->handle);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    answer_free(&answer);
    pthread_mutex_lock(&c->lock);
    wait_until(c, has_read_all, queue);
    pthread_mutex_unlock(&c->lock);
    return code;
}

/* ---- markers and barriers --------------------------------------------------------------------------------- */

static cl_int synchronise(int tag, cl_command_queue queue, cl_command_type type, cl_uint wait_count,
                          const cl_event *wait_list, cl_event *event) {
    struct command command;
    cl_int code = prepare(&command, queue, type, wait_count, wait_list, event != NULL);
    struct writer *w = begin_command(&command, tag, 3, &code);
    if (w) {
        write_event(w, &command);
        write_wait_list(w, &command);
        code = post(command.connection);
    }
    return finish(&command, code, event);
}

cl_int clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list,
                                   cl_event *event) {
    return synchronise(ENQUEUE_MARKER, queue, CL_COMMAND_MARKER, wait_count, wait_list, event);
}

cl_int clEnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list,
                                    cl_event *event) {
    return synchronise(ENQUEUE_BARRIER, queue, CL_COMMAND_BARRIER, wait_count, wait_list, event);
}

cl_int clEnqueueMarker(cl_command_queue queue, cl_event *event) {
    return event ? clEnqueueMarkerWithWaitList(queue, 0, NULL, event) : CL_INVALID_VALUE;
}

cl_int clEnqueueBarrier(cl_command_queue queue) {
    return clEnqueueBarrierWithWaitList(queue, 0, NULL, NULL);
}

cl_int clEnqueueWaitForEvents(cl_command_queue queue, cl_uint count, const cl_event *list) {
    if (count == 0 || !list) {
        return CL_INVALID_VALUE;
    }
    cl_int code = clEnqueueBarrierWithWaitList(queue, count, list, NULL);
    return code == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : code;
}
