/* Queues: each is one of its device's session, whose wait lists may have events of others. */
#include "command.h"

static cl_command_queue created(struct spanning_context *context, int home, cl_command_queue own, cl_int code,
                                cl_int *errcode_ret) {
    struct spanning_queue *queue = own ? new_spanning(A_SPANNING_QUEUE, sizeof *queue, context) : NULL;
    if (queue) {
        queue->home = (cl_uint)home;
        queue->base.parts[home].object = own;
    } else if (own) {
        release_queue(own);
        code = CL_OUT_OF_HOST_MEMORY;
    }
    return result(errcode_ret, code, queue);
}

cl_command_queue spanning_clCreateCommandQueue(cl_context handle, cl_device_id device,
                                               cl_command_queue_properties flags, cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    int home = context ? part_of_device(context, device) : -1;
    if (home < 0) {
        return result(errcode_ret, context ? CL_INVALID_DEVICE : CL_INVALID_CONTEXT, NULL);
    }
    cl_int code;
    cl_command_queue own = clCreateCommandQueue(part_at(context, (cl_uint)home), device, flags, &code);
    return created(context, home, own, code, errcode_ret);
}

cl_command_queue spanning_clCreateCommandQueueWithProperties(cl_context handle, cl_device_id device,
                                                             const cl_queue_properties *properties,
                                                             cl_int *errcode_ret) {
    struct spanning_context *context = spanning_of(handle, A_SPANNING_CONTEXT);
    int home = context ? part_of_device(context, device) : -1;
    if (home < 0) {
        return result(errcode_ret, context ? CL_INVALID_DEVICE : CL_INVALID_CONTEXT, NULL);
    }
    cl_int code;
    cl_context part = part_at(context, (cl_uint)home);
    cl_command_queue own = clCreateCommandQueueWithProperties(part, device, properties, &code);
    return created(context, home, own, code, errcode_ret);
}

void release_spanning_queue(struct spanning_queue *queue) {
    if (release(queue)) {
        release_queue(part_at(queue, queue->home));
        release_spanning_context(queue->base.context);
        free_object(queue);
    }
}

cl_int spanning_clRetainCommandQueue(cl_command_queue queue) {
    return retained(spanning_of(queue, A_SPANNING_QUEUE), CL_INVALID_COMMAND_QUEUE);
}

cl_int spanning_clReleaseCommandQueue(cl_command_queue handle) {
    struct spanning_queue *queue = spanning_of(handle, A_SPANNING_QUEUE);
    if (!queue) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    clFlush(part_at(queue, queue->home));
    release_spanning_queue(queue);
    return CL_SUCCESS;
}

cl_int spanning_clGetCommandQueueInfo(cl_command_queue handle, cl_command_queue_info name, size_t room, void *value,
                                      size_t *size_ret) {
    struct spanning_queue *queue = spanning_of(handle, A_SPANNING_QUEUE);
    if (!queue) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    switch (name) {
    case CL_QUEUE_CONTEXT:
        return GIVE(cl_context, (cl_context)queue->base.context);
    case CL_QUEUE_REFERENCE_COUNT:
        return GIVE(cl_uint, (cl_uint)queue->base.object.references);
    default:
        return clGetCommandQueueInfo(part_at(queue, queue->home), name, room, value, size_ret);
    }
}

cl_int spanning_clSetCommandQueueProperty(cl_command_queue queue, cl_command_queue_properties flags, cl_bool enable,
                                          cl_command_queue_properties *old) {
    (void)flags, (void)enable, (void)old;
    return is_object(queue, A_SPANNING_QUEUE) ? CL_INVALID_OPERATION : CL_INVALID_COMMAND_QUEUE;
}

cl_int spanning_clFlush(cl_command_queue handle) {
    struct spanning_queue *queue = spanning_of(handle, A_SPANNING_QUEUE);
    return queue ? clFlush(part_at(queue, queue->home)) : CL_INVALID_COMMAND_QUEUE;
}

cl_int spanning_clFinish(cl_command_queue handle) {
    struct spanning_queue *queue = spanning_of(handle, A_SPANNING_QUEUE);
    if (!queue) {
        return CL_INVALID_COMMAND_QUEUE;
    }
    flush_parts(queue->base.context);
    return clFinish(part_at(queue, queue->home));
}

/* ---- markers and barriers --------------------------------------------------------------------------------- */

cl_int spanning_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list,
                                            cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        c.code = clEnqueueMarkerWithWaitList(c.queue, ORDER(c));
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list,
                                             cl_event *event) {
    struct spanning_command c;
    if (open_command(&c, queue, wait_count, wait_list, event != NULL)) {
        c.code = clEnqueueBarrierWithWaitList(c.queue, ORDER(c));
    }
    return close_command(&c, event);
}

cl_int spanning_clEnqueueMarker(cl_command_queue queue, cl_event *event) {
    return event ? spanning_clEnqueueMarkerWithWaitList(queue, 0, NULL, event) : CL_INVALID_VALUE;
}

cl_int spanning_clEnqueueBarrier(cl_command_queue queue) {
    return spanning_clEnqueueBarrierWithWaitList(queue, 0, NULL, NULL);
}

cl_int spanning_clEnqueueWaitForEvents(cl_command_queue queue, cl_uint count, const cl_event *list) {
    if (count == 0 || !list) {
        return CL_INVALID_VALUE;
    }
    cl_int code = spanning_clEnqueueBarrierWithWaitList(queue, count, list, NULL);
    return code == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : code;
}
